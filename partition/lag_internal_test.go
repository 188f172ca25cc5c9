package partition

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// oneByOne is what one partition's offsets have come to, one by one.
type oneByOne struct {
	start, end int64
	settled    map[int64]bool // from the watermark on; below it all are
	watermark  int64
}

func (n oneByOne) is(offset int64) bool { return offset < n.watermark || n.settled[offset] }

func (n oneByOne) count(from, to int64, settled bool) (sum int64) {
	for at := from; at < to; at++ {
		if n.is(at) == settled {
			sum++
		}
	}
	return sum
}

// randomLag makes a log with a group somewhere in it and returns both views of it:
// one offset after the other, and what a member would have committed.
func randomLag(r *rand.Rand) (oneByOne, ShardLag) {
	w := newWindow(r.Int64N(200))
	for range r.IntN(120) {
		w.see(w.read)
	}
	n := oneByOne{settled: map[int64]bool{}}
	for range r.IntN(150) {
		if width := w.read - w.base; width > 0 {
			w.settle(w.base + r.Int64N(width))
		}
	}
	n.watermark = w.base
	for at := w.base; at < w.read; at++ {
		if w.settled(at) {
			n.settled[at] = true
		}
	}
	n.end = w.read + r.Int64N(50)
	n.start = r.Int64N(n.end + 1)
	l := newShardLag("t", 3, w.base, encodeMetadata(&w, r.IntN(2) == 0))
	l.Start, l.End = n.start, n.end
	return n, l
}

// TestLagCountsWhatOneByOneCounts compares every number with a count over the
// offsets, for logs, watermarks and settled sets of every kind.
func TestLagCountsWhatOneByOneCounts(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 11))
	for range 20_000 {
		n, l := randomLag(r)
		if want, have := n.count(n.start, n.end, false), l.Lag(); want != have {
			t.Fatalf("lag: want %d, have %d of %+v", want, have, l)
		}
		if want, have := n.count(n.watermark, n.end, true), l.Settled(); want != have {
			t.Fatalf("settled: want %d, have %d of %+v", want, have, l)
		}
		if want, have := n.count(0, n.start, false), l.Gone(); want != have {
			t.Fatalf("gone: want %d, have %d of %+v", want, have, l)
		}
		unsettled := int64(0)
		for at := range n.end + 2 {
			if l.Unsettled(at) {
				unsettled++
			}
		}
		if unsettled != l.Lag() {
			t.Fatalf("want as many unsettled as the lag, %d, have %d of %+v", l.Lag(), unsettled, l)
		}
		to := n.start + r.Int64N(n.end-n.start+1)
		m, err := l.Move(to)
		if err != nil {
			t.Fatal(err)
		}
		if want := n.count(to, n.end, true); m.Again != want {
			t.Fatalf("again from %d: want %d, have %d of %+v", to, want, m.Again, l)
		}
		if want := n.count(n.start, to, false); m.Skipped != want {
			t.Fatalf("skipped before %d: want %d, have %d of %+v", to, want, m.Skipped, l)
		}
		// What is not delivered by now and is in the log is sent or skipped; nothing
		// is both.
		if sent := n.count(to, n.end, false); sent+m.Skipped != l.Lag() {
			t.Fatalf("to %d: %d sent and %d skipped of %d", to, sent, m.Skipped, l.Lag())
		}
	}
}

func TestMoveStaysInTheLog(t *testing.T) {
	t.Parallel()
	l := newShardLag("t", 0, 5, "")
	l.Start, l.End = 3, 9
	for _, to := range []int64{-1, 0, 2, 10} {
		if _, err := l.Move(to); !errors.Is(err, ErrOutside) {
			t.Errorf("to %d: want ErrOutside, have %v", to, err)
		}
	}
	for _, tt := range []struct{ to, again, skipped int64 }{{3, 2, 0}, {5, 0, 0}, {7, 0, 2}, {9, 0, 4}} {
		m, err := l.Move(tt.to)
		if err != nil || m.Again != tt.again || m.Skipped != tt.skipped || m.Unknown != 0 || m.Changes() != (tt.to != 5) {
			t.Errorf("want %+v, have %+v, %v", tt, m, err)
		}
	}
}

// Without a watermark of this log nothing tells what was sent: neither for a
// group that has none, nor for a topic that was made anew under its feet.
func TestMoveWithoutAWatermarkOfTheLog(t *testing.T) {
	t.Parallel()
	for _, watermark := range []int64{-1, 50} {
		l := newShardLag("t", 0, watermark, "")
		l.Start, l.End = 3, 9
		m, err := l.Move(5)
		if err != nil || m.Again != 0 || m.Skipped != 2 || m.Unknown != 4 || !m.Changes() {
			t.Errorf("at %d: have %+v, %v", watermark, m, err)
		}
		if l.Halted() == "" || l.Lag() != 6 || l.Settled() != 0 || l.Next() != 3 {
			t.Errorf("at %d: want all of it unsettled and a halt, have %q and %d", watermark, l.Halted(), l.Lag())
		}
	}
}

func TestHaltedAsAMemberWouldBe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                  string
		watermark, start, end int64
		want                  bool
	}{
		{"new to a topic from its beginning", -1, 0, 9, false},
		{"new to a topic with a past", -1, 1, 9, true},
		{"in the log", 4, 3, 9, false},
		{"at its start", 3, 3, 9, false},
		{"at its end", 9, 3, 9, false},
		{"behind retention", 2, 3, 9, true},
		{"beyond the end", 10, 3, 9, true},
	} {
		l := ShardLag{Watermark: tt.watermark, Start: tt.start, End: tt.end, done: newWindow(max(0, tt.watermark))}
		if have := l.Halted() != ""; have != tt.want {
			t.Errorf("%s: want %v, have %q", tt.name, tt.want, l.Halted())
		}
	}
}

func TestLagReadsRetries(t *testing.T) {
	t.Parallel()
	first := time.UnixMilli(1_700_000_000_000)
	w := newWindow(10)
	for at := int64(10); at < 20; at++ {
		w.see(at)
	}
	w.high = 15
	w.fail(12, first.Add(time.Minute))
	w.fail(14, first)
	w.fail(14, first.Add(time.Hour))
	l := newShardLag("t", 0, 10, encodeMetadata(&w, true))
	if l.Retries != 2 || l.Attempts != 2 || !l.Failing.Equal(first) || !l.Released || !l.Ours || l.Dispatched != 15 {
		t.Errorf("have %+v", l)
	}
	for offset, want := range map[int64]int{11: 0, 12: 1, 14: 2} {
		if have, since := l.Tried(offset); have != want || since.IsZero() != (want == 0) {
			t.Errorf("%d: want %d tries, have %d since %v", offset, want, have, since)
		}
	}
	if l = newShardLag("t", 0, 10, "somebody else's"); l.Ours || l.Released || l.Retries != 0 || l.Watermark != 10 {
		t.Errorf("have %+v", l)
	}
}

// FuzzLag: whatever stands in a commit's metadata, the numbers are possible.
func FuzzLag(f *testing.F) {
	w := newWindow(7)
	for at := int64(7); at < 80; at++ {
		w.see(at)
		if at%3 == 0 {
			w.settle(at)
		}
	}
	f.Add(encodeMetadata(&w, false), int64(7), int64(5), int64(90), int64(20))
	f.Add("1rAAAA", int64(0), int64(0), int64(0), int64(0))
	f.Add("", int64(-1), int64(3), int64(4), int64(3))
	f.Fuzz(func(t *testing.T, metadata string, watermark, start, end, to int64) {
		if start < 0 || end < start || end > 1<<40 || watermark < -1 || watermark > 1<<41 {
			t.Skip("no log has such bounds")
		}
		l := newShardLag("t", 0, watermark, metadata)
		l.Start, l.End = start, end
		size := end - start
		if lag := l.Lag(); lag < 0 || lag > size {
			t.Errorf("lag %d of %d", lag, size)
		}
		if settled := l.Settled(); settled < 0 || settled > end {
			t.Errorf("settled %d", settled)
		}
		m, err := l.Move(to)
		if (err == nil) != (to >= start && to <= end) {
			t.Errorf("to %d of %d..%d: %v", to, start, end, err)
		}
		if err == nil && (m.Again < 0 || m.Skipped < 0 || m.Unknown < 0 || m.Again > end-to || m.Skipped > to-start || m.Unknown > end-to) {
			t.Errorf("have %+v", m)
		}
	})
}
