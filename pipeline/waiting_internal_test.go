package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
	"sluice/sink"
)

// moody is an appender that answers as it is told, or keeps what it is asked.
type moody struct {
	err    error
	silent bool
	kept   []func(partition.Position, error)
}

func (m *moody) Append(_ context.Context, _ event.Record, done func(partition.Position, error)) {
	if m.silent {
		m.kept = append(m.kept, done)
		return
	}
	done(partition.Position{}, m.err)
}

// watchedTiers are a workspace's, and what they are made of and tell.
type watchedTiers struct {
	*tiers
	to       *moody
	logs     *observer.ObservedLogs
	registry *prometheus.Registry
}

// watched makes a workspace of which so many events are in hand.
func watched(t *testing.T, records int) watchedTiers {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	registry := prometheus.NewRegistry()
	local, err := partition.NewLocal(partition.LocalConfig{
		Workspace: "shop", Prepare: func(_ string, e *event.Event) { instant{}.Prepare(e) }, From: 1, MaxRecords: records + 1, MaxBytes: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(local.Close)
	for i := range records {
		r := event.Record{Key: fmt.Append(nil, "u", i), Value: []byte(`{}`), Time: time.Now(), Offset: int64(i)}
		if err := local.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	to := &moody{}
	w := newWorkspace(Workspace{
		Name: "shop", Sink: instant{}, InFlight: 1, BatchItems: 1, Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(),
	}, workspaceParts{lanes: local, appender: undertaker(nil), log: zap.New(core), metrics: newMetrics(prometheus.NewRegistry())})
	w.metrics = newMetrics(registry).workspace("shop", nil)
	return watchedTiers{newTiers(w, to), to, logs, registry}
}

func (t *tiers) try(ctx context.Context, topic string) {
	t.Append(ctx, event.Record{Topic: topic, Value: []byte("v")}, func(partition.Position, error) {})
}

func TestUnwritableTopicIsToldUntilItTakesSomething(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		tiers := watched(t, 1)
		to, logs, registry := tiers.to, tiers.logs, tiers.registry
		if why := tiers.waiting(time.Now()); why != nil {
			t.Errorf("nothing was appended yet: %v", why)
		}
		to.err = errors.New("append to shop.dead: UNKNOWN_TOPIC_OR_PARTITION: no such topic")
		for range 37 { // three minutes, a try every five seconds
			tiers.try(t.Context(), "shop.dead")
			time.Sleep(5 * time.Second)
		}
		why := tiers.waiting(time.Now())
		if why == nil || !why.Since.Equal(began) || why.Topic != "shop.dead" || why.Reason != "UNKNOWN_TOPIC_OR_PARTITION: no such topic" ||
			!strings.Contains(why.Remedy, "sluice topics apply") {
			t.Fatalf("want the dead topic since %v with a remedy, have %+v", began, why)
		}
		if n := logs.FilterMessageSnippet("nothing can be appended").Len(); n != 4 {
			t.Errorf("%d complaints in 185 s, want one a minute: 4", n)
		}
		gauge := func(want float64) {
			t.Helper()
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				if f.GetName() == "sluice_pipeline_unwritable" {
					if have := f.GetMetric()[0].GetGauge().GetValue(); have != want {
						t.Errorf("the gauge is %v, want %v", have, want)
					}
					return
				}
			}
			t.Error("there is no gauge")
		}
		gauge(1)
		tiers.try(t.Context(), "shop.held") // another topic that fails later is not told first
		if again := tiers.waiting(time.Now()); again == nil || again.Topic != "shop.dead" {
			t.Errorf("want the topic that failed first, have %+v", again)
		}
		to.err = nil
		tiers.try(t.Context(), "shop.dead")
		if why := tiers.waiting(time.Now()); why == nil || why.Topic != "shop.held" {
			t.Errorf("the dead topic works, the held one does not: have %+v", why)
		}
		tiers.try(t.Context(), "shop.held")
		if why := tiers.waiting(time.Now()); why != nil {
			t.Errorf("all take records again: have %+v", why)
		}
		gauge(0)
		if n := logs.FilterMessageSnippet("takes records again").Len(); n != 2 {
			t.Errorf("%d lines of recovery, want 2", n)
		}
	})
}

func TestWhatIsNoFaultOfTheTopic(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		records int
		topic   string
		err     error
		ended   bool // the context
		want    bool
	}{
		{name: "it fails", records: 1, topic: "shop.dead", err: errors.New("no"), want: true},
		{name: "nothing is in hand any more", records: 0, topic: "shop.dead", err: errors.New("no")},
		{name: "we end", records: 1, topic: "shop.dead", err: context.Canceled, ended: true},
		{name: "a dead letter is too large: it is cut", records: 1, topic: "shop.dead", err: partition.ErrTooLarge},
		{name: "a moved event is too large", records: 1, topic: "shop.held", err: partition.ErrTooLarge, want: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tiers := watched(t, tc.records)
			to := tiers.to
			ctx, end := context.WithCancel(t.Context())
			defer end()
			if tc.ended {
				end()
			}
			to.err = tc.err
			tiers.try(ctx, tc.topic)
			if why := tiers.waiting(time.Now()); (why != nil) != tc.want {
				t.Errorf("want waiting %t, have %+v", tc.want, why)
			}
		})
	}
}

// Whoever waited may have gone to another member: nobody tries again here, and
// nothing would ever tell that the topic is well.
func TestUnwritableIsForgottenWhenNobodyTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tiers := watched(t, 1)
		to := tiers.to
		to.err = errors.New("no")
		tiers.try(t.Context(), "shop.dead")
		time.Sleep(59 * time.Second)
		if tiers.waiting(time.Now()) == nil {
			t.Error("forgotten within a minute")
		}
		time.Sleep(2 * time.Second)
		if why := tiers.waiting(time.Now()); why != nil {
			t.Errorf("still told after a minute: %+v", why)
		}
	})
}

// Kafka that leaves an append without an answer fails none: that must be told
// as well, also while other partitions of the topic go on.
func TestUnansweredAppendsAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tiers := watched(t, 1)
		to, logs := tiers.to, tiers.logs
		began := time.Now()
		to.silent = true
		tiers.try(t.Context(), "shop.dead")
		time.Sleep(5 * time.Second)
		if why := tiers.waiting(time.Now()); why != nil {
			t.Errorf("told after 5 s already: %+v", why)
		}
		to.silent = false
		tiers.try(t.Context(), "shop.dead")
		time.Sleep(time.Second)
		for range 90 {
			why := tiers.waiting(time.Now())
			if why == nil || !why.Since.Equal(began) || !strings.Contains(why.Reason, "not answered") {
				t.Fatalf("want it told since %v, have %+v", began, why)
			}
			time.Sleep(time.Second)
		}
		if n := logs.FilterMessageSnippet("nothing can be appended").Len(); n != 2 {
			t.Errorf("%d complaints in 90 s, want 2", n)
		}
		to.kept[0](partition.Position{}, nil)
		if why := tiers.waiting(time.Now()); why != nil {
			t.Errorf("answered: have %+v", why)
		}
	})
}

func TestProbesTellWhatIsUnwritable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kafka := partitiontest.NewVirtual(t, 2, "a")
		p, err := New(Config{
			Kafka: kafka.Config(), Drain: time.Second,
			Workspaces: []Workspace{{
				Name: "a", Sink: instant{}, InFlight: 1, BatchItems: 1, Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(),
			}},
			Streams: []partition.Stream{{Name: "a", Topic: "a", Routes: []partition.Route{{From: 0, To: 1, Workspace: "a"}}}},
		}, zap.NewNop(), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		w := p.order[0]
		if _, watched := w.appender.(*tiers); !watched {
			w.appender = newTiers(w, p.appender)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = p.Run(ctx) }()
		kafka.Append(t, event.Record{Topic: "a", Key: []byte("u"), Value: []byte(`{}`)})
		kafka.Append(t, event.Record{Topic: "a", Key: []byte("u"), Value: []byte("{}")})
		kafka.Append(t, event.Record{Topic: "a", Key: []byte{}, Value: []byte(`{}`)}) // there is no topic a.dead
		ask := func(path string) (int, string) {
			rw := httptest.NewRecorder()
			p.Probes().ServeHTTP(rw, httptest.NewRequest(http.MethodGet, path, http.NoBody))
			return rw.Code, rw.Body.String()
		}
		time.Sleep(time.Minute)
		for _, path := range []string{"/readyz", "/health"} {
			status, body := ask(path)
			if status != 503 || !strings.Contains(body, "a.dead") || !strings.Contains(body, "sluice topics apply") {
				t.Errorf("%s: want 503 with the topic and what to do, have %d %s", path, status, body)
			}
		}
		if b := p.Balance(); b.Delivered != 2 || b.InHand != 1 {
			t.Errorf("want the others delivered and one in hand, have %+v", b)
		}
		cancel()
		<-done
	})
}
