package partition

import (
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// leastClass is the size class of the smallest slices that are kept: 64.
	leastClass = 6
	// classes is how many there are; nothing as large as the last one comes from
	// a broker.
	classes = 26
	// roomier is how many classes above the one it needs a batch may take from.
	roomier = 2
	// expansion is how often a compressed batch is reckoned to hold its own size.
	expansion = 4
	// keptRecords and keptBytes bound what lies idle, at some 12 and 8 MiB: more
	// than what is fetched at once holds, unless records are tiny.
	keptRecords = 64 << 10
	keptBytes   = 8 << 20
)

// pools lets the client reuse the memory of records that intake has copied. It
// is safe for concurrent use: the client takes from it, intake puts back.
type pools struct {
	records shelves[kgo.Record]
	bytes   shelves[byte]
}

func newPools() *pools {
	return &pools{records: shelves[kgo.Record]{most: keptRecords}, bytes: shelves[byte]{most: keptBytes}}
}

// GetRecords implements kgo.PoolRecords.
func (p *pools) GetRecords(n int) []kgo.Record { return p.records.get(n) }

// PutRecords implements kgo.PoolRecords. The client has cleared the records that
// it passed on, and not those before the offset it had asked for: what they point
// to is a whole answer of a broker, which must not stay in memory for them.
func (p *pools) PutRecords(r []kgo.Record) {
	for i := range r {
		if r[i].Context != nil { // as in every record of a batch
			r[i] = kgo.Record{}
		}
	}
	p.records.put(r)
}

// GetDecompressBytes implements kgo.PoolDecompressBytes.
func (p *pools) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	return p.bytes.get(expansion * len(compressed))
}

// PutDecompressBytes implements kgo.PoolDecompressBytes.
func (p *pools) PutDecompressBytes(b []byte) { p.bytes.put(b) }

// shelves keep idle slices by the power of two that fits into them: batches of
// one topic differ a hundredfold in size, and out of a single pool a large one
// would mostly be handed what is too small for it. A sync.Pool a size would lose
// the rare large ones between two of their uses, and they are most of the memory.
type shelves[T any] struct {
	most int // elements that lie idle at most

	mu   sync.Mutex
	idle [classes][][]T // guarded by mu
	kept int            // elements in idle, guarded by mu
}

// get returns an empty slice with room for n.
func (s *shelves[T]) get(n int) []T {
	class := max(bits.Len(uint(max(n, 1)-1)), leastClass) - leastClass
	if v := s.take(class); v != nil {
		return v
	}
	return make([]T, 0, max(n, 1<<(class+leastClass)))
}

// take returns an idle slice of the class or a little above it, nil when there
// is none.
func (s *shelves[T]) take(class int) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := class; i <= class+roomier && i < classes; i++ {
		if n := len(s.idle[i]); n > 0 {
			v := s.idle[i][n-1]
			s.idle[i][n-1] = nil
			s.idle[i] = s.idle[i][:n-1]
			s.kept -= cap(v)
			return v
		}
	}
	return nil
}

// put takes a slice back, which may be one that get did not make. What is too
// small or too much is left to the garbage collector.
func (s *shelves[T]) put(v []T) {
	class := bits.Len(uint(cap(v))) - 1 - leastClass
	if class < 0 || class >= classes {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept+cap(v) > s.most {
		return
	}
	s.kept += cap(v)
	s.idle[class] = append(s.idle[class], v[:0])
}
