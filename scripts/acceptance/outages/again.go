package outages

import (
	"context"
	"fmt"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// replayAgain replays a window of which everything was delivered.
func (s outages) replayAgain(ctx context.Context, r *suite.Result) error {
	st, err := s.replayStage(ctx, 2*replayRate, 2)
	if err != nil {
		return err
	}
	var produced int64
	h := newHistory(50)
	w, err := during(ctx, func() error {
		if err := st.play(ctx, h); err != nil {
			return err
		}
		if err := st.traffic(replayRate, rig.NewLines(200, 23)); err != nil {
			return err
		}
		if err := rig.Pause(ctx, s.seconds(8, 60)); err != nil {
			return err
		}
		if produced, err = st.quiet(ctx); err != nil {
			return err
		}
		return st.kafka.AwaitCaughtUp(ctx, st.config.Group, st.stream, time.Minute)
	})
	if err != nil {
		return err
	}
	before, err := st.look(ctx, h.people)
	if err != nil {
		return err
	}
	if err := st.update(ctx); err != nil {
		return err
	}
	first := len(st.seen)
	id, err := st.replay(ctx, w)
	if err != nil {
		return err
	}
	if err := st.finished(ctx, r, id, s.limit(3, 8)); err != nil {
		return err
	}
	after, err := st.look(ctx, h.people)
	if err != nil {
		return err
	}
	same(r, "people", after, before)
	if err := st.settled(ctx, r, produced, 0); err != nil {
		return err
	}
	again := rig.NewTally() // of the second time alone
	again.Add(st.seen[first:])
	r.AtLeast("sent again", float64(again.Unique), 0.99*float64(produced), "")
	r.Equal("order breaks of the second time", again.OrderBreaks, 0)
	return st.stop()
}

// replayDeleted replays a window after which people were deleted, suppressed
// and merged.
func (s outages) replayDeleted(ctx context.Context, r *suite.Result) error {
	st, err := s.replayStage(ctx, 2*replayRate, 1)
	if err != nil {
		return err
	}
	h := newHistory(s.pick(100, 500))
	w, err := during(ctx, func() error { return st.play(ctx, history{acts: h.acts[:1]}) })
	if err != nil {
		return err
	}
	if err := st.play(ctx, history{acts: h.acts[1:]}); err != nil {
		return err
	}
	before, err := st.look(ctx, h.people)
	if err != nil {
		return err
	}
	if err := st.update(ctx); err != nil {
		return err
	}
	first := len(st.seen)
	id, err := st.replay(ctx, w)
	if err != nil {
		return err
	}
	if err := st.finished(ctx, r, id, s.limit(3, 8)); err != nil {
		return err
	}
	if err := st.update(ctx); err != nil {
		return err
	}
	after, err := st.look(ctx, h.people)
	if err != nil {
		return err
	}
	same(r, "people", after, before)
	asked := map[string]int64{}
	for _, a := range st.seen[first:] {
		asked[a.User]++
	}
	for _, gone := range []struct {
		fate int
		name string
	}{{fateDeleted, "deleted"}, {fateBack, "deleted and back"}, {fateSuppressed, "suppressed"}, {fateMerged, "merged"}} {
		var n int64
		for _, p := range h.with(gone.fate) {
			n += asked[p]
			if gone.fate != fateBack && before[p] != "" {
				return fmt.Errorf("%s is there before the replay, and should be %s", p, gone.name)
			}
		}
		r.Equal("sent of the "+gone.name, n, 0)
	}
	var kept int64
	for _, p := range h.with(fateMerger) {
		kept += asked[p]
	}
	r.AtLeast("sent of those who were merged into", float64(kept), float64(len(h.with(fateMerger))), "")
	r.AtLeast("sent in all", float64(len(st.seen)-first), float64(len(h.people)), "")
	if err := st.budget(r); err != nil {
		return err
	}
	return st.stop()
}

// replayKilled kills every member three times while they replay a window to a
// destination that was wiped.
func (s outages) replayKilled(ctx context.Context, r *suite.Result) error {
	const rate, kills = 40, 3
	st, err := s.replayStage(ctx, rate, 2)
	if err != nil {
		return err
	}
	h := newHistory(s.pick(250, 600))
	w, err := during(ctx, func() error { return st.play(ctx, h) })
	if err != nil {
		return err
	}
	undisturbed, err := st.look(ctx, h.people)
	if err != nil {
		return err
	}
	if err := st.wipe(ctx); err != nil {
		return err
	}
	id, err := st.replay(ctx, w)
	if err != nil {
		return err
	}
	killed := 0
	for range kills {
		if err := st.getsOn(ctx, int64(rate*2)); err != nil {
			return err
		}
		s, err := st.status(ctx, id)
		if err != nil {
			return err
		}
		if s.State == "running" {
			killed++
		}
		for _, m := range st.running() {
			m.Kill()
		}
		if s, err = st.status(ctx, id); err != nil || s.ID != id {
			return fmt.Errorf("with no member running, replay status tells %q: %w", s.ID, err)
		}
		if err := st.start(ctx, 2); err != nil {
			return err
		}
	}
	r.Equal("kills while it ran", int64(killed), kills)
	unfinished := st.finished(ctx, r, id, s.limit(4, 8))
	now, err := st.look(ctx, h.people)
	if err != nil {
		return err
	}
	same(r, "the wiped state again", now, undisturbed)
	if err := st.budget(r); err != nil {
		return err
	}
	if unfinished != nil {
		return unfinished
	}
	return st.stop()
}

// getsOn waits until so many more events were accepted.
func (st *stage) getsOn(ctx context.Context, more int64) error {
	if err := st.update(ctx); err != nil {
		return err
	}
	had := int64(len(st.seen))
	return rig.Await(ctx, time.Minute, fmt.Sprintf("%d more events of the replay", more), func(ctx context.Context) bool {
		return st.update(ctx) == nil && int64(len(st.seen)) >= had+more
	})
}
