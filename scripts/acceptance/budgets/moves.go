package budgets

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// quietest is how long no workspace may stand still while members come and go
// in good order.
const quietest = 2 * time.Second

// rolling restarts every member in turn, two of them with an identity, while
// each of four workspaces flows.
func (s budgets) rolling(ctx context.Context, r *suite.Result) error {
	names := []string{"a", "b", "", ""}
	p := plan{partitions: 12, latency: 20 * time.Millisecond, lasts: 3 * time.Minute}
	for i := range names {
		p.workspaces = append(p.workspaces, workspace{fmt.Sprintf("w100-%d", i+1), 100})
	}
	st, err := s.stage(ctx, p)
	if err != nil {
		return err
	}
	if err := st.join(ctx, names...); err != nil {
		return err
	}
	for _, w := range st.workspaces {
		if err := st.flowing(ctx, w); err != nil {
			return err
		}
	}
	from := time.Now()
	for i, name := range names {
		if err := rig.Pause(ctx, s.seconds(2, 5)); err != nil {
			return err
		}
		if err := st.members[i].Stop(40 * time.Second); err != nil {
			return err
		}
		if err := st.join(ctx, name); err != nil {
			return err
		}
	}
	if err := rig.Pause(ctx, 3*time.Second); err != nil {
		return err
	}
	to := time.Now()
	if err := st.update(ctx); err != nil {
		return err
	}
	var longest time.Duration
	for _, w := range st.workspaces {
		longest = max(longest, st.accepted(w).Silence(from, to))
	}
	r.AtMost("longest silence", longest.Seconds(), st.gate(quietest.Seconds(), 3), " s")
	for _, w := range st.workspaces {
		if err := st.judge(ctx, r, w, 0); err != nil {
			return err
		}
	}
	return st.stop()
}

// twin starts a second process under the owner's identity, while the owner
// lives and reaches everything.
func (s budgets) twin(ctx context.Context, r *suite.Result) error {
	t, err := s.trouble(ctx, 40*time.Second, "only")
	if err != nil {
		return err
	}
	fault := time.Now()
	other, err := t.start("only")
	if err != nil {
		return err
	}
	if err := other.Ready(ctx); err != nil {
		return err
	}
	if err := t.back(ctx, r, t.w, fault, backAfterCrash); err != nil {
		return err
	}
	r.AtLeast("the twin waited for the first one's lease", t.accepted(t.w).Silence(fault, time.Now()).Seconds(), 2.5, " s")
	r.Note("owner", ownership(ctx, t))
	if err := t.judge(ctx, r, t.w, afterZombie(t.w.rate)); err != nil {
		return err
	}
	return t.stop()
}

// ownership tells which of the twins owns the workspace in the end.
func ownership(ctx context.Context, t *trouble) string {
	m, err := t.stage.owner(ctx, t.w)
	switch {
	case err != nil:
		return "nobody"
	case m == t.owner:
		return "the first"
	}
	return "the twin"
}

// coordinator kills the broker that the group lives on.
func (s budgets) coordinator(ctx context.Context, r *suite.Result) (err error) {
	t, err := s.trouble(ctx, 60*time.Second, "", "", "")
	if err != nil {
		return err
	}
	node, err := t.kafka.Coordinator(ctx, t.config.Group)
	if err != nil {
		return err
	}
	fault := time.Now()
	if err := t.kafka.Kill(ctx, node); err != nil {
		return err
	}
	// The checks after this one need it again, whatever comes of this one.
	defer func() { err = errors.Join(err, t.kafka.Start(context.WithoutCancel(ctx), node)) }()
	if err := t.back(ctx, r, t.w, fault, backAfterCoordinator); err != nil {
		return err
	}
	if err := t.judge(ctx, r, t.w, afterZombie(t.w.rate)); err != nil {
		return err
	}
	return t.stop()
}
