package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// failedFile takes the failed events of a produce. It comes into being with
// the first of them, under a name that is not taken.
type failedFile struct {
	base string // the name without its end
	path string // once it exists
	file *os.File
}

const (
	failedEnd  = ".failed.ndjson"
	mostFailed = 1000
)

// failedName is where the failed events of a file are put: beside it, or, for
// standard input, in the working folder under the stream's name.
func failedName(input, stream string) string {
	if input == "-" {
		return stream
	}
	return filepath.Clean(input)
}

// Write implements io.Writer.
func (f *failedFile) Write(line []byte) (int, error) {
	if f.file == nil {
		if err := f.create(); err != nil {
			return 0, err
		}
	}
	return f.file.Write(line)
}

func (f *failedFile) create() error {
	for i := 1; i <= mostFailed; i++ {
		path := f.base + failedEnd
		if i > 1 {
			path = fmt.Sprintf("%s.%d%s", f.base, i, failedEnd)
		}
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // beside the file that the user names
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("create the file of failed events: %w", err)
		}
		f.file, f.path = file, path
		return nil
	}
	return fmt.Errorf("create the file of failed events: %s%s and %d more exist; remove old ones", f.base, failedEnd, mostFailed)
}

// Close closes the file, if there is one.
func (f *failedFile) Close() error {
	if f.file == nil {
		return nil
	}
	if err := f.file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", f.path, err)
	}
	return nil
}
