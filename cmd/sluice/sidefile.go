package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// sideFile is a file beside an input that says what became of some of its
// events. It comes into being with the first write, under a name that is not
// taken.
type sideFile struct {
	base, end string // of the name; a number comes between when it is taken
	path      string // once it exists
	file      *os.File
}

const (
	failedEnd    = ".failed.ndjson" // events with the reasons why they failed
	settledEnd   = ".settled.txt"   // lines that need nothing more
	mostSideFile = 1000
)

// besideInput is where files about an input are put: beside it, or, for
// standard input, in the working folder under the name of where it goes.
func besideInput(input, destination string) string {
	if input == "-" {
		return destination
	}
	return filepath.Clean(input)
}

// Write implements io.Writer.
func (f *sideFile) Write(line []byte) (int, error) {
	if f.file == nil {
		if err := f.create(); err != nil {
			return 0, err
		}
	}
	return f.file.Write(line)
}

func (f *sideFile) create() error {
	for i := 1; i <= mostSideFile; i++ {
		path := f.base + f.end
		if i > 1 {
			path = fmt.Sprintf("%s.%d%s", f.base, i, f.end)
		}
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // beside the file that the user names
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("create %s: %w", path, err)
		}
		f.file, f.path = file, path
		return nil
	}
	return fmt.Errorf("create %s%s: it and %d more exist; remove old ones", f.base, f.end, mostSideFile)
}

// Close closes the file, if there is one.
func (f *sideFile) Close() error {
	if f.file == nil {
		return nil
	}
	if err := f.file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", f.path, err)
	}
	return nil
}
