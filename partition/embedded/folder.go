package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// FolderError says why a folder cannot be used, and what to do.
type FolderError struct {
	Dir    string
	Reason string // what is wrong, and the remedy
	Err    error  // what the system said, if it did
}

// Error implements error.
func (e *FolderError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("folder %s: %s: %v", e.Dir, e.Reason, e.Err)
	}
	return fmt.Sprintf("folder %s: %s", e.Dir, e.Reason)
}

// Unwrap is what the system said.
func (e *FolderError) Unwrap() error { return e.Err }

const (
	// markFile shows that a folder is ours, says what for, and is locked while
	// a process uses it. It is never removed: a lock on a removed file would
	// hold nobody off.
	markFile = "sluice.data"
	// brokerFolder holds the broker's own files.
	brokerFolder = "kafka"
	markTitle    = "sluice embedded Kafka, format 1"
)

// folder is a claimed data folder.
type folder struct {
	dir  string
	mark *os.File // locked until release
}

// claim makes dir ours, or finds that it is, and locks it. A folder that holds
// anything else is refused, and so is one made for another purpose.
func claim(dir, purpose string) (_ *folder, err error) {
	refuse := func(reason string, err error) (*folder, error) {
		return nil, &FolderError{Dir: dir, Reason: reason, Err: err}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil { // events are somebody's personal data
		return refuse("cannot be made", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return refuse("cannot be read", err)
	}
	ours := len(entries) == 0
	for _, e := range entries {
		ours = ours || e.Name() == markFile
	}
	if !ours {
		return refuse("holds files that are not sluice's; name an empty or a new folder", nil)
	}
	mark, err := lock(filepath.Join(dir, markFile))
	if errors.Is(err, errLocked) {
		return refuse("is in use by another process; stop that one, or name another folder", nil)
	}
	if err != nil {
		return refuse("cannot be locked", err)
	}
	f := &folder{dir: dir, mark: mark}
	if err := f.judge(purpose); err != nil {
		f.release()
		return nil, err
	}
	return f, nil
}

// judge compares what the mark says with what is asked for, and writes the
// mark of a new folder.
func (f *folder) judge(purpose string) error {
	const longest = 1 << 10
	text, err := io.ReadAll(io.LimitReader(f.mark, longest))
	if err != nil {
		return &FolderError{Dir: f.dir, Reason: "its " + markFile + " cannot be read", Err: err}
	}
	title, rest, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	switch made := strings.TrimPrefix(rest, "purpose: "); {
	case title == "":
		return f.write(purpose)
	case title != markTitle:
		return &FolderError{Dir: f.dir, Reason: "was made by another version of sluice; use that one, or name a new folder"}
	case made != purpose:
		return &FolderError{Dir: f.dir, Reason: fmt.Sprintf("was made for %s events, and this would be for %s ones; name another folder", made, purpose)}
	}
	return nil
}

func (f *folder) write(purpose string) error {
	_, err := f.mark.WriteAt([]byte(markTitle+"\npurpose: "+purpose+"\n"), 0)
	if err == nil {
		err = f.mark.Sync()
	}
	if err == nil {
		err = os.MkdirAll(f.broker(), 0o700)
	}
	if err != nil {
		return &FolderError{Dir: f.dir, Reason: "cannot be written", Err: err}
	}
	return nil
}

// broker is where the broker keeps its files.
func (f *folder) broker() string { return filepath.Join(f.dir, brokerFolder) }

// forget removes one of the broker's files, if it is there.
func (f *folder) forget(name string) error {
	if err := os.Remove(filepath.Join(f.broker(), name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return &FolderError{Dir: f.dir, Reason: "cannot be written", Err: err}
	}
	return nil
}

// release ends the lock, as the end of the process does.
func (f *folder) release() { _ = f.mark.Close() }
