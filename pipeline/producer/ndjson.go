package producer

import (
	"bytes"
	"io"
)

type ndjson struct{ lines *lines }

// NDJSON reads one JSON object a line; empty lines are skipped, but counted as
// lines. The objects are not looked into: that is the Converter's work.
func NDJSON(r io.Reader) Input { return &ndjson{lines: newLines(r)} }

// Next implements Input.
func (in *ndjson) Next() (Line, error) {
	for {
		line, err := in.lines.next()
		if err != nil {
			return Line{}, err
		}
		if line.long {
			return Line{}, &LineError{N: line.number, Number: line.number, Raw: line.text, Cut: true, Err: errLong()}
		}
		object := bytes.TrimSpace(line.text)
		if len(object) == 0 {
			continue
		}
		return Line{N: line.number, Number: line.number, Raw: line.text, Object: object}, nil
	}
}
