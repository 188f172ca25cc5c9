package gateway

import "github.com/prometheus/client_golang/prometheus"

// outcome is what became of one webhook, a metric label.
type outcome uint8

const (
	outcomeNone     outcome = iota // nothing yet: go on
	outcomeStored                  // all in-sync replicas have it
	outcomeRepeated                // they had it before
	outcomeUnproven                // signature or token is absent or wrong
	outcomeStale                   // well signed, but its timestamp is outside the window
	outcomeKeyless                 // names no user, and must
	outcomeUnfit                   // too large, cut short, of a method that is not taken
	outcomeBusy                    // cannot be stored just now
)

// String is the label.
func (o outcome) String() string {
	return [...]string{"none", "stored", "repeated", "unproven", "stale", "keyless", "unfit", "busy"}[o]
}

func outcomes() []outcome {
	return []outcome{outcomeStored, outcomeRepeated, outcomeUnproven, outcomeStale, outcomeKeyless, outcomeUnfit, outcomeBusy}
}

// hookMetrics count what became of webhooks. Labels come from the configured
// names.
type hookMetrics struct{ webhooks *prometheus.CounterVec }

func newHookMetrics() *hookMetrics {
	return &hookMetrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_gateway_webhooks_total", Help: "Webhooks by name and by what became of them; unproven and stale ones were answered 401.",
	}, []string{"webhook", "outcome"})}
}

// of are the counters of one webhook, all of them there from the start.
func (m *hookMetrics) of(name string) hookCounts {
	var counts hookCounts
	for _, o := range outcomes() {
		counts[o] = m.webhooks.WithLabelValues(name, o.String())
	}
	return counts
}

// hookCounts are one webhook's, by outcome.
type hookCounts [outcomeBusy + 1]prometheus.Counter

// Describe implements prometheus.Collector.
func (h *webhooks) Describe(to chan<- *prometheus.Desc) { h.metrics.webhooks.Describe(to) }

// Collect implements prometheus.Collector.
func (h *webhooks) Collect(to chan<- prometheus.Metric) { h.metrics.webhooks.Collect(to) }
