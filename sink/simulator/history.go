package simulator

import (
	"iter"
	"strings"

	"github.com/oklog/ulid/v2"
)

// line is an arrival in 64 bytes: a run has millions of them.
type line struct {
	at      int64
	seq, n  int64
	ulid    ulid.ULID
	attempt uint32
	user    uint32 // these four are numbers of words
	id      uint32
	name    uint32
	site    uint32
	status  uint16
	op      op
	effect  bool
	isULID  bool // the id is ulid, else the word
}

// lineState is what an arrival's line says beside the call.
type lineState struct {
	at      int64
	attempt uint32
	status  int
	effect  bool
}

const chunkLines = 4096

// history holds the arrivals, in order, and only grows. Its owner's mutex
// guards it; what snapshot returns may be read without.
type history struct {
	chunks []*[chunkLines]line
	count  int
	words  words
}

// words gives each string one number. 0 is the empty string.
type words struct {
	list    []string
	numbers map[string]uint32
}

func (w *words) number(word string) uint32 {
	if word == "" {
		return 0
	}
	if n, found := w.numbers[word]; found {
		return n
	}
	if w.numbers == nil {
		w.numbers = make(map[string]uint32)
		w.list = append(w.list, "")
	}
	n := uint32(len(w.list)) //nolint:gosec // memory ends long before 4 billion words
	// A word that was cut from a longer text must not keep that in memory.
	word = strings.Clone(word)
	w.list = append(w.list, word)
	w.numbers[word] = n
	return n
}

func (h *history) add(c *call, site string, state lineState) {
	if h.count%chunkLines == 0 {
		h.chunks = append(h.chunks, new([chunkLines]line))
	}
	l := &h.chunks[h.count/chunkLines][h.count%chunkLines]
	*l = line{
		at: state.at, seq: c.seq, n: c.n, attempt: state.attempt, effect: state.effect,
		status: uint16(state.status), //nolint:gosec // an HTTP status
		op:     c.op,
		user:   h.words.number(c.user.value), name: h.words.number(c.name), site: h.words.number(site),
	}
	// A ULID that is not in its canonical form is kept as it was written.
	if c.isULID && c.ulid.String() == c.id {
		l.ulid, l.isULID = c.ulid, true
	} else {
		l.id = h.words.number(c.id)
	}
	h.count++
}

// snapshot is the history up to now. Lines are written once, before they are
// counted, and both slices only grow: later writes touch nothing that a
// snapshot can reach.
type snapshot struct {
	chunks []*[chunkLines]line
	count  int
	list   []string
}

func (h *history) snapshot() snapshot { return snapshot{h.chunks, h.count, h.words.list} }

func (s snapshot) word(n uint32) string {
	if n == 0 {
		return ""
	}
	return s.list[n]
}

// from yields the arrivals but for the first `skip`.
func (s snapshot) from(skip int) iter.Seq[Arrival] {
	return func(yield func(Arrival) bool) {
		for i := max(skip, 0); i < s.count; i++ {
			l := &s.chunks[i/chunkLines][i%chunkLines]
			a := Arrival{
				Time: l.at, Workspace: s.word(l.site), User: s.word(l.user), ID: s.word(l.id),
				Seq: l.seq, N: l.n, Status: int(l.status), Attempt: int64(l.attempt),
				Op: l.op.String(), Effect: l.effect, Name: s.word(l.name),
			}
			if l.isULID {
				a.ID = l.ulid.String()
			}
			if !yield(a) {
				return
			}
		}
	}
}
