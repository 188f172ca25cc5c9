package guard

// recent remembers values by key, and of those the ones put last: at most so
// many. It holds no pointers of its own, so that a full one costs the collector
// little, and allocates nothing once it is. Not safe for concurrent use.
type recent[K comparable, V any] struct {
	most   int
	hash   func(K) uint64
	count  int
	table  []int32 // by hash, then the next free place: a slot's number + 1; 0: none
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

func newRecent[K comparable, V any](most int, hash func(K) uint64) recent[K, V] {
	return recent[K, V]{most: most, hash: hash, newest: none, oldest: none, spare: none}
}

func (r *recent[K, V]) len() int { return r.count }

// find returns a key's place in the table and its slot, or the place where it
// would be and none. The table is never full.
func (r *recent[K, V]) find(key K) (place int, at int32) {
	if len(r.table) == 0 {
		return 0, none
	}
	mask := len(r.table) - 1
	for place = r.home(key); ; place = (place + 1) & mask {
		at = r.table[place] - 1
		if at == none || r.slots[at].key == key {
			return place, at
		}
	}
}

// home is where a key is looked for first.
func (r *recent[K, V]) home(key K) int {
	return int(r.hash(key) & uint64(len(r.table)-1)) // #nosec G115 -- below the table's length
}

// enter puts a key that is in slot at, and in no place yet, into the table.
func (r *recent[K, V]) enter(key K, at int32) {
	if 2*(r.count+1) > len(r.table) {
		old := r.table
		r.table = make([]int32, max(2*len(old), 128))
		for _, number := range old {
			if number > 0 {
				place, _ := r.find(r.slots[number-1].key)
				r.table[place] = number
			}
		}
	}
	place, _ := r.find(key)
	r.table[place] = at + 1
	r.count++
}

// leave empties a place, and moves those up that would not be found beyond it.
func (r *recent[K, V]) leave(place int) {
	mask := len(r.table) - 1
	r.count--
	for next := (place + 1) & mask; r.table[next] > 0; next = (next + 1) & mask {
		home := r.home(r.slots[r.table[next]-1].key)
		if (next-home)&mask >= (next-place)&mask { // its way leads over the place
			r.table[place] = r.table[next]
			place = next
		}
	}
	r.table[place] = 0
}

// get returns the value of a key, nil when it is not known. It is good until
// the next put.
func (r *recent[K, V]) get(key K) *V {
	_, at := r.find(key)
	if at == none {
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
	if _, at := r.find(key); at != none {
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
		place, _ := r.find(r.slots[at].key)
		r.leave(place)
	}
	r.fill(at, key, value)
	r.enter(key, at)
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
	if n := len(r.slots); n == cap(r.slots) { // append would go beyond most
		r.slots = append(make([]slot[K, V], 0, min(max(2*n, 64), r.most)), r.slots...)
	}
	r.slots = append(r.slots, slot[K, V]{})
	return int32(len(r.slots) - 1) // #nosec G115 -- below most
}

// drop forgets a key.
func (r *recent[K, V]) drop(key K) {
	place, at := r.find(key)
	if at == none {
		return
	}
	r.leave(place)
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
