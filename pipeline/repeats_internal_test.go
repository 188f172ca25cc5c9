package pipeline

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/guard"
	"sluice/sink"
)

// ledger is a destination for entities that notes what it took, by the places of
// the events, and answers as it is told to.
type ledger struct {
	answer func(attempt int) sink.Result
	sends  []string
}

func (*ledger) Prepare(e *event.Event) { e.PrepareEntity() }

func (*ledger) Limits() sink.Limits { return sink.Limits{Items: 100, Bytes: 1 << 20} }

func (*ledger) Close() {}

func (l *ledger) Deliver(_ context.Context, batch []*event.Event) sink.Result {
	time.Sleep(10 * time.Millisecond) // in a bubble
	places := make([]int64, len(batch))
	for i, e := range batch {
		places[i] = e.Source.Offset
	}
	l.sends = append(l.sends, fmt.Sprint(places))
	if l.answer != nil {
		return l.answer(len(l.sends))
	}
	return sink.Result{Verdict: sink.Delivered, Status: 200}
}

// guarded is a workspace at work over lanes in memory, one attempt at a time.
type guarded struct {
	*workspace
	local    *partition.Local
	ledger   *ledger
	registry *prometheus.Registry
	stop     func()
}

func newGuarded(t *testing.T, rules guard.Rules) guarded {
	t.Helper()
	l := &ledger{}
	local, err := partition.NewLocal(partition.LocalConfig{
		Workspace: "a", Prepare: func(_ string, e *event.Event) { l.Prepare(e) }, From: 1, MaxRecords: 1000, MaxBytes: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	w := newWorkspace(Workspace{
		Name: "a", Sink: l, InFlight: 1, BatchItems: 100, Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(), Dedup: rules,
	}, workspaceParts{lanes: local, appender: undertaker(nil), log: zap.NewNop(), metrics: newMetrics(registry)})
	w.pacer.SetShare(1, 1)
	w.guard.Reassigned(true)
	intake, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.dispatch(intake, t.Context()) }()
	return guarded{w, local, l, registry, func() {
		cancel()
		<-done
		w.attempts.Wait()
		local.Close()
	}}
}

// add puts an event in hand and waits for what comes of it. An id of "" is none.
func (g guarded) add(t *testing.T, action, rest, id string) {
	t.Helper()
	r := event.Record{
		Key: []byte("42"), Time: time.Unix(1_700_000_000, 0),
		Value: []byte(`{"type":"person","action":"` + action + `","identifiers":{"id":"42"},` + rest + `}`),
	}
	if id != "" {
		r.Headers = []event.Header{{Key: event.HeaderID, Value: []byte(id)}}
	}
	if err := g.local.Add(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
}

func (g guarded) check(t *testing.T, balance Balance, sends ...string) {
	t.Helper()
	if b := balanceOf(g.local.Tallies()); b != balance {
		t.Errorf("want %+v, have %+v", balance, b)
	}
	if !slices.Equal(g.ledger.sends, sends) {
		t.Errorf("want the attempts %v, have %v", sends, g.ledger.sends)
	}
	if next, above := g.local.Position(); balance.InHand == 0 && (next != balance.Read+1 || len(above) > 0) {
		t.Errorf("the watermark is %d with %v above, want all settled", next, above)
	}
}

// metric is what was counted as dropped for that reason.
func (g guarded) metric(t *testing.T, why guard.Reason) float64 {
	t.Helper()
	families, err := g.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "sluice_pipeline_dropped_total" && m.GetLabel()[0].GetValue() == why.String() && m.GetLabel()[1].GetValue() == "a" {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("nothing is counted by %v", why)
	return 0
}

func TestRepeatsAreSettledWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t, guard.DefaultRules())
		defer g.stop()
		g.add(t, "identify", `"attributes":{"plan":"pro"}`, "")
		g.add(t, "identify", `"attributes":{"plan":"pro"}`, "")
		g.add(t, "event", `"name":"a"`, "x")
		g.add(t, "event", `"name":"a"`, "x")
		g.add(t, "identify", `"attributes":{"plan":"pro"}`, "")
		g.check(t, Balance{Read: 5, Delivered: 3, Dropped: 2}, "[1]", "[3]", "[5]")
		if identify, id, content := g.metric(t, guard.SameIdentify), g.metric(t, guard.SameEventID), g.metric(t, guard.SameContent); identify != 1 || id != 1 || content != 0 {
			t.Errorf("counted %v, %v and %v as dropped, want 1, 1 and 0", identify, id, content)
		}
		if n := g.counts.completed.Load(); n != 5 {
			t.Errorf("the queue report says %d completed, want 5", n)
		}
	})
}

// TestRepeatOfWhatFailed: the first one comes to nothing, once and then for good.
func TestRepeatOfWhatFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t, guard.DefaultRules())
		defer g.stop()
		g.ledger.answer = func(attempt int) sink.Result {
			switch attempt {
			case 1:
				return sink.Result{Verdict: sink.Unavailable, Status: 500}
			case 2:
				return sink.Result{Verdict: sink.Rejected, Status: 400}
			}
			return sink.Result{Verdict: sink.Delivered, Status: 200}
		}
		g.add(t, "identify", `"attributes":{"plan":"pro"}`, "x") // tried twice, a dead letter
		time.Sleep(time.Minute)
		g.add(t, "identify", `"attributes":{"plan":"pro"}`, "x")
		g.add(t, "identify", `"attributes":{"plan":"pro"}`, "x")
		g.check(t, Balance{Read: 3, Delivered: 1, DeadLettered: 1, Dropped: 1}, "[1]", "[1]", "[2]")
	})
}

// TestRepeatsAreDroppedFromAmongOthers: an attempt loses some of what it took,
// the others go, each to its own outcome; and a run of nothing but repeats holds
// nobody up.
func TestRepeatsAreDroppedFromAmongOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(t, guard.DefaultRules())
		defer g.stop()
		add := func(user, id int) {
			r := event.Record{
				Key: fmt.Append(nil, user), Time: time.Unix(1_700_000_000, 0), Headers: []event.Header{{Key: event.HeaderID, Value: fmt.Append(nil, "id-", id)}},
				Value: fmt.Appendf(nil, `{"type":"person","action":"event","name":"a","identifiers":{"id":%d}}`, user),
			}
			if err := g.local.Add(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		add(0, 0) // holds the only slot while the others come in
		for i := range 4 {
			add(i, 10+i)
		}
		time.Sleep(time.Second)
		first := balanceOf(g.local.Tallies())
		add(9, 90)
		for i := range 4 {
			add(i, 10+i)
			add(i, 20+i)
		}
		time.Sleep(time.Second)
		for range 20 {
			for i := range 4 {
				add(i, 20+i)
			}
		}
		add(3, 99)
		time.Sleep(time.Second)
		b := balanceOf(g.local.Tallies())
		if want := (Balance{Read: 5, Delivered: 5}); first != want {
			t.Errorf("at first: want %+v, have %+v", want, first)
		}
		if want := (Balance{Read: 95, Delivered: 11, Dropped: 84}); b != want {
			t.Errorf("want %+v, have %+v, sent %v", want, b, g.ledger.sends)
		}
	})
}

func TestGuardForgets(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change  func(*Pipeline, guarded)
		dropped int64
	}{
		"nothing":       {func(*Pipeline, guarded) {}, 1},
		"a reload":      {func(_ *Pipeline, g guarded) { g.reload(g.config(guard.DefaultRules(), nil)) }, 1},
		"guards turned": {func(_ *Pipeline, g guarded) { g.reload(g.config(guard.Rules{}, nil)) }, 0},
		"another sink":  {func(_ *Pipeline, g guarded) { g.reload(g.config(guard.DefaultRules(), &ledger{})) }, 0},
		"a shard less":  {func(p *Pipeline, _ guarded) { p.granted(partition.Grant{Workspace: "a", Owned: 1, Total: 2}) }, 0},
		"a shard regained": {func(p *Pipeline, _ guarded) {
			p.granted(partition.Grant{Workspace: "a", Owned: 1, Total: 2})
			p.granted(partition.Grant{Workspace: "a", Owned: 2, Total: 2})
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGuarded(t, guard.DefaultRules())
				defer g.stop()
				p := &Pipeline{workspaces: map[string]*workspace{"a": g.workspace}}
				g.add(t, "identify", `"attributes":{"plan":"pro"}`, "")
				tc.change(p, g)
				g.add(t, "identify", `"attributes":{"plan":"pro"}`, "")
				if b := balanceOf(g.local.Tallies()); b.Dropped != tc.dropped || b.Delivered != 2-tc.dropped {
					t.Errorf("want %d dropped of 2, have %+v", tc.dropped, b)
				}
			})
		})
	}
}

// config is the workspace's with other guards and, unless it is nil, another sink.
func (guarded) config(rules guard.Rules, next sink.Sink) Workspace {
	return Workspace{
		Name: "a", Sink: next, InFlight: 1, BatchItems: 100, Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(), Dedup: rules,
	}
}

// TestIdentifiesOfTwoStreams: a user has a lane in each stream that feeds the
// workspace. While some of them may be on another member, what that one sent in
// between is not known.
func TestIdentifiesOfTwoStreams(t *testing.T) {
	t.Parallel()
	route := []partition.Route{{From: 0, To: 1, Workspace: "a"}}
	one := []partition.Stream{{Name: "s", Routes: route}, {Name: "t", Routes: []partition.Route{{Workspace: "b"}}}}
	two := []partition.Stream{{Name: "s", Routes: route}, {Name: "t", Routes: append(route, route...)}}
	for _, tc := range []struct {
		streams []partition.Stream
		owned   int
		dropped int64
	}{{one, 2, 1}, {one, 4, 1}, {two, 2, 0}, {two, 4, 1}} {
		synctest.Test(t, func(t *testing.T) {
			g := newGuarded(t, guard.DefaultRules())
			defer g.stop()
			p := &Pipeline{cfg: Config{Streams: tc.streams}, workspaces: map[string]*workspace{"a": g.workspace}}
			p.granted(partition.Grant{Workspace: "a", Owned: tc.owned, Total: 4})
			g.add(t, "identify", `"attributes":{"plan":"pro"}`, "")
			g.add(t, "identify", `"attributes":{"plan":"pro"}`, "")
			g.add(t, "event", `"name":"a"`, "x")
			g.add(t, "event", `"name":"a"`, "x")
			if b := balanceOf(g.local.Tallies()); b.Dropped != tc.dropped+1 {
				t.Errorf("%d streams, %d of 4 shards: want %d dropped, have %+v", len(tc.streams), tc.owned, tc.dropped+1, b)
			}
		})
	}
}

// TestReplayIsNotScreened: an operator who replays a window means it.
func TestReplayIsNotScreened(t *testing.T) {
	t.Parallel()
	for topic, want := range map[string]bool{"events": true, "events" + ReplaySuffix: false, "replay": true} {
		if have := judged(&event.Event{Source: event.Source{Topic: topic}}); have != want {
			t.Errorf("%s: want %v, have %v", topic, want, have)
		}
	}
}
