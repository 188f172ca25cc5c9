package partition

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// leastPortion is what is fetched of a partition at once while pauses are
	// frequent. A pause throws away a portion that was fetched and not taken, so
	// it should be small beside what is consumed until the next one.
	leastPortion = 16 << 10
	// mostLeast is the largest portion that pauses leave alone, however large
	// ones were needed.
	mostLeast = 128 << 10
	// fetchTotal bounds one fetch over all its partitions, and by that what the
	// client holds of each broker, which is twice as much. A broker that has more
	// gives whole portions of some and begins with the others next time.
	fetchTotal = 4 << 20
	// growEvery is the time that a larger portion has to show, stickFor how long
	// one that was needed is kept over pauses.
	growEvery = 50 * time.Millisecond
	stickFor  = time.Minute
)

// portion is how many bytes of a partition are fetched at once: little while
// the destinations set the pace, up to the configured size while reading does.
// A broker gives whole batches, and of one that is larger than the portion only
// to one partition at a time, so shards that run dry want larger portions too.
// It cuts each portion off in the middle of a batch as well, and what is cut off
// was read for nothing: half a batch a portion, which is little of a large one.
// It is safe for concurrent use.
type portion struct {
	most int32 // Config.FetchBytes

	mu    sync.Mutex
	size  int32
	least int32     // pauses do not go below it
	grown time.Time // when it last was
}

// begin is where each client begins.
func (p *portion) begin(cl *kgo.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.least = leastPortion
	p.set(cl, 2*leastPortion)
}

// shrink is called after a pause.
func (p *portion) shrink(cl *kgo.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.grown) > stickFor {
		p.least = leastPortion
	}
	p.set(cl, p.least)
}

// grow is called while a shard runs dry although its log has more.
func (p *portion) grow(cl *kgo.Client, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.size < p.most && now.Sub(p.grown) > growEvery {
		p.grown = now
		p.set(cl, 2*p.size)
		p.least = max(p.least, min(p.size/2, mostLeast))
	}
}

// small tells whether portions are about as small as they get.
func (p *portion) small() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size <= 2*leastPortion
}

func (p *portion) set(cl *kgo.Client, size int32) {
	p.size = min(size, p.most)
	cl.UpdateFetchMaxBytes(max(fetchTotal, p.size), p.size)
}
