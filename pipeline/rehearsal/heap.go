package rehearsal

// heap gives back what was pushed, the least key first.
type heap[T any] struct{ entries []entry[T] }

type entry[T any] struct {
	key   int64
	value T
}

func (h *heap[T]) len() int { return len(h.entries) }

// min is the least key; there must be one.
func (h *heap[T]) min() int64 { return h.entries[0].key }

func (h *heap[T]) push(key int64, value T) {
	h.entries = append(h.entries, entry[T]{key, value})
	for at := len(h.entries) - 1; at > 0; {
		above := (at - 1) / 2
		if h.entries[above].key <= h.entries[at].key {
			return
		}
		h.entries[above], h.entries[at] = h.entries[at], h.entries[above]
		at = above
	}
}

// pop takes out what has the least key; there must be one.
func (h *heap[T]) pop() T {
	last := len(h.entries) - 1
	first := h.entries[0].value
	h.entries[0] = h.entries[last]
	h.entries[last] = entry[T]{}
	h.entries = h.entries[:last]
	for at := 0; ; {
		least := at
		for child := 2*at + 1; child <= 2*at+2 && child < last; child++ {
			if h.entries[child].key < h.entries[least].key {
				least = child
			}
		}
		if least == at {
			return first
		}
		h.entries[least], h.entries[at] = h.entries[at], h.entries[least]
		at = least
	}
}
