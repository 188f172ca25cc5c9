package gateway

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// lookEvery bounds how often handshakes look at the files.
const lookEvery = time.Second

// keyPair is the certificate of the TLS listener. It follows its files: one
// that has changed serves from the next handshake on. While the files cannot be
// read, or do not fit each other, the last good one serves.
type keyPair struct {
	cert, key string
	log       *zap.Logger

	mu     sync.Mutex // guards what follows
	pair   *tls.Certificate
	seen   [2]mark // of the files when they were last read
	looked time.Time
}

// mark tells one state of a file from another.
type mark struct {
	size     int64
	modified time.Time
	inode    os.FileInfo
}

func (m mark) is(other mark) bool {
	return m.size == other.size && m.modified.Equal(other.modified) && m.inode != nil && os.SameFile(m.inode, other.inode)
}

func newKeyPair(cert, key string, log *zap.Logger) (*keyPair, error) {
	k := &keyPair{cert: cert, key: key, log: log, looked: time.Now()}
	seen, err := k.marks()
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s: %w", cert, err)
	}
	k.pair, k.seen = &pair, seen
	return k, nil
}

// current is tls.Config's GetCertificate.
func (k *keyPair) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); now.Sub(k.looked) >= lookEvery {
		k.looked = now
		k.follow()
	}
	return k.pair, nil
}

// follow reads the files if they have changed. The caller holds mu; the read is
// small, local and rare.
func (k *keyPair) follow() {
	seen, err := k.marks()
	if err == nil && seen[0].is(k.seen[0]) && seen[1].is(k.seen[1]) {
		return
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(k.cert, k.key)
	}
	if err != nil {
		// The next look tries again: a file may have been read half written.
		k.log.Warn("the certificate cannot be read anew; the last good one serves", zap.String("cert", k.cert), zap.Error(err))
		return
	}
	k.pair, k.seen = &pair, seen
	k.log.Info("a new certificate serves", zap.String("cert", k.cert))
}

func (k *keyPair) marks() (marks [2]mark, err error) {
	for i, name := range [...]string{k.cert, k.key} {
		info, err := os.Stat(name)
		if err != nil {
			return marks, fmt.Errorf("look at %s: %w", name, err)
		}
		marks[i] = mark{info.Size(), info.ModTime(), info}
	}
	return marks, nil
}
