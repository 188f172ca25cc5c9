package simulator

import (
	"iter"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Arrival is one line of the history: one event of one HTTP request, in the
// order of arrival. GET /_sim/history writes it as a JSON object a line.
type Arrival struct {
	Time      int64  `json:"time"`           // unix ns at arrival; never goes back
	Workspace string `json:"workspace"`      // the site ID, empty without credentials
	User      string `json:"user"`           // the identifier as sent; type:id for an object
	ID        string `json:"id"`             // the event's id as sent, empty without
	Seq       int64  `json:"_seq,omitempty"` // from the event's attributes; 0: absent
	N         int64  `json:"_n,omitempty"`   // the same
	Status    int    `json:"status"`         // the event's own: 400 when a 207 names it; 0: no answer
	Attempt   int64  `json:"attempt"`        // the HTTP request's number, from 1
	Op        string `json:"op"`             // identify, track, page, …
	Effect    bool   `json:"effect"`         // it was carried out: not refused, repeated, lost or ignored
	Name      string `json:"name"`           // of the event, form, metric or segment
}

// Arrivals yields the history as it stands at the call, without its first
// `since` lines. It is safe for concurrent use and holds nobody up.
func (s *Simulator) Arrivals(since int) iter.Seq[Arrival] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history.snapshot().from(since)
}

// History returns all of Arrivals. It is safe for concurrent use.
func (s *Simulator) History() []Arrival { return slices.Collect(s.Arrivals(0)) }

// appendJSON appends the arrival's line. It says what encoding/json would, at
// a tenth of the cost: histories are long.
func (a *Arrival) appendJSON(dst []byte) []byte {
	number := func(name string, value int64) {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, value, 10)
	}
	word := func(name, value string) {
		dst = append(dst, name...)
		// The text came out of valid JSON or a URL; what of it is not UTF-8 is
		// replaced, which is all that the error would say.
		dst, _ = jsontext.AppendQuote(dst, value)
	}
	number(`{"time":`, a.Time)
	word(`,"workspace":`, a.Workspace)
	word(`,"user":`, a.User)
	word(`,"id":`, a.ID)
	if a.Seq != 0 {
		number(`,"_seq":`, a.Seq)
	}
	if a.N != 0 {
		number(`,"_n":`, a.N)
	}
	number(`,"status":`, int64(a.Status))
	number(`,"attempt":`, a.Attempt)
	word(`,"op":`, a.Op)
	dst = append(dst, `,"effect":`...)
	dst = strconv.AppendBool(dst, a.Effect)
	word(`,"name":`, a.Name)
	return append(dst, "}\n"...)
}
