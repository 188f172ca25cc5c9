package partition

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// leastPortion is what is fetched of a partition at once while pauses are
	// frequent. A pause throws away a portion that was fetched and not taken, so
	// it should be small beside what is consumed until the next one.
	leastPortion = 8 << 10
	// fetchTotal bounds one fetch over all its partitions.
	fetchTotal = 50 << 20
)

// portion is how many bytes of a partition are fetched at once: little while
// the destinations set the pace, up to the configured size while reading does.
// It is safe for concurrent use.
type portion struct {
	most int32 // Config.FetchBytes

	mu   sync.Mutex
	size int32
}

// begin is where each client begins.
func (p *portion) begin(cl *kgo.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(cl, 2*leastPortion)
}

// shrink is called after a pause.
func (p *portion) shrink(cl *kgo.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(cl, leastPortion)
}

// taken is called with what one poll brought of a shard that held so many of at
// most so many records before: a shard that runs low although portions come
// whole wants larger ones.
func (p *portion) taken(cl *kgo.Client, bytes, held, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.size < p.most && held < most/8 && bytes >= int(p.size)/2 {
		p.set(cl, 2*p.size)
	}
}

func (p *portion) set(cl *kgo.Client, size int32) {
	p.size = min(size, p.most)
	cl.UpdateFetchMaxBytes(fetchTotal, p.size)
}
