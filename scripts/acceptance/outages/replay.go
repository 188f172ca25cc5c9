package outages

import (
	"context"
	"fmt"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// window is the time in which a check's events were produced, in whole seconds,
// as commands take it.
type window struct{ from, to time.Time }

// flags say it to a command.
func (w window) flags() []string {
	return []string{"--since", w.from.UTC().Format(time.RFC3339), "--until", w.to.UTC().Format(time.RFC3339)}
}

// during is the window of what fn produces: nothing else lies in its seconds.
func during(ctx context.Context, fn func() error) (w window, err error) {
	w.from = time.Now().Truncate(time.Second).Add(time.Second)
	if err := rig.Pause(ctx, time.Until(w.from)); err != nil {
		return w, err
	}
	if err := fn(); err != nil {
		return w, err
	}
	w.to = time.Now().Truncate(time.Second).Add(time.Second)
	return w, rig.Pause(ctx, time.Until(w.to))
}

// replayed is what replay status tells of a job.
type replayed struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Reason   string `json:"reason"`
	Waiting  string `json:"waiting"`
	Selected int64  `json:"selected"`
	Copied   int64  `json:"copied"`
	Settled  int64  `json:"settled"`
	Left     int64  `json:"left"`
}

// replay starts one of a window.
func (st *stage) replay(ctx context.Context, w window) (id string, err error) {
	var started struct {
		Job replayed `json:"job"`
	}
	args := append([]string{"replay", "start", st.stream, "--yes", "--by", "acceptance"}, w.flags()...)
	err = st.must(ctx, &started, args...)
	return started.Job.ID, err
}

// status asks how far a replay is. A job that has failed is told by its state.
func (st *stage) status(ctx context.Context, id string) (replayed, error) {
	var s replayed
	o, err := st.say(ctx, "replay", "status", id, "-o", "json")
	if err != nil {
		return s, err
	}
	if err := rig.LastObject(o.Out, &s); err != nil {
		return s, fmt.Errorf("%w: %s", err, o.Err)
	}
	return s, nil
}

// finished waits for the end of a replay and holds it to being done.
func (st *stage) finished(ctx context.Context, r *suite.Result, id string, limit time.Duration) error {
	var s replayed
	err := rig.Await(ctx, limit, "replay "+id+" to be done", func(ctx context.Context) bool {
		now, err := st.status(ctx, id)
		if err == nil {
			s = now
		}
		return s.State == "done" || s.State == "failed" || s.State == "cancelled"
	})
	r.Holds("the job", s.State == "done", fmt.Sprintf("%s, %d of %d copied, %d left %s%s", s.State, s.Copied, s.Selected, s.Left, s.Waiting, s.Reason), "done")
	r.AtLeast("events of it delivered", float64(s.Settled), float64(max(1, s.Copied)), "")
	return err
}

// The checks of replays: a request for each event, so that half the budget is a
// number of events.
const replayRate = 100

// replayStage starts members on a stage for a replay.
func (s outages) replayStage(ctx context.Context, rate, members int) (*stage, error) {
	st, err := s.stage(ctx, plan{rate: rate, items: 1, latency: "20ms"})
	if err != nil {
		return nil, err
	}
	return st, st.start(ctx, members)
}

// replayWiped gives a destination that forgot everything its window again,
// while live traffic at half the budget goes on.
func (s outages) replayWiped(ctx context.Context, r *suite.Result) error {
	st, err := s.replayStage(ctx, replayRate, 2)
	if err != nil {
		return err
	}
	h := newHistory(s.pick(150, 800))
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
	if err := st.traffic(replayRate/2, rig.NewLines(500, 21)); err != nil {
		return err
	}
	if err := st.arrived(ctx, 2*replayRate, 30*time.Second); err != nil {
		return err
	}
	before := time.Now()
	if err := rig.Pause(ctx, s.seconds(10, 60)); err != nil {
		return err
	}
	from := time.Now()
	id, err := st.replay(ctx, w)
	if err != nil {
		return err
	}
	unfinished := st.finished(ctx, r, id, s.limit(3, 8))
	to := time.Now()
	produced, err := st.quiet(ctx)
	if err != nil {
		return err
	}
	if err := st.arrived(ctx, produced, time.Minute); err != nil {
		return err
	}
	now, err := st.look(ctx, h.people)
	if err != nil {
		return err
	}
	same(r, "the wiped state again", now, undisturbed)
	if err := st.unharmed(ctx, r, before, from, to); err != nil {
		return err
	}
	if err := st.settled(ctx, r, produced, 0); err != nil {
		return err
	}
	if unfinished != nil {
		return unfinished
	}
	return st.stop()
}

// unharmed holds the live traffic's p99 to what it was before a replay, and the
// time of one request of it that it may stand behind.
func (st *stage) unharmed(ctx context.Context, r *suite.Result, before, from, to time.Time) error {
	times, err := st.produced(ctx)
	if err != nil {
		return err
	}
	all := func(rig.Arrival) bool { return true }
	had, has := st.delays(times, before, from, all), st.delays(times, from, to, all)
	r.AtLeast("live events before", float64(len(had)), 100, "")
	r.AtLeast("and meanwhile", float64(len(has)), 100, "")
	r.Note("before", had.String())
	r.Note("meanwhile", has.String())
	one := 20*time.Millisecond + time.Second/time.Duration(st.rate)
	bar := had.quantile(0.99) + one
	r.AtMost("live p99", 1000*has.quantile(0.99).Seconds(), 1000*st.gate(bar.Seconds(), (bar+150*time.Millisecond).Seconds()), " ms")
	return nil
}
