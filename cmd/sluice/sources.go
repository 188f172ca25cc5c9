package main

import (
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"sync"

	"sluice/pipeline/config"
)

// sources are the files that a configuration was made of, each with a hash of
// its content: the configuration itself and those that it names with file:.
// Contents are compared, not times or inodes, so it makes no difference how a
// file is replaced: by an editor, a rename or a swapped link. A file that
// cannot be read has the hash of nothing.
type sources map[string][sha256.Size]byte

// configAndSources reads the file of -c and tells what it was made of; that is
// known, as far as it goes, of a faulty file too.
func (sh *shell) configAndSources() (config.Config, sources, error) {
	rec := &recorder{made: sources{sh.configPath: {}}}
	cfg, err := sh.parse(func(r io.Reader, lookup config.LookupFunc, read config.ReadFunc) (config.Config, error) {
		hash := sha256.New()
		named := hashed{r, hash}
		cfg, err := config.Parse(named, lookup, func(path string) ([]byte, error) {
			content, err := read(path)
			rec.note(sh.secretPath(path), digest(content, err))
			return content, err
		})
		// What Parse left unread belongs to the file as well.
		if _, rest := io.Copy(io.Discard, named); rest != nil {
			return cfg, errors.Join(err, rest)
		}
		rec.note(sh.configPath, [sha256.Size]byte(hash.Sum(nil)))
		return cfg, err
	})
	return cfg, rec.end(), err
}

// recorder notes what a configuration is made of while it is read. Some of its
// files are read again later, for each connection, from any goroutine: that is
// noted no more.
type recorder struct {
	mu    sync.Mutex
	made  sources // guarded by mu
	ended bool    // guarded by mu
}

func (r *recorder) note(path string, hash [sha256.Size]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.made[path] = hash
	}
}

func (r *recorder) end() sources {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	return r.made
}

// hashed is a named reader whose bytes go into a hash as well.
type hashed struct {
	io.Reader
	to io.Writer
}

func (h hashed) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	_, _ = h.to.Write(p[:n]) // a hash takes everything
	return n, err
}

// Name is that of the file.
func (h hashed) Name() string {
	if named, ok := h.Reader.(interface{ Name() string }); ok {
		return named.Name()
	}
	return "config"
}

// secretPath is where a file is that the configuration names.
func (sh *shell) secretPath(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(sh.configPath), path)
}

// now reads the same files again.
func (s sources) now(read func(path string) ([]byte, error)) sources {
	fresh := make(sources, len(s))
	for path := range s {
		fresh[path] = digest(read(path))
	}
	return fresh
}

func (s sources) equal(other sources) bool { return maps.Equal(s, other) }

func digest(content []byte, err error) [sha256.Size]byte {
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(content)
}
