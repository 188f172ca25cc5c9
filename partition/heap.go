package partition

import "cmp"

// heap is a binary min-heap of values by key. Nothing is ever removed from its
// middle: values that no longer count are skipped when they come up.
type heap[K cmp.Ordered, V any] struct{ entries []entry[K, V] }

type entry[K cmp.Ordered, V any] struct {
	key   K
	value V
}

func (h *heap[K, V]) len() int { return len(h.entries) }

// min is the lowest entry; the heap must not be empty.
func (h *heap[K, V]) min() entry[K, V] { return h.entries[0] }

func (h *heap[K, V]) push(key K, value V) {
	h.entries = append(h.entries, entry[K, V]{key, value})
	i := len(h.entries) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if h.entries[parent].key <= h.entries[i].key {
			return
		}
		h.entries[parent], h.entries[i] = h.entries[i], h.entries[parent]
		i = parent
	}
}

func (h *heap[K, V]) pop() V {
	top := h.entries[0].value
	last := len(h.entries) - 1
	h.entries[0] = h.entries[last]
	h.entries[last] = entry[K, V]{}
	h.entries = h.entries[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if h.entries[child].key < h.entries[least].key {
				least = child
			}
		}
		if least == i {
			return top
		}
		h.entries[i], h.entries[least] = h.entries[least], h.entries[i]
		i = least
	}
}

// ring is a first-in-first-out queue that reuses its storage.
type ring[T any] struct {
	slots []T
	head  int
	count int
}

func (r *ring[T]) len() int { return r.count }

func (r *ring[T]) push(v T) {
	if r.count == len(r.slots) {
		grown := make([]T, max(8, 2*len(r.slots)))
		for i := range r.count {
			grown[i] = r.slots[(r.head+i)%len(r.slots)]
		}
		r.slots, r.head = grown, 0
	}
	r.slots[(r.head+r.count)%len(r.slots)] = v
	r.count++
}

// pop removes the oldest value; the ring must not be empty.
func (r *ring[T]) pop() T {
	var zero T
	v := r.slots[r.head]
	r.slots[r.head] = zero
	r.head = (r.head + 1) % len(r.slots)
	r.count--
	return v
}

// first is the oldest value; the ring must not be empty.
func (r *ring[T]) first() T { return r.slots[r.head] }
