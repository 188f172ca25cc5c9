package pipeline_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"sluice/pipeline"
	"sluice/sink"
	"sluice/sink/budget"
)

// gauges are the values of a registry's gauges that have a workspace.
func gauges(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetGauge() != nil && len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == "a" {
				all[f.GetName()] = m.GetGauge().GetValue()
			}
		}
	}
	return all
}

// TestAttemptsAreSeen: each attempt is a line of the debug log that says when the
// budget granted it, and the metrics tell what may be sent and is.
func TestAttemptsAreSeen(t *testing.T) {
	t.Parallel()
	for _, level := range []zapcore.Level{zap.DebugLevel, zap.InfoLevel} {
		t.Run(level.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				core, lines := observer.New(level)
				registry := prometheus.NewRegistry()
				d := &destination{latency: 120 * time.Millisecond, items: 5} // a grant comes every 101.5 ms: one or two are under way
				d.answer = func(_ time.Time, events []string) sink.Result {
					if events[0] == "u1:1" {
						return sink.Result{Verdict: sink.Rejected, Status: 422}
					}
					return ok()
				}
				direct := newDirect(t, d, &graves{}, func(c *pipeline.DirectConfig) {
					c.Log, c.Metrics = zap.New(core), registry
					c.Workspace.Budget, c.Workspace.MaxInFlight = budget.Config{Requests: 10}, 4
				})
				if err := sendAll(t.Context(), direct, 40, 40); err != nil {
					t.Fatal(err)
				}
				time.Sleep(550 * time.Millisecond)
				have := gauges(t, registry)
				if flying := have["sluice_pipeline_in_flight"]; flying != 1 && flying != 2 {
					t.Errorf("attempts in flight: want 1 or 2, have %v", flying)
				}
				for name, want := range map[string]float64{
					"sluice_budget_rate": 9.85, "sluice_budget_share": 1, "sluice_budget_factor": 1, "sluice_pipeline_in_flight_bound": 4,
				} {
					if value, ok := have[name]; !ok || value < want-1e-9 || value > want+1e-9 {
						t.Errorf("%s: want %v, have %v (%v)", name, want, value, ok)
					}
				}
				if _, err := direct.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				checkLines(t, d, lines.FilterMessage("attempt").All(), level == zap.DebugLevel)
			})
		})
	}
}

// checkLines compares the log with what the destination saw.
func checkLines(t *testing.T, d *destination, lines []observer.LoggedEntry, debug bool) {
	t.Helper()
	if !debug {
		if len(lines) > 0 {
			t.Errorf("%d lines without debug", len(lines))
		}
		return
	}
	sends := d.after(time.Time{})
	if len(lines) != len(sends) {
		t.Fatalf("%d lines for %d attempts", len(lines), len(sends))
	}
	for i, line := range lines {
		have := line.ContextMap()
		verdict, status := "delivered", int64(200)
		if sends[i].events[0] == "u1:1" {
			verdict, status = "rejected", 422
		}
		if have["workspace"] != "a" || have["events"] != int64(len(sends[i].events)) || have["verdict"] != verdict || have["status"] != status ||
			have["sent"] != sends[i].at.UnixNano() || have["took"] != d.latency {
			t.Errorf("attempt %d (%v at %d): have %v", i, sends[i].events, sends[i].at.UnixNano(), have)
		}
	}
}
