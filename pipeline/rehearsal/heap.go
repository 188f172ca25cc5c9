package rehearsal

import stdheap "container/heap"

// heap gives back what was pushed, the least key first.
type heap[T any] struct{ entries entries[T] }

type entry[T any] struct {
	key   int64
	value T
}

func (h *heap[T]) len() int { return len(h.entries) }

// min is the least key; there must be one.
func (h *heap[T]) min() int64 { return h.entries[0].key }

func (h *heap[T]) push(key int64, value T) { stdheap.Push(&h.entries, entry[T]{key, value}) }

// pop takes out what has the least key; there must be one.
func (h *heap[T]) pop() T { return stdheap.Pop(&h.entries).(entry[T]).value } //nolint:forcetypeassert // of what push puts in

// entries implement container/heap's Interface.
type entries[T any] []entry[T]

func (e entries[T]) Len() int           { return len(e) }
func (e entries[T]) Less(i, j int) bool { return e[i].key < e[j].key }
func (e entries[T]) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }

func (e *entries[T]) Push(v any) { *e = append(*e, v.(entry[T])) } //nolint:forcetypeassert // of what push puts in

func (e *entries[T]) Pop() any {
	last := (*e)[len(*e)-1]
	(*e)[len(*e)-1] = entry[T]{}
	*e = (*e)[:len(*e)-1]
	return last
}
