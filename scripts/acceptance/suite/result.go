package suite

import (
	"fmt"
	"strconv"
	"sync"
)

// State is what a check came to.
type State string

// The states of a check, as they are printed.
const (
	Passed  State = "PASS"
	Failed  State = "FAIL"
	Skipped State = "SKIP"
)

// Figure is one thing that a check measured, with the bar it was held to. A
// figure without a bar is only told.
type Figure struct {
	Name string `json:"name"`
	Have string `json:"have"`
	Bar  string `json:"bar,omitempty"`
	Met  bool   `json:"met"`
}

// String is the figure as a check's line shows it; an unmet bar stands out.
func (f Figure) String() string {
	switch {
	case f.Bar == "":
		return f.Name + " " + f.Have
	case !f.Met:
		return fmt.Sprintf("**%s %s (want %s)**", f.Name, f.Have, f.Bar)
	}
	return fmt.Sprintf("%s %s (%s)", f.Name, f.Have, f.Bar)
}

// Result collects a check's figures. It is safe for concurrent use.
type Result struct {
	mu      sync.Mutex
	figures []Figure // guarded by mu
	skipped string   // guarded by mu
}

func (r *Result) add(f Figure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.figures = append(r.figures, f)
}

// Equal holds when have is want.
func (r *Result) Equal(name string, have, want int64) {
	r.add(Figure{Name: name, Have: strconv.FormatInt(have, 10), Bar: "= " + strconv.FormatInt(want, 10), Met: have == want})
}

// AtMost holds when have is not above bar; unit may be empty.
func (r *Result) AtMost(name string, have, bar float64, unit string) {
	r.add(Figure{Name: name, Have: number(have) + unit, Bar: "<= " + number(bar) + unit, Met: have <= bar})
}

// AtLeast holds when have is not below bar; unit may be empty.
func (r *Result) AtLeast(name string, have, bar float64, unit string) {
	r.add(Figure{Name: name, Have: number(have) + unit, Bar: ">= " + number(bar) + unit, Met: have >= bar})
}

// Holds is for what has no number: have tells what was seen, want what should be.
func (r *Result) Holds(name string, ok bool, have, want string) {
	r.add(Figure{Name: name, Have: have, Bar: want, Met: ok})
}

// Note tells a figure that has no bar.
func (r *Result) Note(name, have string) { r.add(Figure{Name: name, Have: have, Met: true}) }

// Skip says why the check cannot be done here. Figures that missed their bar
// still fail it.
func (r *Result) Skip(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skipped = why
}

// state: a check that looked at nothing has not passed.
func (r *Result) state() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	barred := 0
	for _, f := range r.figures {
		if !f.Met {
			return Failed
		}
		if f.Bar != "" {
			barred++
		}
	}
	if r.skipped != "" {
		return Skipped
	}
	if barred == 0 {
		return Failed
	}
	return Passed
}

func number(v float64) string {
	if v == float64(int64(v)) {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
