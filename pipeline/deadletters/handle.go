package deadletters

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"sluice/pipeline/event"
)

const (
	// maxClaim and maxClaimBytes bound the letters that one claim names.
	maxClaim      = 500
	maxClaimBytes = 4 << 20
	// auditWithin bounds the wait for the last line.
	auditWithin = 10 * time.Second
)

// run is one call of Handle. It belongs to one goroutine.
type run struct {
	*sieve
	box  *Box
	id   string
	most int // letters in one claim
	pace pace
}

// Handle carries an order out: it puts the pending letters that the filter
// takes back on the live topic, in their order, or drops them. It takes those
// that were there when it began. It may be repeated, also after it was killed:
// what is handled is not handled again.
//
// A user's letters go one after the other; when one cannot go, those after it
// stay too. When ctx ends, what was begun is finished and the counts come with
// ErrStopped. A *BusyError or *UnsureError says that it did not go on, and what
// to do.
func (b *Box) Handle(ctx context.Context, o Order) (Counts, error) {
	if o.Deed != Redrive && o.Deed != Drop {
		return Counts{}, fmt.Errorf("handle dead letters: %q is no deed", string(o.Deed))
	}
	if o.Lease <= 0 {
		o.Lease = DefaultLease
	}
	r := &run{sieve: newSieve(o), box: b, id: rand.Text(), most: maxClaim}
	if o.Deed == Redrive && o.Rate > 0 {
		r.pace.each = time.Duration(float64(time.Second) / o.Rate)
		// What a claim names is put back well within its lease.
		r.most = min(maxClaim, max(1, int(o.Rate*(o.Lease/6).Seconds())))
	}
	all, err := b.stretches(ctx)
	if err != nil {
		return Counts{}, err
	}
	for _, s := range all {
		if err = r.stretch(ctx, s); err != nil {
			break
		}
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ErrStopped, context.Cause(ctx))
	}
	if len(all) > 0 {
		err = errors.Join(err, r.audit(ctx, all[0].partition))
	}
	return r.counts, err
}

// audit writes the line about the whole command.
func (r *run) audit(ctx context.Context, number int32) error {
	if r.counts.Handled+r.counts.Recovered+r.counts.Failed == 0 {
		return nil
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditWithin)
	defer cancel()
	m := r.mark(markAction)
	m.Counts = &r.counts
	_, err := r.put(within, m, number)
	return err
}

func (r *run) mark(kind string) mark {
	return mark{Kind: kind, Run: r.id, Deed: r.order.Deed, By: r.order.By, Why: r.order.Why, Filter: r.order.Filter.String()}
}

// put appends a mark and returns its offset.
func (r *run) put(ctx context.Context, m mark, number int32) (int64, error) {
	record, err := m.record(r.box.dead, number)
	if err != nil {
		return 0, err
	}
	offset, err := r.box.append(ctx, record)
	if err != nil {
		return 0, fmt.Errorf("write the mark %s: %w", m.Kind, err)
	}
	return offset, nil
}

// batch is what the next claim will name.
type batch struct {
	letters []Letter
	repeats []Letter
	bytes   int
}

func (c *batch) empty() bool { return len(c.letters)+len(c.repeats) == 0 }

func (c *batch) has(offset int64) bool {
	for i := range c.letters {
		if c.letters[i].Offset == offset {
			return true
		}
	}
	return false
}

// stretch handles one partition's letters.
func (r *run) stretch(ctx context.Context, s stretch) error {
	k, err := r.box.readBook(ctx, s)
	if err != nil {
		return err
	}
	if k.faulty > 0 {
		return fmt.Errorf("the record of %s at %d/%d is a mark that this version cannot read, so it cannot be told which letters are handled; use the version that wrote it, or later",
			r.box.dead, s.partition, k.fault)
	}
	if err := r.recover(ctx, k); err != nil {
		return err
	}
	var next batch
	err = r.box.walk(ctx, s, k, func(l Letter) error {
		if err := r.choose(k, &next, l); err != nil {
			return err
		}
		if len(next.letters) < r.most && len(next.repeats) < maxClaim && next.bytes < maxClaimBytes {
			return nil
		}
		return r.flush(ctx, k, &next)
	}, func(event.Record) {})
	if err != nil {
		return err
	}
	return r.flush(ctx, k, &next)
}

// choose puts a letter into the next claim when it is to be handled.
func (r *run) choose(k *book, next *batch, l Letter) error {
	switch l.State {
	case Repeat:
		if k.state(l.first) != Pending || next.has(l.first) {
			l.Record = event.Record{}
			next.repeats = append(next.repeats, l)
		}
	case Pending:
		if !r.order.Filter.Takes(l) {
			return nil
		}
		ok, err := r.takes(l)
		if !ok || err != nil {
			return err
		}
		if r.order.Deed == Drop {
			l.Record = event.Record{}
		}
		next.letters = append(next.letters, l)
		next.bytes += len(l.Record.Value)
	case Redriven, Dropped:
	}
	return nil
}

// flush handles the batch, in as many claims as it takes.
func (r *run) flush(ctx context.Context, k *book, next *batch) error {
	for !next.empty() {
		// What is not due yet must not use up a lease.
		if err := r.pace.ready(ctx); err != nil {
			return fmt.Errorf("handle dead letters: %w", err)
		}
		if err := r.claim(ctx, k, next); err != nil {
			return err
		}
		if r.order.Progress != nil {
			r.order.Progress(r.counts)
		}
	}
	*next = batch{}
	return nil
}
