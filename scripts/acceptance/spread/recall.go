package spread

import (
	"context"
	"fmt"
	"maps"
	"math"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// The recalls' case: events that wait for a time of their own or for that of a
// rule, of users who each have some of everything.
const (
	recallUsers = 40
	recallKinds = 4
	recallEach  = 3 // of each kind, for each user
	recallAhead = 40 * time.Second
	recallOver  = 20 * time.Second // the window, or how far apart the times are

	// recallWakes is when the first of them wake: what is recalled then is
	// dropped, and no withdrawal brings it back.
	recallWakes = 9 * time.Second
)

// recallKind is what an event is: sale and news are spread by rules of these
// names, reminders and notes have their own time and no rule.
func recallKind(i int) string {
	return [recallKinds]string{"reminder", "note", "sale", "news"}[i%recallKinds]
}

func recallUser(i int) string { return fmt.Sprintf("u%02d", i/recallKinds%recallUsers) }

// recalled tells which events are taken back for good: those of one user, those
// of one rule, and those that a rule deferred for another user.
func recalled(i int) bool {
	kind, user := recallKind(i), recallUser(i)
	return user == "u07" || kind == "sale" || user == "u11" && kind == "news"
}

// withdrawn tells which recalls of events were withdrawn.
func withdrawn(i int) bool { return recallKind(i) == "news" || recallUser(i) == "u23" }

// recall takes deferred events back from the command line, then kills who sends:
// none of them is sent, everything else is, in time.
func (s spread) recall(ctx context.Context, r *suite.Result) error {
	st, err := s.stage(ctx, 2, map[string]string{
		"budget": "{requests: 400/s, events: unlimited}",
		"rules":  fmt.Sprintf("[{name: sale, match: {event: sale}, spread: %v}, {name: news, match: {event: news}, spread: %v}]", recallOver, recallOver),
	})
	if err != nil {
		return err
	}
	if err := st.warm(ctx); err != nil {
		return err
	}
	const n = recallUsers * recallKinds * recallEach
	begin := time.Now()
	earliest, latest := map[int64]time.Time{}, map[int64]time.Time{}
	err = st.produce(ctx, n, func(i int) string {
		from := begin.Add(recallAhead)
		line := int64(i) + 1
		if kind := recallKind(i); kind == "sale" || kind == "news" {
			earliest[line], latest[line] = from, from.Add(recallOver)
		} else {
			from = from.Add(recallOver * time.Duration(i) / n)
			earliest[line], latest[line] = from, from
		}
		return fmt.Sprintf(`{"user":%q,"event":%q,"data":{},"deliver_at":%q}`, recallUser(i), recallKind(i), from.UTC().Format(time.RFC3339Nano))
	})
	if err != nil {
		return err
	}
	all, err := st.takeBack(ctx, r, n, begin.Add(recallWakes))
	if err != nil {
		return err
	}
	r.AtMost("recalled and withdrawn after", time.Since(begin).Seconds(), (recallAhead - 5*time.Second).Seconds(), " s")
	if err := st.killOwner(ctx, time.Until(begin.Add(recallAhead+recallOver/4))); err != nil {
		return err
	}
	killed := time.Now()
	want, may := map[int64]bool{}, map[int64]bool{}
	for i := range n {
		line := int64(i) + 1
		switch {
		case recalled(i):
		case all || !withdrawn(i):
			want[line] = true
		default:
			may[line] = true
		}
	}
	err = rig.Await(ctx, 90*time.Second, fmt.Sprintf("%d events to be delivered", len(want)), func(ctx context.Context) bool {
		return st.update(ctx) == nil && missing(st.lines(), want) == 0
	})
	if err != nil {
		return fmt.Errorf("%w; %d were not", err, missing(st.lines(), want))
	}
	// What is recalled would have come by now: the last of it was due long ago.
	if err := rig.Pause(ctx, time.Until(begin.Add(recallAhead+recallOver+5*time.Second))); err != nil {
		return err
	}
	if err := st.update(ctx); err != nil {
		return err
	}
	at := st.lines()
	unwanted := 0
	for line := range at {
		if !want[line] && !may[line] {
			unwanted++
		}
	}
	r.Equal("sent though recalled", int64(unwanted), 0)
	r.Equal("lost", missing(at, want), 0)
	punctual(r, at, earliest, latest, killed)
	left, err := st.deferred(ctx)
	if err != nil {
		return err
	}
	r.Equal("deferred in the end", int64(left.Events), 0)
	return st.stop()
}

// missing is how many of the lines that are wanted have not come.
func missing(at map[int64]time.Time, want map[int64]bool) (n int64) {
	for line := range want {
		if _, came := at[line]; !came {
			n++
		}
	}
	return n
}

// punctual holds events to their times, but for what was due while nobody had
// its shard.
func punctual(r *suite.Result, at, earliest, latest map[int64]time.Time, killed time.Time) {
	back := away(at, killed)
	early, late := 0, time.Duration(math.MinInt64)
	for line, when := range at {
		if when.Before(earliest[line]) {
			early++
		}
		if latest[line].Before(killed.Add(-accuracy)) || latest[line].After(back) {
			late = max(late, when.Sub(latest[line]))
		}
	}
	r.Equal("before their time", int64(early), 0)
	r.AtMost("latest", late.Seconds(), accuracy.Seconds(), " s")
	r.AtMost("without an owner for", back.Sub(killed).Seconds(), 20, " s")
}

// lines is when the event of each line of the recalls' input was accepted first.
func (st *stage) lines() map[int64]time.Time {
	at := map[int64]time.Time{}
	for kind := range recallKinds {
		maps.Copy(at, st.firsts(recallKind(kind)))
	}
	return at
}

// takeBack lists what is deferred; recalls a rule and all of a user, only to
// withdraw that; then recalls by rule, by user and by both for good. It tells
// whether it withdrew before any event woke.
func (st *stage) takeBack(ctx context.Context, r *suite.Result, n int, wakes time.Time) (all bool, err error) {
	var listed deferredList
	err = rig.Await(ctx, 20*time.Second, fmt.Sprintf("%d events to be deferred", n), func(ctx context.Context) bool {
		listed, err = st.deferred(ctx)
		return err == nil && listed.Events == n
	})
	if err != nil {
		return false, fmt.Errorf("%w; %d were", err, listed.Events)
	}
	r.Equal("deferred by the rule sale", int64(listed.of("sale")), int64(n/recallKinds))
	r.Equal("deferred by a header alone", int64(listed.of("default")), int64(n/2))
	for i, c := range []struct {
		name string
		args []string
		want int
	}{
		{"a rule, to withdraw that", []string{"--rule", "news"}, n / recallKinds},
		{"a user, to withdraw that", []string{"--user", "u23"}, recallKinds * recallEach},
		{"by rule", []string{"--rule", "sale"}, n / recallKinds},
		{"by user", []string{"--user", "u07"}, recallKinds * recallEach},
		{"by user and rule", []string{"--user", "u11", "--rule", "news"}, recallEach},
	} {
		id, events, err := st.cancel(ctx, c.args...)
		if err != nil {
			return false, err
		}
		r.Equal("recalled "+c.name, int64(events), int64(c.want))
		if i > 1 {
			continue
		}
		var gone struct{}
		if err := st.ask(ctx, &gone, "deferred", "withdraw", id); err != nil {
			return false, err
		}
		all = time.Now().Before(wakes)
	}
	if !all {
		r.Note("withdrawn", "too late to be sure of any event")
	}
	listed, err = st.deferred(ctx)
	r.Equal("recalls that hold", int64(len(listed.Recalls)), 3)
	return all, err
}

// deferredList is what `sluice deferred ls` says.
type deferredList struct {
	Events int `json:"events"`
	Rules  []struct {
		Rule   string `json:"rule"`
		Events int    `json:"events"`
	} `json:"rules"`
	Next []struct {
		Due  time.Time `json:"due"`
		User string    `json:"user"`
	} `json:"next"`
	Recalls []struct {
		ID string `json:"id"`
	} `json:"recalls"`
}

func (l deferredList) of(rule string) int {
	for _, one := range l.Rules {
		if one.Rule == rule {
			return one.Events
		}
	}
	return 0
}

func (st *stage) deferred(ctx context.Context) (list deferredList, err error) {
	err = st.ask(ctx, &list, "deferred", "ls", st.stream, "--next", "1000")
	return list, err
}

// cancel recalls events, and returns the recall's id and how many it found.
func (st *stage) cancel(ctx context.Context, which ...string) (id string, events int, err error) {
	var made struct {
		Events int `json:"events"`
		Recall struct {
			ID string `json:"id"`
		} `json:"recall"`
	}
	err = st.ask(ctx, &made, append([]string{"deferred", "cancel", st.stream, "--yes", "--why", "acceptance"}, which...)...)
	return made.Recall.ID, made.Events, err
}

// ask runs a command that answers in JSON.
func (st *stage) ask(ctx context.Context, answer any, args ...string) error {
	o, err := st.rig.Try(ctx, append(args, "-o", "json", "-c", st.file)...)
	if err != nil {
		return err
	}
	if o.Code != 0 {
		return fmt.Errorf("%s %s ended with code %d: %s", args[0], args[1], o.Code, o.Err)
	}
	return rig.LastObject(o.Out, answer)
}
