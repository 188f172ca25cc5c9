package sdk

import (
	"context"
	"fmt"
	"strings"
)

// Seen is what the caller of a library saw of all plays that need a whole API.
type Seen struct {
	Calls     []Call   // of Alone and Together
	Succeeded int      // of them
	Unplayed  []string // methods that none of them used
	Refusals  int      // calls of Refused
	Misjudged []string // what was not as it should be, in words
}

// PlayAll plays Alone, Together and Refused in an installed library. Settle is
// called where what was sent must have taken effect before what follows.
func (l Library) PlayAll(ctx context.Context, dir string, who Caller, settle func(context.Context) error) (Seen, error) {
	var seen Seen
	for _, play := range []string{Alone, Together} {
		calls, err := l.Play(ctx, dir, play, who)
		if err != nil {
			return seen, err
		}
		seen.Calls = append(seen.Calls, calls...)
		if err := settle(ctx); err != nil {
			return seen, fmt.Errorf("after the play %s: %w", play, err)
		}
	}
	for _, c := range seen.Calls {
		if c.OK {
			seen.Succeeded++
		} else {
			seen.Misjudged = append(seen.Misjudged, fmt.Sprintf("%s: %s %d %s", c.Method, c.Error, c.Status, c.Message))
		}
	}
	var err error
	if seen.Unplayed, err = Unplayed(seen.Calls); err != nil {
		return seen, err
	}
	refused, err := l.Play(ctx, dir, Refused, who)
	if err != nil {
		return seen, err
	}
	seen.Refusals = len(refused)
	seen.Misjudged = append(seen.Misjudged, l.Misjudged(Refused, refused)...)
	return seen, settle(ctx)
}

// view is how a call must end for its caller.
type view struct {
	method string
	status int    // 0: it succeeds, in part
	says   string // in the message, or in the answer where it succeeds
}

// Misjudged compares the calls of Refused or Away with what the library shows
// when the real API answers so, and returns each difference in words.
func (l Library) Misjudged(play string, calls []Call) []string {
	want := []view{{"identify", 401, ""}, {"track", 400, "name"}, {l.merge(), 400, ""}, {"batch", 0, `"batch_index":1`}}
	if play == Away {
		want = []view{{"identify", 503, ""}}
	}
	if len(calls) != len(want) {
		return []string{fmt.Sprintf("%d calls of the play %s, want %d", len(calls), play, len(want))}
	}
	var wrong []string
	for i, w := range want {
		if have := calls[i]; !l.shows(have, w) {
			wrong = append(wrong, fmt.Sprintf("%s: want %d %s, have %v %s %d %s %s", w.method, w.status, w.says, have.OK, have.Error, have.Status, have.Message, have.Answer))
		}
	}
	return wrong
}

func (l Library) shows(c Call, w view) bool {
	if c.Method != w.method || c.OK != (w.status == 0) {
		return false
	}
	if c.OK {
		return strings.Contains(strings.ReplaceAll(string(c.Answer), " ", ""), w.says)
	}
	// Python's library counts a 503 as a try that failed, and names the status in
	// its message alone.
	told := c.Status == w.status || w.status == 503 && strings.Contains(c.Message, "503")
	return c.Error == l.error() && told && strings.Contains(c.Message, w.says) && !strings.Contains(c.Message, "Unknown error")
}

// error is the type of the library's own errors.
func (l Library) error() string {
	if l.Name == Python().Name {
		return "CustomerIOException"
	}
	return "CustomerIORequestError"
}

func (l Library) merge() string {
	if l.Name == Python().Name {
		return "merge_customers"
	}
	return "mergeCustomers"
}
