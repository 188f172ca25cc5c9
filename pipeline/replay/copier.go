package replay

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

const (
	// flushCopies and flushEvery bound what a kill leaves unwritten.
	flushCopies = 500
	flushEvery  = 2 * time.Second
	// pieceOffsets is how much is read between two looks at what the log holds.
	pieceOffsets = 20_000
	// lookAgain is how long a copier waits before it asks whether there is room.
	lookAgain = 250 * time.Millisecond
)

var (
	// errYield says that the job may not copy this shard any more, or not yet.
	errYield = errors.New("the replay is stopped or has to wait")
	// errGone says that retention has deleted what was to be read.
	errGone = errors.New("the source is gone")
	// errAside says that a record has to wait for what stands in other lanes.
	errAside = errors.New("the shard has to wait for others")
)

// copier copies one shard of a job. It belongs to one goroutine.
type copier struct {
	cluster Cluster
	store   Store
	view    *view
	gauge   *gauge
	order   *order
	slot    *slot
	claim   *claim
	job     string
	may     func() bool // the job runs and it is its turn on the shard

	shard   Range
	key     string // of the progress
	version int64  // of the progress, 0 while there is none
	have    progress
	found   map[int64]bool // source offsets that an earlier copier put on the tier

	acks   chan ack
	users  map[uint64]bool // with a copy under way
	tide   time.Time       // of the records so far, the newest
	aside  traveller       // that has to wait for others
	flying int
	seed   maphash.Seed
	room   int64     // copies until the gauge is read again
	fresh  int       // copies since the progress was written
	dirty  bool      // there is something to write
	wrote  time.Time // the progress, the last time
	failed error     // of an append
}

// run copies the shard from where it is to its end. It returns errYield when the
// job may not go on, errGone when it never can, errLost when somebody else has
// it. After any error what was copied is found by whoever goes on.
func (c *copier) run(ctx context.Context) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	for c.have.Next < c.shard.To {
		if err := c.refill(ctx); err != nil {
			return err
		}
		to := min(c.shard.To, c.have.Next+pieceOffsets)
		at := partition.Range{Topic: c.view.stream.Topic, Partition: c.shard.Partition, From: c.have.Next, To: to}
		next := c.have.Next
		err := c.cluster.Read(ctx, at, func(r event.Record) error {
			if r.Offset > next {
				if err := c.unbroken(ctx, next); err != nil {
					return err
				}
			}
			if err := c.record(ctx, r); err != nil {
				return err
			}
			next = r.Offset + 1
			c.have.Next = next
			return nil
		})
		if err == nil {
			c.have.Next, c.dirty = to, true
		}
		if errors.Is(err, errAside) {
			err = c.stepAside(ctx)
		}
		if err := errors.Join(err, c.settle(ctx)); err != nil {
			return fmt.Errorf("copy shard %s/%d: %w", c.view.stream.Name, c.shard.Partition, err)
		}
	}
	c.have.Done, c.have.Waiting, c.have.Rate, c.dirty = true, "", 0, true
	if err := c.flush(ctx); err != nil {
		return err
	}
	c.order.end(c.shard.Partition)
	return nil
}

// settle writes what was done, also when the job may not go on.
func (c *copier) settle(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return c.flush(ctx)
}

// begin takes up where the last copier has come to. Before the first copy of a
// shard it notes where the replay topic ends, so that whoever comes after a kill
// knows where to look.
func (c *copier) begin(ctx context.Context) error {
	var err error
	if c.have, err = progressIn(c.store, c.job, c.shard); err != nil {
		return err
	}
	if doc, known := c.store.Get(c.key); known {
		c.version = doc.Version
	}
	c.acks, c.users, c.seed = make(chan ack, flushCopies), map[uint64]bool{}, maphash.MakeSeed()
	c.wrote = time.Now()
	c.order.begin(c.shard.Partition, c.have.Next)
	if c.have.Ends == nil {
		if c.have.Ends, err = c.gauge.ends(ctx, c.shard.Partition); err != nil {
			return err
		}
		c.dirty = true
		return c.write(ctx)
	}
	return c.find(ctx)
}

// find reads the replay tier behind the last note for copies of this shard.
func (c *copier) find(ctx context.Context) error {
	c.found = map[int64]bool{}
	bounds, err := c.cluster.Bounds(ctx, c.view.target.ReplayTopic)
	if err != nil {
		return err
	}
	var e event.Event
	for p, from := range c.have.Ends {
		at := partition.Range{Topic: c.view.target.ReplayTopic, Partition: p, From: max(from, bounds.Start[p]), To: bounds.End[p]}
		err := c.cluster.Read(ctx, at, func(r event.Record) error {
			e.LoadMoved(r, "")
			if e.Replay != c.job || e.Origin.Topic != c.view.stream.Topic || e.Origin.Partition != c.shard.Partition {
				return nil
			}
			at := partition.Position{Partition: p, Offset: r.Offset}
			c.land(at)
			c.view.workspaces[c.shard.Partition].prepare(&e)
			c.order.find(c.view.traveller(&e), at)
			if e.Origin.Offset >= c.have.Next {
				c.found[e.Origin.Offset] = true
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for copies on %s: %w", at.Topic, err)
		}
	}
	return nil
}

// land notes where a copy stands.
func (c *copier) land(at partition.Position) {
	if c.have.Last == nil {
		c.have.Last = map[int32]int64{}
	}
	c.have.Last[at.Partition] = max(c.have.Last[at.Partition], at.Offset+1)
}

// unbroken tells with errGone whether retention has deleted what comes next.
func (c *copier) unbroken(ctx context.Context, next int64) error {
	bounds, err := c.cluster.Bounds(ctx, c.view.stream.Topic)
	if err != nil {
		return err
	}
	return c.inLog(bounds.Start[c.shard.Partition], next)
}

func (c *copier) inLog(start, next int64) error {
	if start <= next {
		return nil
	}
	return fmt.Errorf("%w: retention has deleted the offsets %d to %d of %s/%d before they were copied", errGone, next, start-1, c.view.stream.Topic, c.shard.Partition)
}

// record deals with one record of the window.
func (c *copier) record(ctx context.Context, r event.Record) error {
	if !c.may() {
		return errYield
	}
	if c.fresh >= flushCopies || time.Since(c.wrote) >= flushEvery {
		if err := c.flush(ctx); err != nil {
			return err
		}
	}
	c.dirty = true
	if r.Time.After(c.tide) {
		c.tide = r.Time
	}
	c.order.arrive(c.shard.Partition, r.Offset, c.tide)
	e := new(event.Event) // the copy shares its bytes until it is acknowledged
	c.view.load(e, r)
	if !c.view.keeps(e) {
		return nil
	}
	if c.found[r.Offset] {
		delete(c.found, r.Offset)
		c.have.Copied++
		return nil
	}
	if c.room <= 0 {
		if err := c.refill(ctx); err != nil {
			return err
		}
	}
	if v := c.view.judge(e); v != copied {
		c.have.Skipped.add(v)
		return nil
	}
	t := c.view.traveller(e)
	if err := c.inOrder(ctx, t); err != nil {
		return err
	}
	return c.append(ctx, e, t)
}

// refill follows the live topic and waits until copies may be made. What is
// under way is waited for first, so that it counts as waiting on the tier.
func (c *copier) refill(ctx context.Context) error {
	if err := c.drain(ctx); err != nil {
		return err
	}
	for began := time.Now(); ; {
		now, err := c.gauge.read(ctx, c.shard.Partition, time.Now())
		if err != nil {
			return err
		}
		if err := c.inLog(now.start, c.have.Next); err != nil {
			return err
		}
		if now.room > 0 {
			c.have.Waiting = "" // said with the next progress
			c.room = min(now.room, flushCopies)
			return nil
		}
		// A tier that is full now and then is how it should be.
		if long := time.Since(began) >= flushEvery; long && (c.fresh > 0 || c.have.Waiting == "") {
			c.have.Waiting = now.waiting
			if err := c.write(ctx); err != nil {
				return err
			}
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
		if !c.may() {
			return errYield
		}
	}
}
