package partition

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"
)

// unfinishedFor is how long a generation may leave shards to nobody: longer than
// a member takes to give up what it has to.
const unfinishedFor = 10 * time.Second

// unfinished watches over generations that leave shards to nobody. A shard that
// moves waits until who has it gives it up and joins anew, which begins the next
// generation. If that one is killed meanwhile and comes back under its static
// identity, the group sees no change and begins none: the shard would wait until
// something else changes. So whoever is in such a generation asks for another
// one when none comes by itself. It is safe for concurrent use.
type unfinished struct {
	changed bell

	mu    sync.Mutex
	since time.Time // of the generation; zero: it leaves nothing to nobody
	asked int       // times; in the user data, for a group begins a generation for a change alone
}

func newUnfinished() *unfinished { return &unfinished{changed: make(bell, 1)} }

// adopt notes a new generation, and whether it leaves shards to nobody.
func (u *unfinished) adopt(pending bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.since = (time.Time{}); pending {
		u.since = time.Now()
	}
	u.changed.ring()
}

// asks is how often this member has asked so far.
func (u *unfinished) asks() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.asked
}

// run calls again, which has the member join anew, when a generation has left
// shards to nobody for too long, until ctx ends. Of several members one is first:
// the others see its generation.
func (u *unfinished) run(ctx context.Context, log *zap.Logger, again func()) {
	for {
		var due <-chan time.Time
		u.mu.Lock()
		since := u.since
		u.mu.Unlock()
		if !since.IsZero() {
			due = time.After(time.Until(since.Add(unfinishedFor + rand.N(unfinishedFor/2))))
		}
		select {
		case <-ctx.Done():
			return
		case <-u.changed:
			continue
		case <-due:
		}
		u.mu.Lock()
		over := u.since != since // a generation came in the last moment
		if !over {
			u.asked++
			u.since = time.Now()
		}
		u.mu.Unlock()
		if !over {
			log.Warn("shards have had no owner for a while, and the group does nothing about it: asking it to share them out anew")
			again()
		}
	}
}
