package spread

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// accuracy is how late an event with a time of its own may arrive.
const accuracy = time.Second

// deliverAt has events due within a minute, and kills who sends half-way. What
// was due while nobody had its shard comes as soon as somebody has.
func (s spread) deliverAt(ctx context.Context, r *suite.Result) error {
	st, err := s.stage(ctx, 2, map[string]string{"budget": "{requests: 400/s, events: unlimited}"})
	if err != nil {
		return err
	}
	const least, most = 5 * time.Second, 60 * time.Second
	n := s.pick(1_000, 4_000)
	begin, rnd := time.Now(), rand.New(rand.NewPCG(5, 60))
	due := map[int64]time.Time{}
	err = st.produce(ctx, n, func(i int) string {
		at := begin.Add(least + time.Duration(rnd.Int64N(int64(most-least))))
		due[int64(i)+1] = at
		return fmt.Sprintf(`{"user":"u%04d","event":"reminder","data":{},"deliver_at":%q}`, rnd.IntN(500), at.UTC().Format(time.RFC3339Nano))
	})
	if err != nil {
		return err
	}
	const kill = 30 * time.Second
	if err := st.killOwner(ctx, time.Until(begin.Add(kill))); err != nil {
		return err
	}
	killed := time.Now()
	if err := st.arrived(ctx, "reminder", n, time.Until(begin.Add(most+time.Minute))); err != nil {
		return err
	}
	at := st.firsts("reminder")
	back := away(at, killed)
	early, late, lateAfter := 0, time.Duration(math.MinInt64), time.Duration(math.MinInt64)
	for line, when := range at {
		switch {
		case when.Before(due[line]):
			early++
		case due[line].After(killed.Add(-accuracy)) && due[line].Before(back):
			lateAfter = max(lateAfter, when.Sub(back))
		default:
			late = max(late, when.Sub(due[line]))
		}
	}
	r.Equal("before their time", int64(early), 0)
	r.AtMost("latest", late.Seconds(), accuracy.Seconds(), " s")
	r.AtMost("without an owner for", back.Sub(killed).Seconds(), 20, " s")
	r.AtMost("what was due meanwhile, after that", lateAfter.Seconds(), 3*accuracy.Seconds(), " s")
	st.once(r, "reminder", n)
	return st.stop()
}

// away is when the longest silence after a kill ended.
func away(at map[int64]time.Time, killed time.Time) time.Time {
	var after []time.Time
	for _, when := range at {
		if when.After(killed) {
			after = append(after, when)
		}
	}
	slices.SortFunc(after, time.Time.Compare)
	last, longest, back := killed, time.Duration(0), killed
	for _, when := range after {
		if d := when.Sub(last); d > longest {
			longest, back = d, when
		}
		last = when
	}
	return back
}

// virtual plays a day and a half in virtual time, or ten days, on the shipped
// pipeline.
func (s spread) virtual(ctx context.Context, r *suite.Result) error {
	hours, events := s.pick(36, 240), s.pick(2_000, 10_000)
	return s.figures(ctx, r, "deferral", []string{
		"-count=1", "-v", "-timeout=10m", "-run=^TestDeliverAtForDays$", "./pipeline",
		fmt.Sprintf("-deferral.ahead=%dh", hours), fmt.Sprintf("-deferral.events=%d", events),
	}, []figure{
		{"hours", float64(hours), math.Inf(1)},
		{"events", float64(events), math.Inf(1)},
		{"early", 0, 0},
		{"late_seconds", 0, accuracy.Seconds()},
		{"lost", 0, 0},
		{"twice", 0, 0},
	})
}

// zones runs what judges local times against an oracle that looks at every
// minute.
func (s spread) zones(ctx context.Context, r *suite.Result) error {
	tests, err := s.rig.GoTest(ctx, "-count=1", "-v", "-timeout=9m", "-run=Zone|Clock|Oracle|Quiet|At|Past|Moving", "./pipeline/rules")
	r.AtLeast("tests passed", float64(len(rig.Leaves(tests.Passed))), 20, "")
	r.Equal("failed", int64(len(tests.Failed)), 0)
	return err
}

// figure is one that a test tells, and between what it must be.
type figure struct {
	name      string
	low, high float64
}

// figures runs a test and holds what it tells, as "prefix: name=value …", to
// bars of our own.
func (s spread) figures(ctx context.Context, r *suite.Result, prefix string, args []string, want []figure) error {
	tests, err := s.rig.GoTest(ctx, args...)
	r.Equal("tests passed", int64(len(rig.Leaves(tests.Passed))), 1)
	line := regexp.MustCompile(prefix + `: (.*)`).FindStringSubmatch(tests.Output)
	told := map[string]float64{}
	if line != nil {
		for _, m := range regexp.MustCompile(`(\w+)=([-+.\w]+)`).FindAllStringSubmatch(line[1], -1) {
			value, bad := strconv.ParseFloat(m[2], 64)
			if bad != nil {
				return fmt.Errorf("read %s: %w", m[1], bad)
			}
			told[m[1]] = value
		}
	}
	for _, f := range want {
		value, known := told[f.name]
		switch {
		case !known:
			r.Holds(f.name, false, "not told", "a figure")
		case math.IsInf(f.high, 1):
			r.AtLeast(f.name, value, f.low, "")
		default:
			r.AtMost(f.name, value, f.high, "")
		}
	}
	return err
}
