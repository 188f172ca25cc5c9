// Package data carries the purchases that the demo plays and that checks
// produce: real orders of a CD shop, one a line, oldest first. README.md tells
// where they come from.
package data

import (
	_ "embed" // for the file below
	"io"
	"strings"
)

//go:embed cdnow.csv
var cdnow string

// every is the step of the sample over customer numbers.
const every = 10

// CDNOW reads the whole file: a header line, then 69,659 purchases by 23,570
// customers with the columns customer_id, date, quantity and value_usd. Each
// call starts at the beginning; the readers share nothing.
func CDNOW() io.Reader { return strings.NewReader(cdnow) }

// Sample reads the header and the purchases of every tenth customer by number,
// in the file's order. A customer is there with every purchase or not at all,
// so that each history stays whole, the heavy buyers' among them.
func Sample() io.Reader {
	var b strings.Builder
	header, rest, _ := strings.Cut(cdnow, "\n")
	b.WriteString(header + "\n")
	for line := range strings.Lines(rest) {
		if number, _, _ := strings.Cut(line, ","); multiple(number) {
			b.WriteString(line)
		}
	}
	return strings.NewReader(b.String())
}

// multiple says whether a decimal number is a multiple of every; the last
// digit tells, since every is ten.
func multiple(number string) bool {
	return number != "" && (number[len(number)-1]-'0')%every == 0
}
