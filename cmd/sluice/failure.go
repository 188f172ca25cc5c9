package main

import (
	"errors"
	"fmt"
	"strings"

	"sluice/pipeline/config"
)

// The exit codes that scripts rely on.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitPart   = 3
)

// codedError is an error with the exit code that it asks for. Quiet ones have
// said on standard output what is wrong.
type codedError struct {
	code  int
	quiet bool
	err   error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// usage says that the command line or the configuration asks for what cannot
// be.
func usage(err error) error { return &codedError{code: exitUsage, err: err} }

// part says that some of the work was done.
func part(err error) error { return &codedError{code: exitPart, err: err} }

// verdict says that the command worked and its printed result is bad news.
func verdict(code int, format string, args ...any) error {
	return &codedError{code: code, quiet: true, err: fmt.Errorf(format, args...)}
}

func exitCode(err error) int {
	var coded *codedError
	var faults *config.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &faults):
		return exitUsage
	default:
		return exitFailed
	}
}

// complain writes an error to standard error, a line for each fault, and, when
// a result was asked for as JSON and none is printed, as an object in its place.
func (sh *shell) complain(err error) {
	text := err.Error()
	if away, ok := errors.AsType[*unreachedError](err); ok && !away.stopped {
		text += "; what is wrong: " + sh.withConfig("sluice doctor")
	}
	var coded *codedError
	prefix := "sluice: "
	if _, ok := errors.AsType[*config.Error](err); ok {
		prefix = "" // file:line:column comes first, as editors read it
	}
	if !errors.As(err, &coded) || !coded.quiet {
		for line := range strings.Lines(text) {
			_, _ = fmt.Fprintln(sh.err, prefix+strings.TrimRight(line, "\n"))
		}
	}
	if sh.output == outputJSON && !sh.answered {
		_ = sh.writeJSON(map[string]string{"error": text})
	}
}
