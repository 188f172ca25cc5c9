package pipeline

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/guard"
	"sluice/sink"
)

// metrics are the pipeline's. Labels come from configured workspaces and from
// closed sets: operations, verdicts, reasons.
type metrics struct {
	registry prometheus.Registerer
	auto     promauto.Factory
	attempts *prometheus.CounterVec
	events   *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	open     *prometheus.GaugeVec
	refusals *prometheus.GaugeVec
	dead     *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	moved    *prometheus.CounterVec
	doubtful *prometheus.CounterVec
	classes  *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	auto := promauto.With(r)
	return &metrics{
		registry: r,
		auto:     auto,
		attempts: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_pipeline_attempts_total", Help: "HTTP attempts, by what they came to.",
		}, []string{"workspace", "verdict"}),
		events: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_pipeline_events_total", Help: "Events in attempts, by operation and verdict: an event counts once for each attempt.",
		}, []string{"workspace", "operation", "verdict"}),
		seconds: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_pipeline_attempt_seconds", Help: "Time that an attempt took, once for each operation in it.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"workspace", "operation"}),
		open: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sluice_pipeline_breaker", Help: "0 closed, 1 open, 2 half-open.",
		}, []string{"workspace"}),
		refusals: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sluice_pipeline_refused", Help: "1 while the destination refuses the workspace.",
		}, []string{"workspace"}),
		dead: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_pipeline_dead_letters_total", Help: "Dead letters written, by reason.",
		}, []string{"workspace", "reason"}),
		dropped: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_pipeline_dropped_total", Help: "Events dropped instead of sent: repeats, by the rule that says so, what is left of a cancelled replay, and deferred events that were recalled.",
		}, []string{"workspace", "reason"}),
		moved: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_pipeline_moved_total", Help: "Events moved to another tier: held, where one that keeps failing waits with its user's later ones; overflow, where those of a class over its rate do; delay-…, where deferred ones sleep.",
		}, []string{"workspace", "tier"}),
		doubtful: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_pipeline_rules_doubtful_total", Help: "Events judged by the rules though something of them was not understood: a header class that names no rule (class), or a time zone that is none that is known (zone).",
		}, []string{"workspace", "what"}),
		classes: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_pipeline_class_events_total", Help: "Events by the class that a rule puts them in: delivered; deferred, when they come and have to wait for their time; overflowed, to the overflow tier; zone_unknown, where the rule's default had to stand in.",
		}, []string{"workspace", "class", "what"}),
	}
}

// watch shows what a workspace may do and does, read when it is asked for.
func (m *metrics) watch(w *workspace) {
	for _, g := range []struct {
		name, help string
		value      func() float64
	}{
		{"sluice_budget_rate", "Requests a second that this member may make now: 0 without a share, +Inf without a limit.", func() float64 { return float64(w.pacer.Status().Rate) }},
		{"sluice_budget_share", "Part of the workspace's shards, and so of its budget, that is this member's: 0 to 1.", func() float64 { return w.share() }},
		{"sluice_budget_factor", "Part of the budget that the destination takes, as its 429s tell: 0.05 to 1.", func() float64 { return w.pacer.Status().Factor }},
		{"sluice_pipeline_in_flight", "Attempts in flight.", func() float64 { return float64(w.flying.Load()) }},
		{"sluice_pipeline_in_flight_bound", "Attempts that may be in flight at once, as adapted.", func() float64 { return float64(w.slots.bound()) }},
	} {
		m.auto.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help, ConstLabels: prometheus.Labels{"workspace": w.Name}}, g.value)
	}
	m.registry.MustRegister(newAllowances(w))
}

// share is the part of the workspace's budget that is this member's.
func (w *workspace) share() float64 {
	s := w.pacer.Status()
	if s.Total == 0 {
		return 0
	}
	return float64(s.Owned) / float64(s.Total)
}

// workspaceMetrics holds one workspace's series, looked up once: the hot path
// touches arrays.
type workspaceMetrics struct {
	all      *metrics
	name     string
	attempts [sink.Interrupted + 1]prometheus.Counter
	ops      []opMetrics
	dropped  map[guard.Reason]prometheus.Counter

	moved                     map[partition.Tier]prometheus.Counter
	unwanted                  map[string]prometheus.Counter // by the reason of the fault
	unknownClass, unknownZone prometheus.Counter
}

type opMetrics struct {
	events  [sink.Interrupted + 1]prometheus.Counter
	seconds prometheus.Observer
}

func (m *metrics) workspace(name string, ops []event.Op) *workspaceMetrics {
	w := &workspaceMetrics{all: m, name: name, ops: make([]opMetrics, len(ops)+1)}
	for v := sink.Delivered; v <= sink.Interrupted; v++ {
		w.attempts[v] = m.attempts.WithLabelValues(name, v.String())
	}
	for _, op := range ops {
		for int(op) >= len(w.ops) {
			w.ops = append(w.ops, opMetrics{})
		}
		o := &w.ops[op]
		o.seconds = m.seconds.WithLabelValues(name, op.String())
		for v := sink.Delivered; v <= sink.Interrupted; v++ {
			o.events[v] = m.events.WithLabelValues(name, op.String(), v.String())
		}
	}
	w.moved = map[partition.Tier]prometheus.Counter{}
	for _, t := range []partition.Tier{partition.Held, partition.Overflow, partition.Delay10s, partition.Delay10m, partition.Delay6h} {
		w.moved[t] = m.moved.WithLabelValues(name, t.String())
	}
	w.unwanted = map[string]prometheus.Counter{}
	for _, reason := range []string{reasonCancelled, reasonRecalled} {
		w.unwanted[reason] = m.dropped.WithLabelValues(name, reason)
	}
	w.unknownClass, w.unknownZone = m.doubtful.WithLabelValues(name, "class"), m.doubtful.WithLabelValues(name, "zone")
	w.dropped = map[guard.Reason]prometheus.Counter{}
	for _, why := range guard.Reasons() {
		w.dropped[why] = m.dropped.WithLabelValues(name, why.String())
	}
	m.open.WithLabelValues(name).Set(0)
	m.refusals.WithLabelValues(name).Set(0)
	return w
}

// attempt counts one attempt and its events by operation.
func (w *workspaceMetrics) attempt(events []*event.Event, r sink.Result, took time.Duration) {
	w.attempts[r.Verdict].Inc()
	named := 0 // items come in the order of the batch
	for i := 0; i < len(events); {
		op, verdict, n := events[i].Op, r.Verdict, 1
		if named < len(r.Items) && r.Items[named].Index == i {
			verdict = r.Items[named].Verdict
			named++
		} else {
			for i+n < len(events) && events[i+n].Op == op && (named == len(r.Items) || r.Items[named].Index != i+n) {
				n++
			}
		}
		w.ops[op].events[verdict].Add(float64(n))
		w.ops[op].seconds.Observe(took.Seconds())
		i += n
	}
}

func (w *workspaceMetrics) breaker(s sink.State) { w.all.open.WithLabelValues(w.name).Set(float64(s)) }

func (w *workspaceMetrics) refused(yes bool) {
	v := 0.0
	if yes {
		v = 1
	}
	w.all.refusals.WithLabelValues(w.name).Set(v)
}

func (w *workspaceMetrics) deadLetter(reason string) {
	w.all.dead.WithLabelValues(w.name, reason).Inc()
}
