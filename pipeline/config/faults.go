package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a file.
type Fault struct {
	Line, Column int    // from 1; 0 when the fault has no place of its own
	Path         string // of the key, as workspaces.acme.region; may be empty
	What         string // what is wrong; never a secret
	Remedy       string // what to write instead
}

// Error is the error of Parse: everything that is wrong with one file, in the
// file's order. It never holds the value of a secret.
type Error struct {
	File string
	List []Fault
}

// Error writes one line for each fault: file:line:column: path: what; remedy.
func (f *Error) Error() string {
	lines := make([]string, len(f.List))
	for i, fault := range f.List {
		lines[i] = fault.text(f.File)
	}
	return strings.Join(lines, "\n")
}

func (f Fault) text(file string) string {
	var b strings.Builder
	if b.WriteString(file); f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	if f.Path != "" {
		b.WriteString(": " + f.Path)
	}
	b.WriteString(": " + f.What)
	if f.Remedy != "" {
		b.WriteString("; " + f.Remedy)
	}
	return b.String()
}

// settle puts the faults in the file's order, says each once, and takes every
// known secret out of their text. The messages are written so that none holds
// a secret; this is the second lock, for those that come from elsewhere.
func (f *Error) settle(secrets []Secret) error {
	if len(f.List) == 0 {
		return nil
	}
	for i := range f.List {
		f.List[i].What = redact(f.List[i].What, secrets)
		f.List[i].Remedy = redact(f.List[i].Remedy, secrets)
	}
	slices.SortStableFunc(f.List, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	f.List = slices.Compact(f.List)
	return f
}
