package partition

import (
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestPoolsReuse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		put, get  int // records
		wantReuse bool
	}{
		{"the same size", 500, 500, true},
		{"a smaller one of the same class", 500, 300, true},
		{"one class up", 1000, 500, true},
		{"two classes up", 2000, 500, true},
		{"too roomy", 5000, 500, false},
		{"too small", 500, 513, false},
		{"the smallest class", 1, 64, true},
		{"none wanted", 1, 0, true},
		{"larger than what may lie idle", keptRecords + 1, keptRecords + 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPools()
			was := p.GetRecords(tc.put)
			p.PutRecords(was[:cap(was)])
			have := p.GetRecords(tc.get)
			if len(have) != 0 || cap(have) < tc.get {
				t.Fatalf("have %d of %d, want 0 of at least %d", len(have), cap(have), tc.get)
			}
			if reused := unsafe.SliceData(have) == unsafe.SliceData(was); reused != tc.wantReuse {
				t.Errorf("reused: have %v, want %v", reused, tc.wantReuse)
			}
		})
	}
}

// A batch that was asked for from its middle leaves the records before that as
// they were decoded. Idle, they kept the broker's answer in memory.
func TestPoolsLetGoOfRecordsThatWerePassedOver(t *testing.T) {
	t.Parallel()
	p := newPools()
	r := p.GetRecords(3)[:3]
	r[1] = kgo.Record{Value: make([]byte, 1<<20), Context: t.Context()}
	p.PutRecords(r)
	for i, have := range p.GetRecords(3)[:3] {
		if have.Value != nil || have.Context != nil {
			t.Errorf("record %d: have %d bytes and context %v, want nothing", i, len(have.Value), have.Context)
		}
	}
}

// A decompressor grows what it was given and puts that back: any capacity comes.
func TestPoolsTakeWhatTheyDidNotMake(t *testing.T) {
	t.Parallel()
	p := newPools()
	for _, size := range []int{0, 1, 63, 64, 65, 1000, keptBytes - 2000} {
		p.PutDecompressBytes(make([]byte, size))
	}
	for range 10 {
		if have := p.GetDecompressBytes(make([]byte, 200), kgo.CodecLz4); len(have) != 0 || cap(have) < 800 {
			t.Fatalf("have %d of %d, want 0 of at least 800", len(have), cap(have))
		}
	}
}

// Nothing is handed out twice, enough room comes whatever was put before, and
// what lies idle stays within its bound.
func TestShelvesProperty(t *testing.T) {
	t.Parallel()
	s := &shelves[int]{most: 4096}
	var callers sync.WaitGroup
	for seed := range uint64(4) {
		callers.Go(func() {
			random := rand.New(rand.NewPCG(seed, 1))
			for range 2000 {
				n := random.IntN(1500)
				v := s.get(n)
				if len(v) != 0 || cap(v) < n {
					t.Errorf("have %d of %d, want 0 of at least %d", len(v), cap(v), n)
				}
				mine := random.Int()
				v = v[:cap(v)]
				for i := range v {
					v[i] = mine
				}
				for i := range v {
					if v[i] != mine {
						t.Errorf("another has the same slice")
						break
					}
				}
				s.put(v)
			}
		})
	}
	callers.Wait()
	idle := 0
	for _, shelf := range s.idle {
		for _, v := range shelf {
			idle += cap(v)
		}
	}
	if idle != s.kept || idle > s.most {
		t.Errorf("idle: have %d, counted %d, want at most %d", idle, s.kept, s.most)
	}
}
