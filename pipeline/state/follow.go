package state

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
)

const (
	// leftFor is how old a record that is no document gets before a Store that
	// runs removes it: its writer has had its turn.
	leftFor = time.Minute
	// retryAfter is the pause before reading is tried again.
	retryAfter = time.Second
)

// Run follows the topic until ctx ends, so that Get, List and Changed tell what
// others wrote, and removes what their crashed processes left behind. It
// returns nil; what fails is logged and tried again.
func (s *Store) Run(ctx context.Context) error {
	failing := false
	sweepAt := time.Now().Add(sweepPause())
	for ctx.Err() == nil {
		err := s.read(ctx, s.wait)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if !failing {
				s.log.Warn("the state topic cannot be read; trying again", zap.String("topic", s.topic), zap.Error(err))
			}
			select {
			case <-ctx.Done():
			case <-time.After(retryAfter):
			}
		case failing:
			s.log.Info("the state topic is read again", zap.String("topic", s.topic))
		}
		failing = err != nil
		if time.Now().After(sweepAt) {
			s.sweep(ctx)
			sweepAt = time.Now().Add(sweepPause())
		}
	}
	return nil
}

// sweepPause differs between members, so that mostly one alone finds work.
func sweepPause() time.Duration { return leftFor + rand.N(leftFor) }

// sweep removes leftovers that their writers did not remove.
func (s *Store) sweep(ctx context.Context) {
	s.mu.Lock()
	var left []string
	for _, e := range s.book {
		left = append(left, e.leftovers(time.Now().Add(-leftFor))...)
	}
	s.mu.Unlock()
	s.remove(ctx, left)
}

// Refresh reads what stands in the topic now. It is for commands; a Store that
// runs needs it only to see what was written a moment ago elsewhere.
func (s *Store) Refresh(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	if err := s.readOn(ctx, 0); err != nil {
		return err
	}
	// Where the log ended at the first answer is far enough: later ends are
	// those of later writes, and a busy topic has no last one.
	next, end := s.follower.Position()
	for next < end {
		if err := s.readOn(ctx, 0); err != nil {
			return err
		}
		next, _ = s.follower.Position()
	}
	return nil
}

// readTo reads on until every record below an offset is in the book.
func (s *Store) readTo(ctx context.Context, offset int64) error {
	for {
		s.mu.Lock()
		reached, moved := s.next >= offset, s.moved
		s.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-moved: // somebody else reads
		case <-s.turn:
			err := s.readOn(ctx, s.wait)
			s.give()
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("read %s up to what was written: %w", s.topic, ctx.Err())
		}
	}
}

// read reads once, as soon as nobody else does.
func (s *Store) read(ctx context.Context, wait time.Duration) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	return s.readOn(ctx, wait)
}

func (s *Store) take(ctx context.Context) error {
	select {
	case <-s.turn:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to read %s: %w", s.topic, ctx.Err())
	}
}

func (s *Store) give() { s.turn <- struct{}{} }

// readOn takes in what comes next; the caller has the turn.
func (s *Store) readOn(ctx context.Context, wait time.Duration) error {
	records, err := s.follower.Next(ctx, wait)
	if errors.Is(err, partition.ErrPastEnd) {
		s.log.Warn("the state topic was made anew; reading it from its start", zap.String("topic", s.topic))
		s.follower.StartAt(0)
		s.mu.Lock()
		s.book, s.next = book{}, 0
		tell(&s.changed)
		s.mu.Unlock()
		return s.readOn(ctx, wait)
	}
	if err != nil {
		return s.explained(err)
	}
	next, _ := s.follower.Position()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enter(records)
	if next != s.next {
		s.next = next
		tell(&s.moved)
	}
	return nil
}

// enter applies records to the book; the caller holds the mutex.
func (s *Store) enter(records []event.Record) {
	changed := false
	for _, r := range records {
		did := s.book.apply(r)
		changed = changed || did == accepted
		if _, ours := s.outcomes[string(r.Key)]; ours {
			s.outcomes[string(r.Key)] = did == accepted
		}
		if did == foreign {
			s.log.Warn("a record of the state topic is none of ours and is ignored", zap.String("topic", r.Topic), zap.Int64("offset", r.Offset))
		}
	}
	if changed {
		tell(&s.changed)
	}
}

// tell wakes those who wait and makes a channel for the next; the caller holds
// the mutex.
func tell(told *chan struct{}) {
	close(*told)
	*told = make(chan struct{})
}
