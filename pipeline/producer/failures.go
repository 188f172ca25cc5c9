package producer

import (
	"encoding/json"
	"fmt"
	"io"
)

// failure is one event that was not appended, as a line of Options.FailedTo.
type failure struct {
	Line   int    `json:"line"`          // of the file
	Reason string `json:"reason"`        // for a person
	Input  string `json:"input"`         // as it stands in the file, to be mended and produced again
	Cut    bool   `json:"cut,omitempty"` // input is the beginning of a line that is too long
}

// failures writes failed events, and keeps the first fault of the writing.
type failures struct {
	out io.Writer
	err error
}

func (f *failures) add(one failure) {
	if f.out == nil || f.err != nil {
		return
	}
	line, err := json.Marshal(one)
	if err == nil {
		_, err = f.out.Write(append(line, '\n'))
	}
	if err != nil {
		f.err = fmt.Errorf("write failed line %d: %w", one.Line, err)
	}
}
