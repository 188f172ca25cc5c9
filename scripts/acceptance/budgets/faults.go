package budgets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// The bounds on being back: the session and a join and the lease after an owner
// that ends without a word, and a broker's own fail-over besides when it was the
// coordinator.
const (
	backAfterCrash       = 12 * time.Second
	backAfterCoordinator = 25 * time.Second
	firstOfStatic        = 5 * time.Second
)

// trouble is a stage with one workspace of 100/s that flows, and who owns it.
type trouble struct {
	*stage
	w     workspace
	owner *rig.Member
}

// trouble starts members under these instance names and lets them run for a
// while. Its backlog lasts that long.
func (s budgets) trouble(ctx context.Context, lasts time.Duration, instances ...string) (*trouble, error) {
	t := &trouble{w: workspace{"w100", 100}}
	var err error
	t.stage, err = s.stage(ctx, plan{
		workspaces: []workspace{t.w}, partitions: 12, latency: 20 * time.Millisecond, lasts: lasts + 45*time.Second,
	})
	if err != nil {
		return nil, err
	}
	if err := t.join(ctx, instances...); err != nil {
		return nil, err
	}
	return t, t.calm(ctx)
}

// calm waits until the workspace flows, finds its owner and lets it run on.
func (t *trouble) calm(ctx context.Context) (err error) {
	if err := t.flowing(ctx, t.w); err != nil {
		return err
	}
	if t.owner, err = t.stage.owner(ctx, t.w); err != nil {
		return err
	}
	return rig.Pause(ctx, 3*time.Second)
}

// kill kills the owner and leaves it dead.
func (s budgets) kill(ctx context.Context, r *suite.Result) error {
	t, err := s.trouble(ctx, 30*time.Second, "", "", "")
	if err != nil {
		return err
	}
	fault := time.Now()
	t.owner.Kill()
	if err := t.back(ctx, r, t.w, fault, backAfterCrash); err != nil {
		return err
	}
	if err := t.judge(ctx, r, t.w, t.gate(afterCrash(t.w.rate), afterZombie(t.w.rate))); err != nil {
		return err
	}
	return t.stop()
}

// killStatic kills the owner and starts it again under its own name at once.
func (s budgets) killStatic(ctx context.Context, r *suite.Result) error {
	names := []string{"a", "b", "c"}
	t, err := s.trouble(ctx, 30*time.Second, names...)
	if err != nil {
		return err
	}
	fault, own := time.Now(), ""
	for i, m := range t.members {
		if m == t.owner {
			own = names[i]
		}
	}
	t.owner.Kill()
	began := time.Now()
	again, err := t.start(own)
	if err != nil {
		return err
	}
	if err := t.back(ctx, r, t.w, fault, backAfterCrash); err != nil {
		return err
	}
	first, err := firstDelivery(again)
	if err != nil {
		r.Holds("its first delivery", false, err.Error(), "<= "+firstOfStatic.String())
	} else {
		r.AtMost("its first delivery after", first.Sub(began).Seconds(), t.gate(firstOfStatic.Seconds(), 7), " s")
	}
	if err := t.judge(ctx, r, t.w, t.gate(afterCrash(t.w.rate), afterZombie(t.w.rate))); err != nil {
		return err
	}
	return t.stop()
}

// firstDelivery is when a member's first delivered attempt was over.
func firstDelivery(m *rig.Member) (first time.Time, err error) {
	attempts, err := m.Attempts()
	if err != nil {
		return first, err
	}
	for _, a := range attempts {
		if end := a.Sent.Add(a.Took); a.Verdict == "delivered" && (first.IsZero() || end.Before(first)) {
			first = end
		}
	}
	if first.IsZero() {
		return first, fmt.Errorf("%s delivered nothing", m.Name)
	}
	return first, nil
}

// freeze stops the owner where it is for longer than anybody waits for it.
func (s budgets) freeze(ctx context.Context, r *suite.Result) error {
	t, err := s.trouble(ctx, 60*time.Second, "", "", "")
	if err != nil {
		return err
	}
	fault := time.Now()
	if err := t.owner.Freeze(); err != nil {
		return err
	}
	if err := t.back(ctx, r, t.w, fault, backAfterCrash); err != nil {
		return errors.Join(err, t.owner.Thaw())
	}
	if err := rig.Pause(ctx, 25*time.Second-time.Since(fault)); err != nil {
		return errors.Join(err, t.owner.Thaw())
	}
	thawed := time.Now()
	if err := t.owner.Thaw(); err != nil {
		return err
	}
	if err := t.joined(ctx); err != nil { // it finds its way into the group again
		return err
	}
	if err := rig.Pause(ctx, 8*time.Second-time.Since(thawed)); err != nil {
		return err
	}
	if err := t.judge(ctx, r, t.w, t.gate(afterCrash(t.w.rate), afterZombie(t.w.rate))); err != nil {
		return err
	}
	return t.stop()
}

// cut takes Kafka from the owner, which still reaches the destination.
func (s budgets) cut(ctx context.Context, r *suite.Result) error {
	kafka, err := s.rig.RelayedKafka(ctx)
	if err != nil {
		return err
	}
	relay, err := s.rig.Relay(kafka)
	if err != nil {
		return err
	}
	defer relay.Heal()
	t := &trouble{w: workspace{"w100", 100}}
	t.stage, err = s.stage(ctx, plan{workspaces: []workspace{t.w}, partitions: 12, latency: 20 * time.Millisecond, lasts: 120 * time.Second})
	if err != nil {
		return err
	}
	direct := t.config.Brokers
	t.config.Brokers = kafka.Relayed()
	if err := t.join(ctx, ""); err != nil { // alone, it is the owner
		return err
	}
	t.config.Brokers = direct
	if err := t.join(ctx, "", ""); err != nil {
		return err
	}
	if err := t.calm(ctx); err != nil {
		return err
	}
	if t.owner != t.members[0] {
		return errors.New("the workspace moved to a member that joined later: there is nobody to cut")
	}
	fault := time.Now()
	relay.Cut()
	if err := t.back(ctx, r, t.w, fault, backAfterCrash); err != nil {
		return err
	}
	if err := rig.Pause(ctx, 40*time.Second-time.Since(fault)); err != nil {
		return err
	}
	relay.Heal()
	if err := t.joined(ctx); err != nil {
		return err
	}
	if err := rig.Pause(ctx, 5*time.Second); err != nil {
		return err
	}
	if err := t.judge(ctx, r, t.w, afterZombie(t.w.rate)); err != nil {
		return err
	}
	return t.stop()
}
