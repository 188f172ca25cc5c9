package event_test

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"sluice/pipeline/event"
)

func movedRecord(m event.Move, extra ...event.Header) event.Record {
	r := event.Moved(entity(record(purchase, header("mine", "1"))), m)
	r.Topic, r.Partition, r.Offset, r.Time = "events.delay-10m", 7, 3, time.UnixMilli(recordMillis+5000)
	r.Headers = append(r.Headers, extra...)
	return r
}

func TestMovedRoundTrip(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC)
	for name, test := range map[string]struct {
		move      event.Move
		due, wake time.Time
	}{
		"plain":    {event.Move{Topic: "events.held"}, time.Time{}, time.Time{}},
		"class":    {event.Move{Class: "newsletter"}, time.Time{}, time.Time{}},
		"deferred": {event.Move{Class: "digest", Due: due, Wake: due.Add(-time.Hour)}, due, due.Add(-time.Hour)},
		"local":    {event.Move{Due: due.In(time.FixedZone("", 3600))}, due, time.Time{}},
		// What waits must not be sent a part of a millisecond too early.
		"between":     {event.Move{Due: due.Add(1), Wake: due.Add(999_999)}, due.Add(time.Millisecond), due.Add(time.Millisecond)},
		"with others": {event.Move{Attempts: 3, First: due, Replay: "R8ST", Class: "a", Due: due}, due, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e event.Event
			e.LoadMoved(movedRecord(test.move), "cluster")
			e.PrepareEntity()
			if e.MovedClass != test.move.Class || !e.Due.Equal(test.due) || !e.Wake.Equal(test.wake) {
				t.Errorf("want %q due %s wake %s; have %q, %s, %s", test.move.Class, test.due, test.wake, e.MovedClass, e.Due, e.Wake)
			}
			if e.Tries != test.move.Attempts || e.Replay != test.move.Replay || e.First() != (event.Source{Topic: "events", Partition: 7, Offset: 4711}) {
				t.Errorf("have %d tries, replay %q, first %v", e.Tries, e.Replay, e.First())
			}
			if !e.Time.Equal(time.UnixMilli(recordMillis)) || e.Fault != nil || e.ID != entity(record(purchase)).ID {
				t.Errorf("time %s, fault %v, id %s", e.Time, e.Fault, e.ID)
			}
			if again := event.Moved(&e, test.move); len(again.Headers) != len(movedRecord(test.move).Headers) {
				t.Errorf("a second move has the headers %v", again.Headers)
			}
		})
	}
}

// Whatever a recycled event was before, on a live topic it is nothing of it.
func TestLoadForgetsAMove(t *testing.T) {
	t.Parallel()
	var e event.Event
	e.LoadMoved(movedRecord(event.Move{Class: "digest", Due: time.UnixMilli(1), Wake: time.UnixMilli(2)}), "cluster")
	e.Lot, e.Closes = 3, time.UnixMilli(4)
	live := record(purchase, header(event.HeaderMoveClass, "digest"), header(event.HeaderDue, "1"), header(event.HeaderWake, "2"))
	e.Load(live, "cluster")
	if e.MovedClass != "" || !e.Due.IsZero() || !e.Wake.IsZero() || !e.Closes.IsZero() || e.Lot != 0 {
		t.Errorf("have class %q, lot %d, due %s, wake %s, closes %s", e.MovedClass, e.Lot, e.Due, e.Wake, e.Closes)
	}
}

func TestUnreadableMoveCountsAsAbsent(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "0", "-1", "x", "1.5", "9999999999001", "99999999999999999999", " 1"} {
		var e event.Event
		e.LoadMoved(movedRecord(event.Move{}, header(event.HeaderDue, value), header(event.HeaderWake, value)), "cluster")
		if !e.Due.IsZero() || !e.Wake.IsZero() {
			t.Errorf("%q: due %s, wake %s", value, e.Due, e.Wake)
		}
	}
	for _, value := range []string{"a b", "é", "\x00", string(bytes.Repeat([]byte("a"), 65))} {
		var e event.Event
		e.LoadMoved(movedRecord(event.Move{}, header(event.HeaderMoveClass, value)), "cluster")
		if e.MovedClass != "" {
			t.Errorf("%q: class %q", value, e.MovedClass)
		}
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	e := entity(record(purchase, header("a", "1"), header("a", "2"), header("empty", ""), header("sluice-due", "1")))
	for name, want := range map[string]string{"a": "2", "A": "", "empty": "", "sluice-due": "", "b": ""} {
		if have := e.Header(name); string(have) != want || (have == nil) != (name != "a" && name != "empty") {
			t.Errorf("%s: want %q, have %q", name, want, have)
		}
	}
}

// FuzzMoved reads any headers of a tier: what is kept of them can be written
// and reads the same again.
func FuzzMoved(f *testing.F) {
	f.Add([]byte("digest"), []byte("1772600767008"), []byte("1772600767000"))
	f.Add([]byte("a b"), []byte("-1"), []byte("9999999999000"))
	f.Add([]byte{0xff}, []byte(""), []byte("1e3"))
	f.Fuzz(func(t *testing.T, class, due, wake []byte) {
		var e, again event.Event
		r := movedRecord(event.Move{}, event.Header{Key: event.HeaderMoveClass, Value: class},
			event.Header{Key: event.HeaderDue, Value: due}, event.Header{Key: event.HeaderWake, Value: wake})
		e.LoadMoved(r, "cluster")
		for _, at := range []struct {
			have time.Time
			raw  []byte
		}{{e.Due, due}, {e.Wake, wake}} {
			if want, err := strconv.ParseInt(string(at.raw), 10, 64); !at.have.IsZero() && (err != nil || want != at.have.UnixMilli()) {
				t.Fatalf("%q reads %s", at.raw, at.have)
			}
		}
		if e.MovedClass != "" && e.MovedClass != string(class) {
			t.Fatalf("class %q reads %q", class, e.MovedClass)
		}
		again.LoadMoved(event.Moved(&e, event.Move{Class: e.MovedClass, Due: e.Due, Wake: e.Wake}), "cluster")
		if again.MovedClass != e.MovedClass || !again.Due.Equal(e.Due) || !again.Wake.Equal(e.Wake) {
			t.Fatalf("%q %s %s reads again %q %s %s", e.MovedClass, e.Due, e.Wake, again.MovedClass, again.Due, again.Wake)
		}
	})
}
