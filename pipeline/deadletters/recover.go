package deadletters

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

// forgotten is how many leases after a claim was made nobody waits for it any
// more. It leaves room for clocks that differ.
const forgotten = 10

// recover settles what earlier runs left open in a partition.
func (r *run) recover(ctx context.Context, k *book) error {
	for {
		c, open := k.oldest(r.id)
		if !open {
			return nil
		}
		if err := r.outwait(ctx, k, c); err != nil {
			return err
		}
		if _, open := k.open[c.Run]; !open {
			continue
		}
		if err := r.takeOver(ctx, k, c); err != nil {
			return err
		}
	}
}

// outwait waits until a claim is closed or its lease is over, counted from now:
// no two clocks are compared, unless the claim is very old. It returns a
// BusyError when its run is at work.
func (r *run) outwait(ctx context.Context, k *book, c claim) error {
	lease := r.order.Lease
	if time.Since(c.at) > forgotten*lease {
		return nil
	}
	if r.order.Waiting != nil {
		r.order.Waiting(c.unfinished(k.partition), lease)
	}
	tick := time.NewTicker(lease / 10)
	defer tick.Stop()
	for until := time.Now().Add(lease); time.Now().Before(until); {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a lease: %w", ctx.Err())
		case <-tick.C:
		}
		bounds, err := r.box.kafka.Bounds(ctx, r.box.dead)
		if err == nil {
			err = r.box.readOn(ctx, k, bounds.End[k.partition])
		}
		if err != nil {
			return fmt.Errorf("wait for a lease: %w", err)
		}
		now, open := k.open[c.Run]
		switch {
		case !open:
			return nil
		case now.offset != c.offset:
			return &BusyError{now.unfinished(k.partition)}
		}
	}
	return nil
}

// takeOver closes the claim of a run that is over: the letters that it put back
// are settled, the others are pending as before.
func (r *run) takeOver(ctx context.Context, k *book, c claim) error {
	m := mark{Kind: markDone, Run: c.Run, Deed: c.Deed, By: r.order.By, Why: "found after " + c.By + " ended without saying so", Filter: c.Filter}
	if c.Deed == Redrive {
		found, whole, err := r.arrived(ctx, k.partition, c)
		if err != nil {
			return err
		}
		m.Letters = spansOf(found)
		if missing := without(c.Letters, found); !whole && len(missing) > 0 && !r.order.Unsure {
			return &UnsureError{c.unfinished(k.partition), missing}
		}
		r.counts.Recovered += len(found)
	}
	if _, err := r.put(ctx, m, k.partition); err != nil {
		return err
	}
	k.settle(m)
	delete(k.open, c.Run)
	return nil
}

var errAll = errors.New("all are found")

// arrived are the letters of a claim that stand on the live topic. It is not
// whole when that has lost some of what was written since.
func (r *run) arrived(ctx context.Context, number int32, c claim) (found []int64, whole bool, err error) {
	bounds, err := r.box.kafka.Bounds(ctx, r.box.live)
	if err != nil {
		return nil, false, fmt.Errorf("look for what was put back: %w", err)
	}
	whole = true
	left := count(c.Letters)
	for _, p := range slices.Sorted(maps.Keys(c.Live)) {
		from := c.Live[p]
		whole = whole && bounds.Start[p] <= from && from <= bounds.End[p]
		at := partition.Range{Topic: r.box.live, Partition: p, From: max(from, bounds.Start[p]), To: bounds.End[p]}
		err := r.box.kafka.Read(ctx, at, func(rec event.Record) error {
			offset, ours := c.names(rec, number)
			if !ours {
				return nil
			}
			found = append(found, offset)
			if left--; left == 0 {
				return errAll
			}
			return nil
		})
		if errors.Is(err, errAll) {
			return found, true, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("look for what was put back: %w", err)
		}
	}
	return found, whole, nil
}

// names returns the letter of the claim, which stands in that partition, that a
// record of the live topic is.
func (c claim) names(r event.Record, number int32) (offset int64, ours bool) {
	for _, h := range r.Headers {
		if h.Key != HeaderRedrive {
			continue
		}
		place, ours := strings.CutPrefix(string(h.Value), c.Run+"/"+strconv.Itoa(int(number))+"/")
		offset, err := strconv.ParseInt(place, 10, 64)
		return offset, ours && err == nil && covers(c.Letters, offset)
	}
	return 0, false
}

// without are the offsets of spans that are not among those found.
func without(spans []Span, found []int64) []Span {
	have := offsets{}
	for _, offset := range found {
		have.add(offset)
	}
	var missing []int64
	for _, s := range spans {
		for offset := s[0]; offset <= s[1]; offset++ {
			if !have.has(offset) {
				missing = append(missing, offset)
			}
		}
	}
	return spansOf(missing)
}
