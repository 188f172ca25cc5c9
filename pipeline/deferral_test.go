package pipeline_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/partition"
	"sluice/pipeline"
	"sluice/pipeline/event"
	"sluice/pipeline/rules"
	"sluice/sink"
	"sluice/sink/budget"
)

// ruled gives a workspace these rules.
func ruled(t *testing.T, list ...rules.Rule) func(*pipeline.Workspace) {
	t.Helper()
	set, err := rules.New(rules.Config{Rules: list})
	if err != nil {
		t.Fatal(err)
	}
	return func(w *pipeline.Workspace) {
		brisk(w)
		w.Rules = set
		w.Budget = budget.Config{Requests: 100}
		w.InFlight = 16
	}
}

// when is when each event arrived at first.
func (d *destination) when() map[string]time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := map[string]time.Time{}
	for _, s := range d.sends {
		for _, e := range s.events {
			if _, known := at[e]; !known {
				at[e] = s.at
			}
		}
	}
	return at
}

// busiest is the most of those times within any second.
func busiest(at map[string]time.Time, of string) int {
	var times []time.Time
	for e, t := range at {
		if strings.HasPrefix(e, of) {
			times = append(times, t)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	most, from := 0, 0
	for i, t := range times {
		for t.Sub(times[from]) >= time.Second {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// TestSpread is the case that a limit of so many a minute answers with a burst.
func TestSpread(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		by   rules.By
		most int
	}{{rules.Even, 32}, {rules.Random, 55}} {
		t.Run(tc.by.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &destination{latency: 10 * time.Millisecond, items: 1}
				const count, over, about = 4500 / less, 3 * time.Minute / less, 3 * time.Second
				w := newWorld(t, map[string]*destination{"a": d}, ruled(t, rules.Rule{Name: "all", Spread: rules.Spread{Over: over, By: tc.by}, Match: rules.Match{Exists: []string{"n"}}}))
				begin := time.Now()
				w.produce("a", 0, count, count)
				w.delivers(count, d, over+20*time.Second)
				took := time.Since(begin)
				w.stop()
				if took < over-about || took > over+about {
					t.Errorf("it took %v, want %v", took, over)
				}
				if most := busiest(d.when(), "u"); most > tc.most {
					t.Errorf("%d in the busiest second, want at most %d", most, tc.most)
				}
				if n := len(d.delivered()); n != count {
					t.Errorf("%d delivered, want each of %d once", n, count)
				}
			})
		})
	}
}

// TestCampaignKeepsItsRate has a backlog of one campaign beside others.
func TestCampaignKeepsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: 10 * time.Millisecond, items: 1}
		w := newWorld(t, map[string]*destination{"a": d}, ruled(t, rules.Rule{
			Name: "campaign", Rate: 25, Match: rules.Match{Where: map[string][]string{"user": {"c*"}}},
		}))
		const backlog, seconds = 20_000 / less, 300 / less
		for i := range backlog {
			w.kafka.Produce(t, "a", parts, fmt.Sprint("c", i), fmt.Sprintf(`{"n":%d}`, i))
		}
		begin := time.Now()
		for i := range seconds { // half of what is left of the budget
			w.produce("a", i*35, 35, 1000)
			time.Sleep(time.Second)
		}
		w.stop()
		if b := w.pipeline.Balance(); !b.Holds() {
			t.Errorf("the balance does not add up: %+v", b)
		}
		at := d.when()
		campaign := 0
		late := time.Duration(0)
		for e, when := range at {
			if strings.HasPrefix(e, "c") {
				campaign++
				continue
			}
			var user, n int
			if _, err := fmt.Sscanf(e, "u%d:%d", &user, &n); err != nil {
				t.Fatal(err)
			}
			late = max(late, when.Sub(begin.Add(time.Duration(n/35)*time.Second)))
		}
		if most := busiest(at, "c"); most > 26 {
			t.Errorf("%d of the campaign in its busiest second, want at most 26", most)
		}
		if campaign < seconds*24 {
			t.Errorf("%d of the campaign in %d s, want at least %d", campaign, seconds, seconds*24)
		}
		if late > 2*time.Second {
			t.Errorf("one of the others came %v late", late)
		}
	})
}

// TestDeliverAt sends nothing before its time, and nothing much later, whatever
// happens to the member.
func TestDeliverAt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: 10 * time.Millisecond, items: 10}
		w := newWorld(t, map[string]*destination{"a": d}, ruled(t))
		rnd := rand.New(rand.NewPCG(1, 2))
		due := map[string]time.Time{}
		const count = 500
		var last time.Time
		for i := range count {
			at := time.Now().Add(5*time.Second + time.Duration(rnd.Int64N(int64(40*time.Minute))))
			due[w.defers(fmt.Sprint("u", i%50), i, at)] = at
			if at.After(last) {
				last = at
			}
		}
		for range 4 {
			time.Sleep(7 * time.Minute)
			w.stop()
			w.run(w.cfg)
		}
		w.delivers(count, d, time.Until(last)+5*time.Second)
		w.stop()
		for e, at := range d.when() {
			if at.Before(due[e]) {
				t.Errorf("%s came %v before its time", e, due[e].Sub(at))
			}
			if at.After(due[e].Add(time.Second)) {
				t.Errorf("%s came %v late", e, at.Sub(due[e]))
			}
		}
		if n := len(d.delivered()); n != count {
			t.Errorf("%d delivered, want each of %d once", n, count)
		}
	})
}

// TestManyThatSleepWaitInTheLog and not in memory, and are in time although all
// of them wake at once.
func TestManyThatSleepWaitInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: 10 * time.Millisecond, items: 10}
		w := newWorld(t, map[string]*destination{"a": d}, ruled(t))
		const count, over = 4000, 10 * time.Second
		var users []string // of one partition: it has them all
		for u := 0; len(users) < 500; u++ {
			if key := fmt.Sprint("u", u); partition.ShardOf([]byte(key), parts) == 0 {
				users = append(users, key)
			}
		}
		begin := time.Now()
		due := func(n int) time.Time { return begin.Add(30*time.Minute + over*time.Duration(n)/count) }
		for n := range count {
			w.defers(users[n%len(users)], n, due(n))
		}
		for range 3 {
			time.Sleep(9 * time.Minute)
			if hand := w.pipeline.Balance().InHand; hand == 0 || hand > count/3 {
				t.Errorf("%d in hand after %v, want no more than a poll brings of %d", hand, time.Since(begin), count)
			}
		}
		w.delivers(count, d, 4*time.Minute)
		w.stop()
		late := time.Duration(0)
		for e, at := range d.when() {
			var user, n int
			if _, err := fmt.Sscanf(e, "u%d:%d", &user, &n); err != nil {
				t.Fatal(err)
			}
			if at.Before(due(n)) {
				t.Errorf("%s came %v before its time", e, due(n).Sub(at))
			}
			late = max(late, at.Sub(due(n)))
		}
		if late > time.Second {
			t.Errorf("one came %v late", late)
		}
		if n := len(d.delivered()); n != count {
			t.Errorf("%d delivered, want each of %d once", n, count)
		}
	})
}

// defers appends event n of a user with a time of its own, and returns what the
// destination calls it.
func (w *world) defers(key string, n int, due time.Time) (name string) {
	w.t.Helper()
	w.kafka.Append(w.t, event.Record{
		Topic: "a", Partition: partition.ShardOf([]byte(key), parts), Key: []byte(key), Value: fmt.Appendf(nil, `{"n":%d}`, n),
		Headers: []event.Header{{Key: event.HeaderDeliverAt, Value: []byte(due.UTC().Format(time.RFC3339Nano))}}, Time: time.Now(),
	})
	return fmt.Sprintf("%s:%d", key, n)
}

// TestDeferredThatFailsIsDeferredAgain until it is a dead letter; its user's
// other events do not wait for it.
func TestDeferredThatFailsIsDeferredAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newFailing()
		d.answer = func(_ time.Time, events []string) sink.Result {
			if slices.Contains(events, "u1:99999") {
				return sink.Result{Verdict: sink.Unavailable, Status: 500, Reason: "no"}
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}
		}
		w := newWorld(t, map[string]*destination{"a": &d.destination}, ruled(t))
		key := "u1"
		w.kafka.Append(t, event.Record{
			Topic: "a", Partition: partition.ShardOf([]byte(key), parts), Key: []byte(key), Value: []byte(`{"n":99999}`),
			Headers: []event.Header{{Key: event.HeaderDeliverAt, Value: []byte(time.Now().Add(time.Minute).UTC().Format(time.RFC3339))}}, Time: time.Now(),
		})
		for i := range 600 { // a failure counts only when others get through
			w.produce("a", 10*i, 10, 10)
			time.Sleep(time.Second)
		}
		w.delivers(6000, &d.destination, time.Second)
		w.stop()
		inOrder(t, d.delivered())
		dead := w.kafka.Read(t, "a"+pipeline.DeadSuffix)
		if len(dead) != 1 {
			t.Fatalf("%d dead letters, want 1", len(dead))
		}
		letter, _, err := event.ParseDeath(dead[0])
		if err != nil || letter.Attempts != 13 {
			t.Errorf("%d attempts, want 3 and then 10: %v", letter.Attempts, err)
		}
	})
}

// TestQuietHours sends nothing in them, of what has waited for the budget too.
func TestQuietHours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: 10 * time.Millisecond, items: 1}
		now := time.Now().UTC()
		from, to := now.Add(2*time.Minute), now.Add(22*time.Minute)
		quiet := &rules.Quiet{From: from.Format("15:04"), To: to.Format("15:04")}
		w := newWorld(t, map[string]*destination{"a": d}, func(ws *pipeline.Workspace) {
			ruled(t, rules.Rule{Name: "sms", Quiet: quiet, Match: rules.Match{Exists: []string{"n"}}})(ws)
			ws.Budget = budget.Config{Requests: 5}
		})
		const count = 1500 // five minutes' worth
		w.produce("a", 0, count, count)
		w.delivers(count, d, 40*time.Minute)
		w.stop()
		for e, at := range d.when() {
			if !at.Before(from.Truncate(time.Minute)) && at.Before(to.Truncate(time.Minute)) {
				t.Fatalf("%s came at %v, between %v and %v", e, at, from, to)
			}
		}
		if n := len(d.delivered()); n != count {
			t.Errorf("%d delivered, want each of %d once", n, count)
		}
	})
}

var (
	deferralAhead  = flag.Duration("deferral.ahead", 24*time.Hour/less/less, "how far ahead TestDeliverAtForDays goes")
	deferralEvents = flag.Int("deferral.events", 1000/less/less, "events of TestDeliverAtForDays")
)

// seldom has a member and Kafka talk as seldom as they may when nothing happens:
// what days of virtual time cost is mostly that.
func seldom(c *partition.Config) {
	c.FetchWait, c.CommitEvery, c.Heartbeat = 10*time.Second, 10*time.Second, 10*time.Second
	c.SessionTimeout, c.Lease, c.RebalanceTimeout = 45*time.Second, 40*time.Second, time.Minute
}

// TestDeliverAtForDays has events due from five seconds to days ahead, in any
// order, over restarts.
func TestDeliverAtForDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: 10 * time.Millisecond, items: 10}
		w := newWorld(t, map[string]*destination{"a": d}, ruled(t), seldom)
		rnd := rand.New(rand.NewPCG(3, 4))
		due := map[string]time.Time{}
		const least = 5 * time.Second
		most := *deferralAhead
		begin := time.Now()
		for i := range *deferralEvents {
			at := begin.Add(least + time.Duration(rnd.Int64N(int64(most-least))))
			due[w.defers(fmt.Sprint("u", i%200), i, at)] = at
		}
		for range 5 {
			time.Sleep(most / 6)
			w.stop()
			w.run(w.cfg)
		}
		time.Sleep(time.Until(begin.Add(most))) // what is looked at all the time is paid for all the time
		w.delivers(*deferralEvents, d, 5*time.Second)
		w.stop()
		early, late := 0, time.Duration(0)
		at := d.when()
		for e, when := range at {
			if when.Before(due[e]) {
				early++
			}
			late = max(late, when.Sub(due[e]))
		}
		lost, twice := *deferralEvents-len(at), len(d.delivered())-len(at)
		t.Logf("deferral: hours=%.1f events=%d early=%d late_seconds=%.3f lost=%d twice=%d", most.Hours(), *deferralEvents, early, late.Seconds(), lost, twice)
		if early > 0 || late > time.Second || lost > 0 || twice > 0 {
			t.Errorf("%d before their time, the latest %v late, %d lost, %d twice", early, late, lost, twice)
		}
	})
}
