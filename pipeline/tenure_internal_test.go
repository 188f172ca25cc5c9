package pipeline

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/sink"
)

// tenant is a Local whose lease can end.
type tenant struct {
	*partition.Local
	leased atomic.Bool
	tenure atomic.Pointer[context.Context]
}

func (l *tenant) Leased() bool { return l.leased.Load() }

func (l *tenant) Tenure(string) context.Context { return *l.tenure.Load() }

func (l *tenant) Take(workspace string, limit partition.Limit) partition.Batch {
	if !l.Leased() {
		return partition.Batch{}
	}
	return l.Local.Take(workspace, limit)
}

// renew begins a tenure.
func (l *tenant) renew() context.CancelFunc {
	ctx, end := context.WithCancel(context.Background())
	l.tenure.Store(&ctx)
	l.leased.Store(true)
	return func() { l.leased.Store(false); end() }
}

// patient is a destination that answers after a time.
type patient struct {
	latency  time.Duration
	verdicts []sink.Verdict
}

func (*patient) Prepare(e *event.Event) { e.PrepareObject(); e.Size = len(e.Value) }

func (*patient) Limits() sink.Limits { return sink.Limits{Items: 1, Bytes: 1 << 20} }

func (*patient) Close() {}

func (p *patient) Deliver(ctx context.Context, _ []*event.Event) sink.Result {
	r := sink.Result{Verdict: sink.Delivered, Status: 200}
	select {
	case <-time.After(p.latency):
	case <-ctx.Done():
		r = sink.Result{Verdict: sink.Interrupted}
	}
	p.verdicts = append(p.verdicts, r.Verdict)
	return r
}

// newTenant is a workspace over lanes whose lease has begun, with one attempt at
// a time.
func newTenant(t *testing.T, p *patient) (*workspace, *tenant, context.CancelFunc) {
	t.Helper()
	local, err := partition.NewLocal(partition.LocalConfig{
		Workspace: "a", Prepare: func(_ string, e *event.Event) { p.Prepare(e) }, From: 1, MaxRecords: 100, MaxBytes: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(local.Close)
	l := &tenant{Local: local}
	end := l.renew()
	w := newWorkspace(Workspace{
		Name: "a", Sink: p, InFlight: 1, BatchItems: 1, Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(),
	}, workspaceParts{lanes: l, appender: undertaker(nil), log: zap.NewNop(), metrics: newMetrics(prometheus.NewRegistry())})
	w.pacer.SetShare(1, 1)
	return w, l, end
}

func (l *tenant) add(t *testing.T, key string) {
	t.Helper()
	if err := l.Add(t.Context(), event.Record{Key: []byte(key), Value: []byte(`{}`), Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
}

// TestAttemptEndsWithItsTenure: it comes back as interrupted, which counts for
// nothing; with the next tenure the event goes out, although nothing told the
// lanes that they may be taken from again.
func TestAttemptEndsWithItsTenure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &patient{latency: time.Minute}
		w, l, end := newTenant(t, p)
		intake, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.dispatch(intake, t.Context()) }()
		l.add(t, "u")
		time.Sleep(10 * time.Second)
		end()
		synctest.Wait()
		if len(p.verdicts) != 1 || p.verdicts[0] != sink.Interrupted {
			t.Fatalf("the attempt came back as %v", p.verdicts)
		}
		if h := w.now.Load().breaker.Health(); h.Failures != 0 || w.counts.failed.Load() != 0 || w.slots.bound() != 1 {
			t.Errorf("an interrupted attempt counted: %+v, %d failed, bound %d", h, w.counts.failed.Load(), w.slots.bound())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(p.verdicts) != 1 {
			t.Fatalf("sent without a lease: %v", p.verdicts)
		}
		end = l.renew()
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if len(p.verdicts) != 2 || p.verdicts[1] != sink.Delivered {
			t.Fatalf("with the next tenure: %v", p.verdicts)
		}
		if b := balanceOf(l.Tallies()); b.Delivered != 1 || b.InHand != 0 {
			t.Errorf("%+v", b)
		}
		stop()
		<-done
		w.attempts.Wait()
		end()
	})
}

// TestOneContextForATenure: attempts cost no context of their own, and each ends
// with what it was made of.
func TestOneContextForATenure(t *testing.T) {
	t.Parallel()
	w, l, end := newTenant(t, &patient{})
	delivery, abandon := context.WithCancel(t.Context())
	first := w.during(delivery)
	if w.during(delivery) != first {
		t.Error("want one context for all attempts of a tenure")
	}
	end()
	<-first.Done()
	end = l.renew()
	defer end()
	second := w.during(delivery)
	if second == first || second.Err() != nil {
		t.Errorf("want another context for another tenure, have %v", second.Err())
	}
	abandon()
	<-second.Done()
}
