package outages

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// The outage check's budget, in requests a second and events a request. Half of
// what that takes is produced all the while.
const (
	awayRate  = 50
	awayItems = 10
)

// outage takes the destination away in every way in turn, for long enough that
// whatever is kept in memory or counted against an event shows.
func (s outages) outage(ctx context.Context, r *suite.Result) error {
	lasts, probe := s.seconds(25, 120), s.seconds(2, 10)
	st, err := s.stage(ctx, plan{
		rate: awayRate, items: awayItems, latency: "10ms",
		settings: map[string]string{"breaker": fmt.Sprintf("{failures: 5, probe_after: %v, successes: 3}", probe)},
	})
	if err != nil {
		return err
	}
	d, err := newDoor(st.sim.URL)
	if err != nil {
		return err
	}
	defer d.close()
	st.config.Workspaces[0].BaseURL = d.URL
	if err := st.start(ctx, 1); err != nil {
		return err
	}
	if err := st.traffic(awayRate*awayItems/2, rig.NewLines(1_000, 3)); err != nil {
		return err
	}
	if err := rig.Pause(ctx, 5*time.Second); err != nil {
		return err
	}
	w := &watch{member: st.members[0]}
	down := time.Now()
	for _, way := range st.ways(d) {
		if err := way.begin(ctx); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		if err := st.sit(ctx, w, lasts/4); err != nil {
			return err
		}
		if err := way.end(ctx); err != nil {
			return fmt.Errorf("end of %s: %w", way.name, err)
		}
	}
	up := time.Now()
	if err := st.update(ctx); err != nil {
		return err
	}
	accepted := st.accepted()
	r.AtMost("let through meanwhile", float64(len(accepted.Between(down.Add(time.Second), up))), 3*awayItems*4, " events")
	w.flat(r, st.gate(1.2, 1.4))
	r.Equal("events with tries spent", w.tried, 0)
	return st.drains(ctx, r, up, lasts)
}

// way is one way of being away.
type way struct {
	name       string
	begin, end func(ctx context.Context) error
}

// ways are all of them.
func (st *stage) ways(d *door) []way {
	set := func(key string, value any) func(context.Context) error {
		return func(ctx context.Context) error { return st.sim.Configure(ctx, map[string]any{key: value}) }
	}
	return []way{
		{"down", set("down", true), set("down", false)},
		{"hanging", set("hang", true), set("hang", false)},
		{"500", set("errors", "100%"), set("errors", 0)},
		{"refusing connections", func(context.Context) error { return d.shut() }, func(context.Context) error { return d.open() }},
	}
}

// watch is what is seen of a member while its destination is away.
type watch struct {
	member *rig.Member
	rss    []float64 // MiB, every two seconds
	live   []float64 // MiB of heap in use, at the same times
	tried  int64     // events whose tries were spent, at most
}

// sit watches the member for a while.
func (st *stage) sit(ctx context.Context, w *watch, long time.Duration) error {
	for end := time.Now().Add(long); time.Now().Before(end); {
		if err := rig.Pause(ctx, min(2*time.Second, time.Until(end))); err != nil {
			return err
		}
		if mib, ok := resident(w.member.Pid()); ok {
			w.rss = append(w.rss, mib)
		}
		live, err := w.member.Live(ctx)
		if err != nil {
			return fmt.Errorf("ask for the memory in use: %w", err)
		}
		w.live = append(w.live, live/(1<<20))
	}
	tried, err := st.tried(ctx)
	w.tried = max(w.tried, tried)
	return err
}

// flat holds the memory to what it was ten seconds into the outage: the first
// of them fill the window of what is in hand. What is in use is asked for after
// a collection, so resident memory has little in it that nobody needs.
func (w *watch) flat(r *suite.Result, times float64) {
	const settling = 5
	if len(w.live) <= settling {
		r.Note("memory", "too short to tell")
		return
	}
	r.Note("in use after 10 s", fmt.Sprintf("%.1f MiB", w.live[settling]))
	r.AtMost("at most then", slices.Max(w.live[settling:])/w.live[settling], times, " times that")
	if len(w.rss) == len(w.live) {
		r.Note("resident then", fmt.Sprintf("%.0f MiB", w.rss[settling]))
		r.AtMost("at most", slices.Max(w.rss[settling:])/w.rss[settling], times, " times that")
	}
}

// resident is a process's memory in MiB; false where /proc does not tell.
func resident(pid int) (float64, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			return kib / 1024, err == nil
		}
	}
	return 0, false
}

// tried is how many events the group's commits say have spent tries.
func (st *stage) tried(ctx context.Context) (int64, error) {
	var report struct {
		Shards []struct {
			Retries int64 `json:"retries"`
		} `json:"shards"`
	}
	if err := st.must(ctx, &report, "group", "describe"); err != nil {
		return 0, err
	}
	var n int64
	for _, shard := range report.Shards {
		n += shard.Retries
	}
	return n, nil
}

// accepted is when events were taken.
func (st *stage) accepted() rig.Times {
	var moments []int64
	for _, a := range st.seen {
		if a.Accepted() {
			moments = append(moments, a.Time)
		}
	}
	return rig.NewTimes(moments)
}

// drains judges how the backlog is worked off: what is produced goes on at half
// the budget, so that it lasts as long as the outage did.
func (st *stage) drains(ctx context.Context, r *suite.Result, up time.Time, away time.Duration) error {
	const span = 3 * time.Second
	if err := rig.Pause(ctx, time.Until(up.Add(away))); err != nil {
		return err
	}
	sends, err := st.sends()
	if err != nil {
		return err
	}
	after, back := sends.Back(up, time.Now(), 0.9*awayRate, span)
	if !back {
		r.Holds("at the full budget", false, "not within "+away.String(), "soon after its return")
	} else {
		from := up.Add(after)
		// Only while there surely is a backlog.
		to := from.Add(away / 2)
		r.AtMost("at the full budget after", after.Seconds(), st.gate(16, 20), " s")
		r.AtLeast("of it used then", sends.Rate(from, to)/awayRate, st.gate(0.9, 0.8), " R")
	}
	produced, err := st.quiet(ctx)
	if err != nil {
		return err
	}
	if err := st.arrived(ctx, produced, 2*time.Minute); err != nil {
		return err
	}
	if err := st.settled(ctx, r, produced, 0); err != nil {
		return err
	}
	return st.stop()
}
