// Package suite runs a list of checks on real parts and says of each, on one
// line, what was looked at, the figures, their bars and whether they were met.
package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// Suite is a named list of checks, run one after another in this order, but for
// those that may run beside each other.
type Suite struct {
	Name   string
	Checks []Check
}

// Check is one thing that must hold. Run fills in the result's figures; an
// error means that the check could not be carried out, which fails it too.
type Check struct {
	Name  string        // short, for ONLY
	What  string        // what must hold, in a few words
	Limit time.Duration // on the whole check; 5 minutes when 0
	// Beside is a word of checks that do not disturb each other: neighbours in
	// the list with the same one run at the same time. Empty: alone.
	Beside string
	Run    func(ctx context.Context, r *Result) error
}

// Options say which checks to run and where the lines go.
type Options struct {
	Only []string  // names; all when empty
	Out  io.Writer // one line a check and the closing count
	JSON io.Writer // one object a check, for notes; may be nil
}

// Totals count the checks of a run.
type Totals struct {
	Passed, Failed, Skipped int
}

// line is a check's JSON form.
type line struct {
	Suite   string   `json:"suite"`
	Check   string   `json:"check"`
	What    string   `json:"what"`
	State   State    `json:"state"`
	Seconds float64  `json:"seconds"`
	Figures []Figure `json:"figures,omitempty"`
	Note    string   `json:"note,omitempty"`
}

// Run runs the suite's checks and prints the closing count alone on the last
// line. It returns an error when Only names a check that is not there, or when
// no check is left. A check that has not begun when ctx ends is skipped.
func Run(ctx context.Context, s Suite, o Options) (Totals, error) {
	var totals Totals
	chosen, err := s.choose(o.Only)
	if err != nil {
		return totals, err
	}
	for len(chosen) > 0 {
		n := neighbours(chosen)
		for l := range s.beside(ctx, chosen[:n]) {
			totals.add(l.State)
			fmt.Fprintln(o.Out, l.String())
			if o.JSON != nil {
				if err := json.NewEncoder(o.JSON).Encode(l); err != nil {
					return totals, fmt.Errorf("write the figures of %s: %w", l.Check, err)
				}
			}
		}
		chosen = chosen[n:]
	}
	fmt.Fprintf(o.Out, "%s: %d passed, %d failed, %d skipped\n", s.Name, totals.Passed, totals.Failed, totals.Skipped)
	return totals, nil
}

func (t *Totals) add(s State) {
	switch s {
	case Passed:
		t.Passed++
	case Skipped:
		t.Skipped++
	case Failed:
		t.Failed++
	}
}

// neighbours is how many checks at the head of the list run at the same time.
func neighbours(checks []Check) int {
	n := 1
	for n < len(checks) && checks[0].Beside != "" && checks[n].Beside == checks[0].Beside {
		n++
	}
	return n
}

// beside runs checks at the same time and yields their lines in the order in
// which they end. The channel holds them all: whoever stops reading leaves
// nobody waiting.
func (s Suite) beside(ctx context.Context, checks []Check) <-chan line {
	lines := make(chan line, len(checks))
	var all sync.WaitGroup
	for _, c := range checks {
		all.Go(func() { lines <- s.run(ctx, c) })
	}
	go func() {
		all.Wait()
		close(lines)
	}()
	return lines
}

func (s Suite) choose(only []string) ([]Check, error) {
	if len(only) == 0 {
		return s.Checks, nil
	}
	var chosen []Check
	for _, c := range s.Checks {
		if slices.Contains(only, c.Name) {
			chosen = append(chosen, c)
		}
	}
	for _, name := range only {
		if !slices.ContainsFunc(s.Checks, func(c Check) bool { return c.Name == name }) {
			return nil, fmt.Errorf("suite %s has no check %q; it has %s", s.Name, name, s.names())
		}
	}
	return chosen, nil
}

func (s Suite) names() string {
	names := make([]string, len(s.Checks))
	for i, c := range s.Checks {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

func (s Suite) run(ctx context.Context, c Check) line {
	l := line{Suite: s.Name, Check: c.Name, What: c.What}
	if ctx.Err() != nil {
		l.State, l.Note = Skipped, "the run was stopped before it"
		return l
	}
	limit := c.Limit
	if limit == 0 {
		limit = 5 * time.Minute
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r := &Result{}
	began := time.Now()
	err := c.Run(bounded, r)
	l.Seconds = time.Since(began).Seconds()
	l.State, l.Figures, l.Note = r.state(), r.figures, r.skipped
	if err != nil {
		l.State, l.Note = Failed, err.Error()
		if bounded.Err() != nil && ctx.Err() == nil {
			l.Note = fmt.Sprintf("not done after %v: %s", limit, l.Note)
		}
	}
	return l
}

// String is the check's line: what, figures with bars, PASS, FAIL or SKIP.
func (l line) String() string {
	parts := make([]string, 0, len(l.Figures)+1)
	for _, f := range l.Figures {
		parts = append(parts, f.String())
	}
	if l.Note != "" {
		parts = append(parts, brief(l.Note))
	}
	return fmt.Sprintf("%-4s  %-13s %s: %s [%.1f s]", l.State, l.Check, l.What, strings.Join(parts, ", "), l.Seconds)
}

// brief is a note on one line, cut where it gets long; the JSON form has all of it.
func brief(note string) string {
	const most = 400
	text := strings.ReplaceAll(strings.TrimSpace(note), "\n", " | ")
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + " …"
	}
	return text
}
