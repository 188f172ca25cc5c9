package pipeline

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/sink"
	"sluice/sink/budget"
)

// instant is a destination that takes everything at once.
type instant struct{}

func (instant) Prepare(e *event.Event) { e.Op, e.Size = event.OpSend, len(e.Value) }

func (instant) Limits() sink.Limits { return sink.Limits{Items: 1, Bytes: 1 << 20} }

func (instant) Close() {}

func (instant) Deliver(context.Context, []*event.Event) sink.Result {
	return sink.Result{Verdict: sink.Delivered, Status: 200}
}

// benched is a workspace with lanes in memory, which the benchmark itself works.
type benched struct {
	*workspace
	local *partition.Local
}

// newBenched makes a workspace whose budget counts every attempt and never binds.
func newBenched(b *testing.B, name string, records int, m *metrics) benched {
	b.Helper()
	local, err := partition.NewLocal(partition.LocalConfig{
		Workspace: name, Prepare: func(_ string, e *event.Event) { instant{}.Prepare(e) }, From: 1, MaxRecords: records + 1, MaxBytes: 1 << 30,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(local.Close)
	w := newWorkspace(Workspace{
		Name: name, Sink: instant{}, InFlight: DefaultInFlight, MaxInFlight: DefaultMaxInFlight, BatchItems: 1,
		Budget:  budget.Config{Requests: 1e9, Events: 1e9},
		Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(),
	}, workspaceParts{lanes: local, appender: undertaker(nil), log: zap.NewNop(), metrics: m})
	w.pacer.SetShare(1, 1)
	return benched{w, local}
}

// fill puts so many events in hand, of as many users.
func (w benched) fill(b *testing.B, records int) {
	b.Helper()
	at, value := time.Unix(1_700_000_000, 0), []byte(`{"type":"person","action":"event"}`)
	for i := range records {
		if err := w.local.Add(context.Background(), event.Record{Key: fmt.Append(nil, "user-", i), Value: value, Time: at}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCycle is an event's way through a member but for Kafka and HTTP: the
// breaker's leave, the budget's grant, taking it from its lane, an attempt that
// is answered at once, what its answer teaches, settling it. An operation is one
// event, one event a request, the workspaces in turn with a few events each: what
// a dispatcher that wakes up finds.
func BenchmarkCycle(b *testing.B) {
	const inHand, run = 1 << 16, 8 // over all workspaces; of one in its turn
	for _, workspaces := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("workspaces=%d", workspaces), func(b *testing.B) {
			ctx, m := b.Context(), newMetrics(prometheus.NewRegistry())
			each := min(inHand/workspaces, 16_000) / run * run
			all := make([]benched, workspaces)
			for i := range all {
				all[i] = newBenched(b, fmt.Sprintf("w%d", i), each, m)
			}
			cycle := func(w benched, events int) {
				for range events {
					j, ok := w.following(ctx, ctx)
					if !ok {
						b.Fatal("nothing was granted")
					}
					w.attempt(ctx, j)
					w.lanes.Recycle(w.Name, j.batch)
				}
			}
			refill := func() {
				for _, w := range all {
					w.fill(b, each)
				}
			}
			for _, w := range all { // a share is good a moment after it was got
				if _, err := w.pacer.Wait(ctx, func(budget.Room) budget.Charge { return budget.Charge{} }); err != nil {
					b.Fatal(err)
				}
			}
			refill() // the pools fill
			for _, w := range all {
				cycle(w, each)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for left := b.N; left > 0; {
				b.StopTimer()
				refill()
				b.StartTimer()
				for done := 0; done < each && left > 0; done += run {
					for _, w := range all {
						events := min(run, left)
						cycle(w, events)
						left -= events
					}
				}
			}
		})
	}
}
