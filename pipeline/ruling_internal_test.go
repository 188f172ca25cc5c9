package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/rules"
	"sluice/sink"
	"sluice/sink/budget"
)

// endpoint is a destination for webhooks that notes when it was asked what, and
// answers as it is told to.
type endpoint struct {
	answer func(user string, try int) (sink.Result, time.Duration)

	mu    sync.Mutex
	asked map[string][]time.Time // guarded by mu; by user
}

func (*endpoint) Prepare(e *event.Event) { e.PrepareBytes() }

func (*endpoint) Limits() sink.Limits { return sink.Limits{Items: 1, Bytes: 1 << 20} }

func (*endpoint) Close() {}

func (p *endpoint) Deliver(_ context.Context, batch []*event.Event) sink.Result {
	user := string(batch[0].Key)
	p.mu.Lock()
	p.asked[user] = append(p.asked[user], time.Now())
	try := len(p.asked[user])
	p.mu.Unlock()
	r, took := sink.Result{Verdict: sink.Delivered, Status: 200}, 10*time.Millisecond
	if p.answer != nil {
		r, took = p.answer(user, try)
	}
	time.Sleep(took) // in a bubble
	return r
}

// tries are when each user's event was asked for until now.
func (p *endpoint) tries() map[string][]time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string][]time.Time{}
	for user, times := range p.asked {
		all[user] = slices.Clone(times)
	}
	return all
}

// ruledWorkspace is one with rules at work over lanes in memory.
type ruledWorkspace struct {
	*workspace
	cfg      Workspace
	local    *partition.Local
	to       *endpoint
	registry *prometheus.Registry
}

func newRuled(t *testing.T, to *endpoint, change func(*Workspace), list ...rules.Rule) *ruledWorkspace {
	t.Helper()
	to.asked = map[string][]time.Time{}
	w := &ruledWorkspace{to: to, registry: prometheus.NewRegistry()}
	var err error
	w.local, err = partition.NewLocal(partition.LocalConfig{
		Workspace: "a", From: 1, MaxRecords: 5000, MaxBytes: 1 << 24, Prepare: func(_ string, e *event.Event) {
			to.Prepare(e)
			w.rule(w.now.Load(), e, place{defers: true}, time.Now())
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.cfg = Workspace{
		Name: "a", Sink: to, InFlight: 16, BatchItems: 1, Breaker: sink.BreakerConfig{Failures: 5, ProbeAfter: time.Second, Successes: 3},
		Retry: sink.DefaultRetryConfig(), Rules: setOf(t, list...), Budget: budget.Config{Requests: 100},
	}
	if change != nil {
		change(&w.cfg)
	}
	w.workspace = newWorkspace(w.cfg, workspaceParts{lanes: w.local, appender: undertaker(nil), log: zap.NewNop(), metrics: newMetrics(w.registry)})
	w.pacer.SetShare(1, 1)
	intake, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.dispatch(intake, t.Context()) }()
	t.Cleanup(func() {
		cancel()
		<-done
		w.attempts.Wait()
		w.local.Close()
	})
	return w
}

func setOf(t *testing.T, list ...rules.Rule) *rules.Set {
	t.Helper()
	set, err := rules.New(rules.Config{Rules: list})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (w *ruledWorkspace) add(t *testing.T, user, body string, headers ...event.Header) {
	t.Helper()
	if err := w.local.Add(t.Context(), event.Record{Key: []byte(user), Value: []byte(body), Headers: headers, Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
}

// series reads what the registry has of a name: values by their labels, the
// workspace left out.
func (w *ruledWorkspace) series(t *testing.T, name string) map[string]float64 {
	t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				if l.GetName() != "workspace" {
					labels = append(labels, l.GetValue())
				}
			}
			if f.GetName() == name {
				all[strings.Join(labels, " ")] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return all
}

// most is how many of some instants fall into any span of that length.
func most(times []time.Time, span time.Duration) int {
	slices.SortFunc(times, time.Time.Compare)
	best, from := 0, 0
	for i, at := range times {
		for at.Sub(times[from]) >= span {
			from++
		}
		best = max(best, i-from+1)
	}
	return best
}

// A backend was away for twenty seconds of a window of sixty. What was due
// meanwhile used to leave at the full budget when it was back: the breaker's
// probes had made the silence look as short as the time between two of them.
func TestOutageInAWindowEndsInNoBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const count, window = 600, time.Minute // ten a second
		begin := time.Now()
		down, up := begin.Add(10*time.Second), begin.Add(30*time.Second)
		to := &endpoint{answer: func(string, int) (sink.Result, time.Duration) {
			if now := time.Now(); now.After(down) && now.Before(up) {
				return sink.Result{Verdict: sink.Unavailable, Status: 503}, 10 * time.Millisecond
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}, 10 * time.Millisecond
		}}
		w := newRuled(t, to, nil, rules.Rule{Name: "all", Match: rules.Match{Exists: []string{"n"}}, Spread: rules.Spread{Over: window}})
		for i := range count {
			w.add(t, fmt.Sprint("u", i), `{"n":1}`)
		}
		time.Sleep(window + 5*time.Second)
		if b := balanceOf(w.local.Tallies()); b.Delivered != count {
			t.Errorf("want %d delivered, have %+v", count, b)
		}
		var after []time.Time
		for _, tries := range to.tries() {
			if last := tries[len(tries)-1]; last.After(up) {
				after = append(after, last)
			}
		}
		// 200 that missed their time and 300 that did not, in 30 s.
		if have := most(after, time.Second); have > 26 || len(after) < 450 {
			t.Errorf("of %d events that came after the outage %d came within a second, want 17 and at most half as many more", len(after), have)
		}
	})
}

// What failed together must not return together, whether the destination says
// when or not.
func TestRetriesHaveNoCluster(t *testing.T) {
	t.Parallel()
	for name, asked := range map[string]time.Duration{"by its own back-off": 0, "as the destination asks": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const failing = 400
				to := &endpoint{answer: func(user string, try int) (sink.Result, time.Duration) {
					if try == 1 && user[0] == 'f' {
						return sink.Result{Verdict: sink.Unavailable, Status: 503, RetryAfter: asked}, 20 * time.Millisecond
					}
					return sink.Result{Verdict: sink.Delivered, Status: 200}, 10 * time.Millisecond // the others get through
				}}
				w := newRuled(t, to, func(cfg *Workspace) {
					cfg.Budget, cfg.InFlight, cfg.Breaker.Failures = budget.Config{}, 1000, 1<<30
				})
				for i := range failing {
					w.add(t, fmt.Sprint("f", i), `{}`)
					w.add(t, fmt.Sprint("ok", i), `{}`)
				}
				time.Sleep(time.Minute)
				var again, waits []time.Time
				for user, tries := range to.tries() {
					if user[0] == 'f' && len(tries) == 2 {
						again = append(again, tries[1])
						waits = append(waits, time.Time{}.Add(tries[1].Sub(tries[0])))
					}
				}
				if len(again) != failing {
					t.Fatalf("want %d retries, have %d", failing, len(again))
				}
				span := max(time.Second, asked/5) // of the jitter
				if have := most(again, span/20); have > 45 {
					t.Errorf("%d of %d retries came within a twentieth of their span of %v, want about 20", have, failing, span)
				}
				least := slices.MinFunc(waits, time.Time.Compare).Sub(time.Time{})
				if least < asked {
					t.Errorf("one came back after %v, want %v at least", least, asked)
				}
			})
		})
	}
}

func TestClassesAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		push := rules.Rule{Name: "push", Match: rules.Match{Where: map[string][]string{"header.x-event": {"push"}}}, Spread: rules.Spread{Over: 8 * time.Second}, Rate: 50}
		night := rules.Rule{Name: "night", Match: rules.Match{Exists: []string{"sms"}}, Quiet: &rules.Quiet{From: "03:00", To: "03:01", Zone: rules.Zone{Field: "tz", Default: "+05:30"}}}
		w := newRuled(t, &endpoint{}, nil, push, night)
		for i := range 10 {
			w.add(t, fmt.Sprint("p", i), `{}`, event.Header{Key: "http-header-x-event", Value: []byte("push")})
		}
		w.add(t, "a", `{"sms":1,"tz":"Europe/Berlin"}`)
		w.add(t, "b", `{"sms":1,"tz":"Mars/Olympus"}`)
		w.add(t, "c", `{"sms":1}`)
		w.add(t, "d", `{}`, event.Header{Key: event.HeaderClass, Value: []byte("nobody")})
		w.add(t, "e", `{}`, event.Header{Key: event.HeaderDeliverAt, Value: []byte(time.Now().Add(4 * time.Second).UTC().Format(time.RFC3339))})
		time.Sleep(time.Minute)
		for name, want := range map[string]map[string]float64{
			"sluice_pipeline_class_events_total": {
				"default delivered": 2, "default deferred": 1, "default overflowed": 0, "default zone_unknown": 0,
				"push delivered": 10, "push deferred": 10, "push overflowed": 0, "push zone_unknown": 0,
				"night delivered": 3, "night deferred": 0, "night overflowed": 0, "night zone_unknown": 2,
			},
			"sluice_pipeline_rules_doubtful_total": {"class": 1, "zone": 2},
			"sluice_budget_class_open":             {"default": 1, "push": 1, "night": 1},
		} {
			if have := w.series(t, name); !maps.Equal(have, want) {
				t.Errorf("%s: want %v, have %v", name, want, have)
			}
		}
		if have := w.series(t, "sluice_budget_class_rate"); have["push"] < 45 || have["push"] > 50 || have["night"] < 1e9 {
			t.Errorf("want a rate of 50 for push alone, have %v", have)
		}
		// Names come and go with reloads: what a class was stays only while it is.
		next := w.cfg
		next.Rules = setOf(t, push, rules.Rule{Name: "new"})
		w.reload(next)
		have := slices.Sorted(maps.Keys(w.series(t, "sluice_pipeline_class_events_total")))
		if len(have) != 12 || !slices.Contains(have, "new delivered") || slices.Contains(have, "night delivered") {
			t.Errorf("after a reload the classes are %v", have)
		}
		if have := w.series(t, "sluice_budget_class_open"); len(have) != 3 || have["new"] != 1 {
			t.Errorf("after a reload the allowances are %v", have)
		}
	})
}
