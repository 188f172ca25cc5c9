package producer

import "fmt"

// MaxLine is the longest event that an input accepts, in bytes: a line of
// NDJSON, or a row of CSV with the line breaks inside its quotes.
const MaxLine = 2 << 20

// keptOfLong is how much of a line over MaxLine a LineError quotes.
const keptOfLong = 1 << 10

// Input gives the events of a file one by one. It is used by one goroutine.
type Input interface {
	// Next returns the next event. A *LineError is about one event alone:
	// reading goes on after it. io.EOF is the end; any other error ends the
	// input early.
	Next() (Line, error)
}

// Line is one event of an input, in its own memory.
type Line struct {
	N      int    // the event's number, from 1: the line in NDJSON, the data row in CSV
	Number int    // the line of the file that it begins on, from 1
	Raw    []byte // as it stands in the file, without its line end
	Object []byte // the JSON object, in short form or in the destination's own
}

// LineError is why one event of an input cannot be produced.
type LineError struct {
	N      int    // as Line.N
	Number int    // as Line.Number
	Raw    []byte // as it stands in the file, or its beginning when Cut
	Cut    bool   // the line is over MaxLine
	Err    error
}

// Error names the line, never its content.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Number, e.Err) }

// Unwrap returns the reason.
func (e *LineError) Unwrap() error { return e.Err }
