package partition

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// naive is a window as one would write it without caring for speed.
type naive struct {
	base, read int64
	settled    map[int64]bool
	held       map[int64]bool
}

func (n *naive) advance() {
	for n.settled[n.base] {
		n.base++
	}
}

func TestWindowAgainstNaive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.Int64Range(0, 1000).Draw(t, "base")
		w := newWindow(base)
		n := naive{base: base, read: base, settled: map[int64]bool{}, held: map[int64]bool{}}
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "act") {
			case 0, 1, 2, 3: // read on, sometimes over a gap
				at := n.read + rapid.Int64Range(0, 70).Draw(t, "gap")*int64(rapid.IntRange(0, 1).Draw(t, "skips"))
				for o := n.read; o < at; o++ {
					n.settled[o] = true
				}
				n.read = at + 1
				fresh := !n.settled[at] && at >= n.base
				if fresh {
					n.held[at] = true
				}
				n.advance()
				if have := w.see(at); have != fresh {
					t.Fatalf("see %d: have %v, want %v", at, have, fresh)
				}
			case 4, 5, 6, 7: // settle any held one
				if len(n.held) == 0 {
					continue
				}
				at := rapid.SampledFrom(sorted(n.held)).Draw(t, "settle")
				delete(n.held, at)
				n.settled[at] = true
				n.advance()
				if !w.settle(at) || w.settle(at) {
					t.Fatalf("settle %d: must work once", at)
				}
			case 8: // read again what was read: nothing happens
				if at := n.read - 1; at >= base && w.see(at) {
					t.Fatalf("offset %d was read twice", at)
				}
			case 9: // over a commit and a crash: what was held is read again
				text := encodeMetadata(&w, false)
				got, released, err := decodeMetadata(w.base, text)
				if err != nil || released {
					t.Fatalf("decode %q: %v, released %v", text, err, released)
				}
				w = got
				n.read, n.held = n.base, map[int64]bool{}
			}
			compare(t, &w, &n)
		}
	})
}

func compare(t *rapid.T, w *window, n *naive) {
	if w.base != n.base || w.open != len(n.held) {
		t.Fatalf("have base %d open %d, want base %d open %d", w.base, w.open, n.base, len(n.held))
	}
	for o := n.base; o < w.next+3; o++ {
		if have, want := w.settled(o), n.settled[o] || o < n.base; have != want {
			t.Fatalf("settled %d: have %v, want %v (base %d)", o, have, want, n.base)
		}
	}
}

func sorted(m map[int64]bool) []int64 {
	var all []int64
	for o := range maps.Keys(m) {
		all = append(all, o)
	}
	for i := range all {
		for j := i; j > 0 && all[j] < all[j-1]; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	return all
}

func TestMetadataAlwaysFits(t *testing.T) {
	t.Parallel()
	patterns := map[string]func(i int64) bool{
		"every other":      func(i int64) bool { return i%2 == 1 },
		"one in 7":         func(i int64) bool { return i%7 == 3 },
		"all but the head": func(i int64) bool { return i > 0 },
		"none":             func(int64) bool { return false },
		"scattered":        func(i int64) bool { return (i*2654435761)>>7&3 != 0 },
	}
	for name, settled := range patterns {
		for _, span := range []int64{1, 63, 64, 65, 4096, maxSpan, 200_000} {
			t.Run(fmt.Sprintf("%s/%d", name, span), func(t *testing.T) {
				t.Parallel()
				w := newWindow(1_000_003)
				for i := range span {
					w.see(w.origin + 67 + i)
				}
				first := w.base
				for i := range span {
					if settled(i) {
						w.settle(w.origin + 67 + i)
					}
				}
				for i := range int64(maxRetries + 10) {
					if at := first + i*3; !w.settled(at) && at < w.read {
						w.fail(at, time.UnixMilli(1_700_000_000_000))
					}
				}
				text := encodeMetadata(&w, true)
				if len(text) > metadataLimit {
					t.Fatalf("metadata has %d characters", len(text))
				}
				got, released, err := decodeMetadata(w.base, text)
				if err != nil || !released {
					t.Fatalf("decode: %v, released %v", err, released)
				}
				for o := w.base; o < w.next; o++ {
					if got.settled(o) && !w.settled(o) {
						t.Fatalf("offset %d became settled by a commit", o)
					}
					if span <= maxSpan && got.settled(o) != w.settled(o) {
						t.Fatalf("offset %d: have %v, want %v", o, got.settled(o), w.settled(o))
					}
				}
			})
		}
	}
}

func TestMetadataKeepsRetries(t *testing.T) {
	t.Parallel()
	w := newWindow(100)
	for o := int64(100); o < 110; o++ {
		w.see(o)
	}
	w.high = 107
	first := time.UnixMilli(1_700_000_000_123)
	w.fail(104, first)
	w.fail(104, first.Add(time.Minute))
	got, _, err := decodeMetadata(100, encodeMetadata(&w, false))
	if err != nil {
		t.Fatal(err)
	}
	if r := got.retries[104]; r.attempts != 2 || !r.first.Equal(first) {
		t.Errorf("have %+v, want 2 attempts since %v", r, first)
	}
	if got.high != 107 {
		t.Errorf("highest dispatched: have %d, want 107", got.high)
	}
}

func TestMergeIsTheUnion(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		build := func(label string) window {
			w := newWindow(rapid.Int64Range(0, 90).Draw(t, label+" base"))
			for o := w.base; o < 200; o++ {
				w.see(o)
				if rapid.Bool().Draw(t, label) {
					w.settle(o)
				}
			}
			return w
		}
		a, b := build("a"), build("b")
		merged := newWindow(a.base)
		merged.merge(&a)
		merged.merge(&b)
		for o := range int64(200) {
			if have, want := merged.settled(o), a.settled(o) || b.settled(o); have != want {
				t.Fatalf("settled %d: have %v, want %v", o, have, want)
			}
		}
	})
}

func FuzzDecodeMetadata(f *testing.F) {
	w := newWindow(7)
	for o := int64(7); o < 90; o++ {
		w.see(o)
	}
	w.settle(20)
	f.Add(encodeMetadata(&w, false), int64(7))
	f.Add("1oAAAB", int64(0))
	f.Add("2x", int64(5))
	f.Fuzz(func(t *testing.T, text string, base int64) {
		if base < 0 || base > 1<<60 {
			t.Skip("not an offset")
		}
		got, _, err := decodeMetadata(base, text)
		if got.base < base {
			t.Fatalf("the watermark went back from %d to %d", base, got.base)
		}
		if err != nil && (got.base != base || got.next != base) {
			t.Fatalf("damaged metadata settled something: %+v", got)
		}
	})
}
