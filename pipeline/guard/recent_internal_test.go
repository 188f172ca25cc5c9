package guard

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// naive is what recent must be: a list, the newest first.
type naive struct {
	most int
	list []pair
}

type pair struct{ key, value int }

func (n *naive) put(key, value int) {
	n.drop(key)
	n.list = slices.Insert(n.list, 0, pair{key, value})
	n.list = n.list[:min(len(n.list), n.most)]
}

func (n *naive) drop(key int) {
	n.list = slices.DeleteFunc(n.list, func(p pair) bool { return p.key == key })
}

// TestRecentIsTheLastOnes: whatever is put and dropped, what is known is what a
// list would know, never more than it may, in slots that are used again.
func TestRecentIsTheLastOnes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 6).Draw(t, "most")
		r, n := newRecent[int, int](most, func(k int) uint64 { return uint64(k) % 3 }), naive{most: most}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			key := rapid.IntRange(0, 9).Draw(t, "key")
			if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
				r.drop(key)
				n.drop(key)
			} else {
				value := rapid.Int().Draw(t, "value")
				r.put(key, value)
				n.put(key, value)
			}
			if r.len() != len(n.list) || len(r.slots) > most || cap(r.slots) > most {
				t.Fatalf("want %d known, have %d in %d slots of %d", len(n.list), r.len(), len(r.slots), cap(r.slots))
			}
			for _, p := range n.list {
				if v := r.get(p.key); v == nil || *v != p.value {
					t.Fatalf("key %d: want %d, have %v", p.key, p.value, v)
				}
			}
			key, value := r.last()
			if value == nil != (len(n.list) == 0) {
				t.Fatalf("want a last one of %d, have %v", len(n.list), value)
			}
			if value != nil && (pair{key, *value}) != n.list[len(n.list)-1] {
				t.Fatalf("last: want %v, have %d: %d", n.list[len(n.list)-1], key, *value)
			}
		}
	})
}
