package rig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFinish: a producer that gave up by itself still tells what it did.
func TestFinish(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script      string
		early, fail bool
	}{
		"to its end":    {`cat >/dev/null; echo '{"succeeded":7,"failed":0}'`, false, false},
		"gave up":       {`head -c 100 >/dev/null; echo '{"succeeded":7,"failed":2}'; exit 3`, true, false},
		"told nothing":  {`head -c 100 >/dev/null; exit 1`, false, true},
		"told nonsense": {`cat >/dev/null; echo well`, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := New(t.TempDir(), "rig", false)
			if err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(r.Dir, "bin", "fake")
			if err := os.WriteFile(program, []byte("#!/bin/sh\n"+c.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			r.binary = func() (string, error) { return program, nil }
			feed, err := r.Feed("config", "stream", "1/s", NewLines(10, 1))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(c.script, "exit") {
				<-feed.process.ended // before anybody asks it to
			}
			report, early, err := feed.Finish(t.Context())
			if (early != nil) != c.early || (err != nil) != c.fail {
				t.Fatalf("want early %t and an error %t, have %v and %v", c.early, c.fail, early, err)
			}
			if err == nil && report.Succeeded != 7 {
				t.Errorf("want its report, have %+v", report)
			}
			if err := r.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}
