package producer

import (
	"encoding/json"
	"fmt"
	"io"
)

// Failure is one event that did not go where it should, as a line of
// Options.FailedTo.
type Failure struct {
	Line   int    `json:"line"`          // of the file
	Reason string `json:"reason"`        // for a person
	Input  string `json:"input"`         // as it stands in the file, to be mended and produced again
	Cut    bool   `json:"cut,omitempty"` // input is the beginning of a line that is too long
}

// Write writes the failure as one line of JSON.
func (f Failure) Write(out io.Writer) error {
	line, err := json.Marshal(f)
	if err == nil {
		_, err = out.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write failed line %d: %w", f.Line, err)
	}
	return nil
}

// failures writes failed events, and keeps the first fault of the writing.
type failures struct {
	out io.Writer
	err error
}

func (f *failures) add(one Failure) {
	if f.out == nil || f.err != nil {
		return
	}
	f.err = one.Write(f.out)
}
