package gateway

import (
	"bytes"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"pgregory.net/rapid"
)

func TestMemoryOfRequestsIsBounded(t *testing.T) {
	t.Parallel()
	m, now := newMemory(), time.Unix(1_700_000_000, 0)
	for i := range maxAttempts + 5_000 {
		m.settle(m.open(fingerprint{uint64(i)}, false, nil, now), i%2 == 0)
	}
	if m.attempts > maxAttempts || len(m.twins) > maxAttempts {
		t.Errorf("want at most %d, have %d attempts of %d requests", maxAttempts, m.attempts, len(m.twins))
	}
	if _, there := m.twins[fingerprint{0}]; there {
		t.Error("want the oldest forgotten")
	}
	for range 10 * maxTwins {
		m.open(fingerprint{1 << 40}, false, nil, now)
	}
	if have := len(m.twins[fingerprint{1 << 40}].attempts); have > maxTwins {
		t.Errorf("want at most %d that look the same, have %d", maxTwins, have)
	}
	for range 10 * maxTwins {
		m.settle(m.open(fingerprint{1 << 41}, false, nil, now), true)
	}
	if have := len(m.twins[fingerprint{1 << 41}].attempts); have > maxAnswered {
		t.Errorf("want at most %d that were answered well, have %d", maxAnswered, have)
	}
	m.open(fingerprint{1 << 42}, false, nil, now.Add(remember+time.Second))
	if m.attempts != 1 || len(m.twins) != 1 || m.used.Len() != 1 {
		t.Errorf("want all but the last forgotten, have %d attempts of %d requests", m.attempts, len(m.twins))
	}
}

// clientEvent is one event of a client: a request, and retries when it heard nothing
// good. All events look the same.
type clientEvent struct {
	ticket ticket
	gone   chan struct{}
	waits  bool // for an answer to its last request
	heard  bool
	tries  int
}

// requests plays clients that send events which look the same, and counts what
// comes of it.
type requests struct {
	m      *memory
	now    time.Time
	events []*clientEvent
	landed map[ulid.ULID]bool
	heard  int
}

// step lets one event, chosen by pick, take its next step; when all are over,
// or a new one is asked for, it begins another. Marked says that retries say so.
func (r *requests) step(pick int, anew, marked bool, fate int) {
	r.now = r.now.Add(time.Duration(fate) * 100 * time.Millisecond) // all within what is remembered
	var open []*clientEvent
	for _, e := range r.events {
		if !e.heard {
			open = append(open, e)
		}
	}
	if anew || len(open) == 0 {
		open = []*clientEvent{{}}
		r.events = append(r.events, open[0])
	}
	e := open[pick%len(open)]
	if !e.waits {
		e.gone, e.waits = make(chan struct{}), true
		e.ticket = r.m.open(fingerprint{1}, marked && e.tries > 0, e.gone, r.now)
		e.tries++
		return
	}
	e.waits = false
	switch fate % 5 {
	case 0: // all is well
		r.landed[e.ticket.base] = true
		r.m.settle(e.ticket, true)
		e.heard = true
		r.heard++
	case 1: // written, and lost on its way
		r.landed[e.ticket.base] = true
		r.m.settle(e.ticket, true)
	case 2: // an error after all
		r.landed[e.ticket.base] = true
		r.m.settle(e.ticket, false)
	case 3: // an error
		r.m.settle(e.ticket, false)
	default: // the client leaves; the request goes on for ever
		close(e.gone)
	}
}

// Whatever the order of requests, answers and retries of events that look the
// same: as many ids have landed as clients have heard that theirs did, for else
// one event of two would be lost. And of one event after the other, whose
// retries say that they are, no more: none is doubled.
func TestGenuineRepeatsNeverShareIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := &requests{m: newMemory(), now: time.Unix(1_700_000_000, 0), landed: map[ulid.ULID]bool{}}
		alone := rapid.Bool().Draw(t, "alone")
		marked := alone || rapid.Bool().Draw(t, "marked")
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			r.step(rapid.IntRange(0, 20).Draw(t, "pick"), !alone && rapid.Bool().Draw(t, "anew"), marked, rapid.IntRange(0, 9).Draw(t, "fate"))
			if len(r.landed) < r.heard {
				t.Fatalf("%d clients heard that their event was taken, and %d ids were", r.heard, len(r.landed))
			}
			if alone && len(r.landed) > len(r.events) {
				t.Fatalf("%d events have %d ids", len(r.events), len(r.landed))
			}
			if have := len(r.m.twins[fingerprint{1}].attempts); have != r.m.attempts {
				t.Fatalf("want %d attempts, have %d", r.m.attempts, have)
			}
		}
	})
}

func TestIDsOfOneRequestDiffer(t *testing.T) {
	t.Parallel()
	for _, base := range []ulid.ULID{{}, {6: 0xff, 7: 0xff, 8: 0xff, 9: 0xff, 10: 0xff, 11: 0xff, 12: 0xff, 13: 0xff, 14: 0xff, 15: 0xf0}, newULID(time.Now())} {
		k, seen := ticket{base: base}, map[string]bool{}
		for i := range v2MaxItems {
			id := string(k.appendID(nil, i))
			parsed, err := ulid.ParseStrict(id)
			if err != nil || seen[id] {
				t.Fatalf("index %d: want a ULID of its own, have %q, %v", i, id, err)
			}
			if !bytes.Equal(parsed[:6], base[:6]) {
				t.Fatalf("index %d: want the time of the request kept, have %v", i, parsed)
			}
			seen[id] = true
		}
	}
}
