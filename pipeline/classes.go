package pipeline

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/partition"
	"sluice/pipeline/event"
)

// became is what the metrics tell of an event of a class.
type became uint8

const (
	classDelivered  became = iota
	classDeferred          // it is to wait for its time
	classOverflowed        // it moved to the overflow tier
	classZone              // its own time zone is none that is known
	becameCount
)

func (b became) String() string {
	return [becameCount]string{"delivered", "deferred", "overflowed", "zone_unknown"}[b]
}

// classMetrics are the series of a class, looked up once.
type classMetrics [becameCount]prometheus.Counter

// classes makes the series of classes ready, by number.
func (w *workspaceMetrics) classes(names []string) []classMetrics {
	all := make([]classMetrics, len(names))
	for i, name := range names {
		for b := range becameCount {
			all[i][b] = w.all.classes.WithLabelValues(w.name, name, b.String())
		}
	}
	return all
}

// forget drops the series of classes that are no more: who reloads for years must
// not end up with every name that there ever was.
func (w *workspaceMetrics) forget(were, are []string) {
	for _, name := range were {
		if !slices.Contains(are, name) {
			w.all.classes.DeletePartialMatch(prometheus.Labels{"workspace": w.name, "class": name})
		}
	}
}

// count counts an event of a class. Where there are no rules there is nothing to
// tell apart.
func (s *settings) count(lot uint8, b became) {
	if int(lot) < len(s.tallies) {
		s.tallies[lot][b].Inc()
	}
}

func (s *settings) countAll(events []*event.Event, b became) {
	if len(s.tallies) == 0 {
		return
	}
	for _, e := range events {
		s.count(e.Lot, b)
	}
}

// overflowed counts what moved to the overflow tier.
func (s *settings) overflowed(tier partition.Tier, e *event.Event) {
	if tier == partition.Overflow {
		s.count(e.Lot, classOverflowed)
	}
}

// allowances is a prometheus.Collector of what the classes of a workspace may
// send now: they may change, so it asks each time.
type allowances struct {
	workspace  *workspace
	rate, open *prometheus.Desc
}

func newAllowances(w *workspace) *allowances {
	labels, workspace := []string{"class"}, prometheus.Labels{"workspace": w.Name}
	return &allowances{
		workspace: w,
		rate: prometheus.NewDesc("sluice_budget_class_rate",
			"Events of a class a second that this member may send now: 0 without a share, +Inf when the class has no rate of its own.", labels, workspace),
		open: prometheus.NewDesc("sluice_budget_class_open",
			"1 while the class's own rate has room for an event, 0 while it has to wait.", labels, workspace),
	}
}

// Describe implements prometheus.Collector.
func (a *allowances) Describe(ch chan<- *prometheus.Desc) {
	ch <- a.rate
	ch <- a.open
}

// Collect implements prometheus.Collector.
func (a *allowances) Collect(ch chan<- prometheus.Metric) {
	for _, c := range a.workspace.pacer.Status().Classes {
		open := 0.0
		if c.Open {
			open = 1
		}
		ch <- prometheus.MustNewConstMetric(a.rate, prometheus.GaugeValue, float64(c.Rate), c.Name)
		ch <- prometheus.MustNewConstMetric(a.open, prometheus.GaugeValue, open, c.Name)
	}
}
