package deadletters

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

// claim names the batch's letters, handles those that it has time for, and
// closes. What it had no time for stays in the batch.
//
// Whatever is written below happens before the claim's lease is over, measured
// from before it was sent: a process that was frozen meanwhile finds its time
// up and writes nothing any more.
func (r *run) claim(ctx context.Context, k *book, next *batch) error {
	began := time.Now()
	held, abandon := context.WithDeadline(context.WithoutCancel(ctx), began.Add(r.order.Lease*3/4))
	defer abandon()
	m := r.mark(markClaim)
	var records []event.Record
	var err error
	if r.order.Deed == Redrive {
		if records, m.Live, err = r.records(held, next.letters); err != nil {
			return err
		}
	}
	m.Letters = spansOf(append(placesOf(next.letters), placesOf(next.repeats)...))
	at, err := r.put(held, m, k.partition)
	if err != nil {
		return err
	}
	// Two who claim at once both see both claims: the first of them goes on.
	if err := r.box.readOn(held, k, at+1); err != nil {
		return err
	}
	if other, busy := k.oldest(r.id); busy {
		return errors.Join(&BusyError{other.unfinished(k.partition)}, r.release(held, k))
	}
	var p putting
	if r.order.Deed == Redrive {
		f := flight{run: r, book: k, letters: next.letters, records: records, until: began.Add(r.order.Lease / 2)}
		p = f.putBack(ctx, held)
	} else {
		p = settled(next.letters, k)
	}
	r.counts.Handled += len(p.done)
	if p.err != nil {
		return fmt.Errorf("%w; run this again: what arrived is found, and not put back twice", p.err)
	}
	return r.close(held, k, next, p)
}

// settled are the letters that nobody else has handled meanwhile.
func settled(letters []Letter, k *book) putting {
	var p putting
	for _, l := range letters {
		if k.state(l.Offset) == Pending {
			p.done = append(p.done, l.Offset)
		}
	}
	return p
}

// close writes down what was handled, and leaves in the batch what was not begun.
func (r *run) close(ctx context.Context, k *book, next *batch, p putting) error {
	done := offsets{}
	for _, offset := range p.done {
		done.add(offset)
	}
	left := batch{letters: p.left}
	for _, l := range p.left {
		left.bytes += len(l.Record.Value)
	}
	all := p.done
	for _, l := range next.repeats {
		switch {
		case done.has(l.first) || k.state(l.first) != Pending:
			all = append(all, l.Offset)
			r.counts.Repeats++
		case left.has(l.first):
			left.repeats = append(left.repeats, l)
		}
	}
	m := r.mark(markDone)
	m.Letters = spansOf(all)
	if _, err := r.put(ctx, m, k.partition); err != nil {
		return err
	}
	k.settle(m)
	delete(k.open, r.id)
	*next = left
	return p.stopped
}

func (r *run) release(ctx context.Context, k *book) error {
	_, err := r.put(ctx, r.mark(markRelease), k.partition)
	return err
}

func placesOf(letters []Letter) []int64 {
	places := make([]int64, len(letters))
	for i := range letters {
		places[i] = letters[i].Offset
	}
	return places
}

// records are the letters' events as they are put back, and where the
// partitions that take them end before that.
func (r *run) records(ctx context.Context, letters []Letter) ([]event.Record, map[int32]int64, error) {
	bounds, err := r.box.kafka.Bounds(ctx, r.box.live)
	if err != nil {
		return nil, nil, fmt.Errorf("find the end of the live topic: %w", err)
	}
	partitions, err := partitionsOf(r.box.live, bounds)
	if err != nil {
		return nil, nil, err
	}
	records, ends := make([]event.Record, len(letters)), map[int32]int64{}
	for i, l := range letters {
		records[i] = l.redriven(r.box.live, partitions, r.id)
		if r.order.NewTime {
			records[i].Time = time.Time{}
		}
		ends[records[i].Partition] = bounds.End[records[i].Partition]
	}
	return records, ends, nil
}

// putting is what came of putting letters back.
type putting struct {
	done    []int64
	left    []Letter // not begun
	stopped error    // ctx ended; what was begun is known
	err     error    // of some letters it is not known whether they arrived
}

// ack is Kafka's answer about one letter.
type ack struct {
	at  int
	err error
}

// flight is one claim's letters on their way back.
type flight struct {
	run     *run
	book    *book
	letters []Letter
	records []event.Record // a letter's each
	until   time.Time      // when no more are begun

	acks   chan ack
	users  map[string]bool // with a letter under way
	flying int
	out    putting
}

// putBack appends the records, a user's next one only when the one before is
// acknowledged, until the time is up or ctx ends. It returns when all answers
// are there, or when held ends.
func (f *flight) putBack(ctx, held context.Context) putting {
	f.acks, f.users = make(chan ack, len(f.letters)), map[string]bool{}
	for i, l := range f.letters {
		for f.out.err == nil && l.Record.Key != nil && f.users[l.User()] {
			f.hear(held)
		}
		if f.out.err != nil {
			break
		}
		if f.book.state(l.Offset) != Pending {
			continue // somebody has handled it since it was chosen
		}
		if f.run.behind(l) {
			f.run.counts.Behind++
			continue
		}
		if time.Now().After(f.until) {
			f.out.left = f.letters[i:]
			break
		}
		if err := f.run.pace.wait(ctx); err != nil {
			f.out.left, f.out.stopped = f.letters[i:], err
			break
		}
		f.send(held, i)
	}
	for f.flying > 0 && f.out.err == nil {
		f.hear(held)
	}
	return f.out
}

func (f *flight) send(ctx context.Context, i int) {
	f.users[f.letters[i].User()] = true
	f.flying++
	f.run.box.kafka.Append(ctx, f.records[i], func(_ partition.Position, err error) { f.acks <- ack{i, err} })
}

// hear takes in one answer.
func (f *flight) hear(ctx context.Context) {
	var a ack
	select {
	case a = <-f.acks:
	case <-ctx.Done():
		f.out.err = fmt.Errorf("put letters back: Kafka has not answered in time: %w", context.Cause(ctx))
		return
	}
	f.flying--
	l := f.letters[a.at]
	delete(f.users, l.User())
	switch {
	case a.err == nil:
		f.out.done = append(f.out.done, l.Offset)
	case errors.Is(a.err, partition.ErrTooLarge):
		f.run.counts.Failed++
		if err := f.run.block(l); err != nil && f.out.stopped == nil {
			f.out.stopped = err
		}
	default:
		f.out.err = fmt.Errorf("put letter %s back: %w", l.Place(), a.err)
	}
}
