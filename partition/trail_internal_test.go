package partition

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/pipeline/event"
)

// inherited is a shard whose owner before left records on the held tier: each a
// copy of what stands, or will stand, on the live tier at an offset.
type inherited struct {
	*tieredBench
	t    *testing.T
	held []*kgo.Record
	sent []string
}

// inherit reads the held tier as a new owner does. A copy is "key origin".
func inherit(t *testing.T, made func(origin int64) time.Time, settled map[int64]bool, copies ...string) *inherited {
	t.Helper()
	b := &inherited{tieredBench: newTieredBench(false), t: t}
	s := b.tiers[Held]
	for _, text := range copies {
		b.append(stood(t, text, made))
	}
	w := newWindow(0)
	for offset := range settled {
		w.next = max(w.next, offset+1)
		w.grow()
		w.set(offset)
	}
	w.advance()
	s.win = w
	from, to, _ := s.unsettled(int64(len(b.held)))
	survey{s, from, to}.read(b.held[from:])
	s.surveyed()
	return b
}

// stood is the event of "key offset" on the live tier; the key - is none.
func stood(t *testing.T, text string, made func(offset int64) time.Time) *event.Event {
	t.Helper()
	var key string
	var offset int64
	if _, err := fmt.Sscan(text, &key, &offset); err != nil {
		t.Fatal(err)
	}
	r := event.Record{Topic: "s", Offset: offset, Key: []byte(key), Value: fmt.Appendf(nil, `{"n":%d}`, offset), Time: made(offset)}
	if key == "-" {
		r.Key = nil
	}
	e := new(event.Event)
	e.Load(r, "c")
	e.Size = 2
	return e
}

// append puts a copy of e on the held tier and returns where.
func (b *inherited) append(e *event.Event) int64 {
	moved := event.Moved(e, event.Move{Topic: "s.held", Attempts: 3})
	k := &kgo.Record{Topic: "s.held", Offset: int64(len(b.held)), Key: moved.Key, Value: moved.Value}
	for _, h := range moved.Headers {
		k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	b.held = append(b.held, k)
	return k.Offset
}

// readHeld brings the held tier's records in.
func (b *inherited) readHeld() {
	for _, r := range b.held {
		e := new(event.Event)
		e.LoadMoved(plain(r), "c")
		e.Size = 2
		b.tiers[Held].add([]*event.Event{e}, 0, int64(len(b.held)))
	}
}

// readLive brings a record of the live tier in.
func (b *inherited) readLive(e *event.Event) {
	b.tiers[Live].add([]*event.Event{e}, 0, e.Source.Offset+1)
}

// run takes until nothing is ready, and tells what was sent, moved to the held
// tier ("> ") and settled because it is there ("= ").
func (b *inherited) run() string {
	b.t.Helper()
	for {
		got := b.take(9)
		if got.Empty() {
			return strings.Join(b.sent, ", ")
		}
		for _, p := range got.Picks {
			b.sent = append(b.sent, told(p.Event))
			b.lanes.Finish([]Pick{p}, Outcome{Kind: Delivered})
		}
		for _, p := range got.Moves {
			if p.Copied() {
				b.sent = append(b.sent, "= "+told(p.Event))
				b.lanes.Finish([]Pick{p}, Outcome{Kind: Moved})
				continue
			}
			b.sent = append(b.sent, "> "+told(p.Event))
			b.lanes.Finish([]Pick{p}, Outcome{Kind: Moved, Offset: b.append(p.Event)})
		}
	}
}

func told(e *event.Event) string {
	return fmt.Sprintf("%s%s", e.Key, strings.Trim(string(e.Value), `{}"n:`))
}

func TestCopiesOfAnOwnerBefore(t *testing.T) {
	t.Parallel()
	then := time.UnixMilli(1_700_000_000_000).UTC()
	made := func(origin int64) time.Time { return then.Add(time.Duration(origin) * time.Second) }
	for _, tc := range []struct {
		name    string
		copies  []string
		settled map[int64]bool // of these
		live    []string       // what is read again
		want    string
	}{
		{"killed before the commit", []string{"a 5", "a 7"}, nil, []string{"a 5", "a 7", "a 8"}, "= a5, = a7, > a8, a5, a7, a8"},
		{"killed half-way", []string{"a 5"}, nil, []string{"a 5", "a 7"}, "= a5, > a7, a5, a7"},
		{"twice already", []string{"a 5", "a 7", "a 5", "a 7"}, nil, []string{"a 8"}, "> a8, a5, a7, = a5, = a7, a8"},
		{"the first of two given up later", []string{"b 1", "a 5", "a 5"}, map[int64]bool{1: true}, nil, "b1, = a5"},
		{"set back by an operator", []string{"a 5", "a 7"}, nil, []string{"a 3", "a 5", "a 7"}, "> a3, > a5, > a7, a5, a7, a3, a5, a7"},
		{"set back before", []string{"a 5", "a 7", "a 3", "a 5", "a 7"}, nil, nil, "a5, a7, a3, a5, a7"},
		{"of other users", []string{"a 5", "b 6"}, nil, []string{"c 4", "b 6"}, "c4, = b6, a5, b6"},
		{"without a key", []string{"- 5", "- 6", "- 5"}, nil, []string{"- 4", "- 6"}, "4, = 6, 5, 6, = 5"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := inherit(t, made, tc.settled, tc.copies...)
			for _, text := range tc.live {
				b.readLive(stood(t, text, made))
			}
			b.run()
			b.readHeld()
			if have := b.run(); have != tc.want {
				t.Errorf("want %s\nhave %s", tc.want, have)
			}
			if n := len(b.tiers[Held].captured.users); n != 0 {
				t.Errorf("%d users are held for ever", n)
			}
			if n := b.tiers[Held].captured.records; n != 0 {
				t.Errorf("%d records count as held", n)
			}
		})
	}
}

// TestTopicMadeAnew has the same offsets again for other records.
func TestTopicMadeAnew(t *testing.T) {
	t.Parallel()
	then := time.UnixMilli(1_700_000_000_000).UTC()
	b := inherit(t, func(int64) time.Time { return then }, nil, "a 5")
	b.readLive(stood(t, "a 5", func(int64) time.Time { return then.Add(time.Millisecond) }))
	if have := b.run(); have != "> a5" {
		t.Errorf("want the other record moved behind, have %s", have)
	}
}

// TestCopyThatCameLate was sent by an owner who was gone when we looked.
func TestCopyThatCameLate(t *testing.T) {
	t.Parallel()
	then := time.UnixMilli(1_700_000_000_000).UTC()
	made := func(int64) time.Time { return then }
	b := inherit(t, made, nil, "a 3")
	b.append(stood(t, "a 5", made))
	b.readLive(stood(t, "a 5", made))
	b.run()
	b.readHeld()
	if have, want := b.run(), "> a5, a3, a5, = a5"; have != want {
		t.Errorf("want %s, have %s", want, have)
	}
}

// TestHeldWaitsUntilItIsKnownWhatStandsTwice reads a second copy before the
// survey has come to the first.
func TestHeldWaitsUntilItIsKnownWhatStandsTwice(t *testing.T) {
	t.Parallel()
	b := newTieredBench(false)
	b.add(Held, "a", 0)
	if got := b.take(9); !got.Empty() {
		t.Fatalf("taken before the survey: %s", offsets(got))
	}
	b.tiers[Held].surveyed()
	if got := b.take(9); len(got.Picks) != 1 {
		t.Fatal("not taken after the survey")
	}
}
