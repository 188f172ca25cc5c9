package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/scripts/acceptance/rig"
)

// drain is how the end of the traffic went.
type drain struct {
	accounts []Account // with what was produced, and what was lost of it
	took     time.Duration
	ended    time.Time // when all was settled, or nobody waited any longer
	breaches []string
}

// The bound on the drain: what is left at half of the rate, and the time that
// an event may wait which was set aside for a later attempt, with what a group
// needs to find itself again.
const (
	drainShare = 0.5
	drainWait  = 4 * time.Minute
)

// dry ends the traffic: the producers come to their ends, which may take as long
// as the rate makes of what they have read already.
func (s *stage) dry(ctx context.Context, d *drain) error {
	for len(s.feeds) > 0 {
		report, early, err := s.feeds[0].Finish(ctx)
		if err != nil {
			return err
		}
		if early != nil {
			d.breaches = append(d.breaches, fmt.Sprintf("%s: %d events not acknowledged: %v", workspaces()[len(d.accounts)].name, report.Failed, early))
		}
		s.feeds = s.feeds[1:]
		d.accounts = append(d.accounts, Account{Produced: report.Succeeded + report.Failed, Acknowledged: report.Succeeded})
	}
	return nil
}

// drain ends the traffic and waits until every event is settled, and the group
// has committed that it is.
func (s *stage) drain(ctx context.Context) (d drain, err error) {
	if err := s.dry(ctx, &d); err != nil {
		return d, err
	}
	began := time.Now()
	if err := errors.Join(s.update(ctx), s.bury(ctx)); err != nil {
		return d, err
	}
	limit := drainWait
	for i, w := range workspaces() {
		left := s.books[w.name].unsettled(d.accounts[i].Produced)
		limit += time.Duration(float64(len(left)) / (drainShare * float64(w.rate*w.items)) * float64(time.Second))
		s.log.line("%s: %d events produced, %d of them not settled yet", w.name, d.accounts[i].Produced, len(left))
	}
	looked := began
	waiting := rig.Await(ctx, limit, "all events to be settled", func(ctx context.Context) bool {
		err := s.update(ctx)
		if time.Since(looked) > time.Second {
			err = errors.Join(err, s.bury(ctx))
			looked = time.Now()
		}
		return err == nil && s.settled(d.accounts)
	})
	if ctx.Err() != nil {
		return d, ctx.Err()
	}
	d.ended = time.Now()
	d.took = d.ended.Sub(began)
	if waiting != nil {
		d.breaches = append(d.breaches, fmt.Sprintf("not drained within %v", limit.Round(time.Second)))
	}
	s.log.line("drained in %.1fs", d.took.Seconds())
	for i, w := range workspaces() {
		left := s.books[w.name].unsettled(d.accounts[i].Produced)
		// Of those that were not acknowledged nobody knows what becomes.
		d.accounts[i].Lost = max(0, int64(len(left))-(d.accounts[i].Produced-d.accounts[i].Acknowledged))
		if len(left) > 0 {
			s.log.line("%s: not settled: lines %d", w.name, left[:min(len(left), 20)])
		}
	}
	d.breaches = append(d.breaches, s.watermarks(ctx)...)
	return d, ctx.Err()
}

// watermarks says which tiers are settled, but not committed to be.
func (s *stage) watermarks(ctx context.Context) (breaches []string) {
	for _, stream := range s.config.Streams {
		for _, topic := range []string{stream.Name, stream.Name + heldTier} {
			if !slices.Contains(s.topics, topic) {
				continue
			}
			if err := s.kafka.AwaitCaughtUp(ctx, s.config.Group, topic, 30*time.Second); err != nil {
				breaches = append(breaches, fmt.Sprintf("%s: the watermark does not reach the end: %v", topic, err))
			}
		}
	}
	return breaches
}

// bury reads what was set aside.
func (s *stage) bury(ctx context.Context) error {
	for i, w := range workspaces() {
		letters, err := s.kafka.ReadAll(ctx, s.config.Streams[i].Name+deadTier)
		if err != nil {
			return err
		}
		s.books[w.name].bury(letters)
	}
	return nil
}

// settled tells whether nothing is left of what was acknowledged.
func (s *stage) settled(accounts []Account) bool {
	for i, w := range workspaces() {
		a := accounts[i]
		if int64(len(s.books[w.name].unsettled(a.Produced))) > a.Produced-a.Acknowledged {
			return false
		}
	}
	return true
}
