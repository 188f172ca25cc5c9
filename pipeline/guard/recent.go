package guard

// recent remembers values by key, and of those the ones put last: at most so
// many. It holds no pointers of its own, so that a full one costs the collector
// little. Not safe for concurrent use.
type recent[K comparable, V any] struct {
	most   int
	index  map[K]int32 // slots in use
	slots  []slot[K, V]
	newest int32 // slots in use are a list from here to oldest; none when empty
	oldest int32
	spare  int32 // slots not in use are a list by older
}

type slot[K comparable, V any] struct {
	key          K
	value        V
	newer, older int32
}

// none is the end of a list of slots.
const none int32 = -1

func newRecent[K comparable, V any](most int) recent[K, V] {
	return recent[K, V]{most: most, newest: none, oldest: none, spare: none}
}

func (r *recent[K, V]) len() int { return len(r.index) }

// get returns the value of a key, nil when it is not known. It is good until
// the next put.
func (r *recent[K, V]) get(key K) *V {
	at, ok := r.index[key]
	if !ok {
		return nil
	}
	return &r.slots[at].value
}

// last returns the value that will go first, nil when there is none.
func (r *recent[K, V]) last() (key K, value *V) {
	if r.oldest == none {
		return key, nil
	}
	s := &r.slots[r.oldest]
	return s.key, &s.value
}

// put remembers a value as the newest, in place of the oldest when there are as
// many as may be.
func (r *recent[K, V]) put(key K, value V) {
	if at, known := r.index[key]; known {
		r.unlink(at)
		r.fill(at, key, value)
		return
	}
	r.add(key, value)
}

// add is put of a key that is not known.
func (r *recent[K, V]) add(key K, value V) {
	at := r.spare
	switch {
	case at != none:
		r.spare = r.slots[at].older
	case len(r.slots) < r.most:
		at = r.extend()
	default:
		at = r.oldest
		r.unlink(at)
		delete(r.index, r.slots[at].key)
	}
	r.fill(at, key, value)
	r.index[key] = at
}

// fill makes a slot that is in no list the newest.
func (r *recent[K, V]) fill(at int32, key K, value V) {
	r.slots[at] = slot[K, V]{key: key, value: value, newer: none, older: r.newest}
	if r.newest == none {
		r.oldest = at
	} else {
		r.slots[r.newest].newer = at
	}
	r.newest = at
}

// extend makes a slot that was never in use.
func (r *recent[K, V]) extend() int32 {
	if r.index == nil {
		r.index = map[K]int32{}
	}
	if n := len(r.slots); n == cap(r.slots) { // append would go beyond most
		r.slots = append(make([]slot[K, V], 0, min(max(2*n, 64), r.most)), r.slots...)
	}
	r.slots = append(r.slots, slot[K, V]{})
	return int32(len(r.slots) - 1) // #nosec G115 -- below most
}

// drop forgets a key.
func (r *recent[K, V]) drop(key K) {
	at, ok := r.index[key]
	if !ok {
		return
	}
	delete(r.index, key)
	r.unlink(at)
	r.slots[at] = slot[K, V]{older: r.spare}
	r.spare = at
}

// unlink takes a slot out of the list of those in use.
func (r *recent[K, V]) unlink(at int32) {
	s := &r.slots[at]
	if s.newer == none {
		r.newest = s.older
	} else {
		r.slots[s.newer].older = s.older
	}
	if s.older == none {
		r.oldest = s.newer
	} else {
		r.slots[s.older].newer = s.newer
	}
}
