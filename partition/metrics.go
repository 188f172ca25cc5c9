package partition

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/twmb/franz-go/pkg/kgo"
)

// metrics are the partition folder's. Labels come from configured streams and
// partition numbers.
type metrics struct {
	commits       *prometheus.CounterVec
	commitSeconds prometheus.Histogram
	misplacedKeys *prometheus.CounterVec
	fetched       fetched
	registerer    prometheus.Registerer
}

// fetched counts the records that came from brokers. It is a hook of the client.
type fetched struct{ records atomic.Int64 }

// OnFetchRecordBuffered implements kgo.HookFetchRecordBuffered.
func (f *fetched) OnFetchRecordBuffered(*kgo.Record) { f.records.Add(1) }

func newMetrics(r prometheus.Registerer) *metrics {
	auto := promauto.With(r)
	m := &metrics{
		registerer: r,
		commits: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_partition_commits_total", Help: "Offset commits, by whether the group accepted them.",
		}, []string{"accepted"}),
		commitSeconds: auto.NewHistogram(prometheus.HistogramOpts{
			Name: "sluice_partition_commit_seconds", Help: "Time that an offset commit took.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 13),
		}),
		misplacedKeys: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_partition_misplaced_total", Help: "Records whose key does not hash to their partition: their order cannot be promised.",
		}, []string{"stream"}),
	}
	auto.NewCounterFunc(prometheus.CounterOpts{
		Name: "sluice_partition_fetched_records_total",
		Help: "Records that came from brokers. A pause throws away what was fetched and not taken, so these over the records read tell what pausing costs.",
	}, func() float64 { return float64(m.fetched.records.Load()) })
	m.commits.WithLabelValues("true")
	m.commits.WithLabelValues("false")
	return m
}

func (m *metrics) commit(took time.Duration, err error) {
	m.commits.WithLabelValues(strconv.FormatBool(err == nil)).Inc()
	m.commitSeconds.Observe(took.Seconds())
}

func (m *metrics) misplaced(stream string, n int64) {
	if n > 0 {
		m.misplacedKeys.WithLabelValues(stream).Add(float64(n))
	}
}

// watch exports every shard's balance as it stands when it is asked for.
func (m *metrics) watch(l *Lanes) {
	m.registerer.MustRegister(&balance{
		lanes: l,
		records: prometheus.NewDesc("sluice_partition_records_total",
			"What became of the records read: read = delivered + dead_lettered + dropped + moved + handed_back + in hand.",
			[]string{"stream", "partition", "tier", "what"}, nil),
		inHand: prometheus.NewDesc("sluice_partition_in_hand_records",
			"Records read and not settled.", []string{"stream", "partition", "tier"}, nil),
		paused: prometheus.NewDesc("sluice_partition_paused",
			"1 while a shard is not fetched: it holds as much as it may, is stopped, or its workspace takes nothing.",
			[]string{"stream", "partition", "tier"}, nil),
		stopped: prometheus.NewDesc("sluice_partition_stopped",
			"1 while a shard waits for an operator.", []string{"stream", "partition", "tier"}, nil),
		classes: prometheus.NewDesc("sluice_partition_class_in_hand_records",
			"Records read and not settled, by the class of their workspace that they are in.", []string{"workspace", "class"}, nil),
	})
}

// balance is a prometheus.Collector over the tallies.
type balance struct {
	lanes                                     *Lanes
	records, inHand, paused, stopped, classes *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (b *balance) Describe(ch chan<- *prometheus.Desc) {
	ch <- b.records
	ch <- b.inHand
	ch <- b.paused
	ch <- b.stopped
	ch <- b.classes
}

// Collect implements prometheus.Collector.
func (b *balance) Collect(ch chan<- prometheus.Metric) {
	for _, t := range b.lanes.Tallies() {
		shard := []string{t.Shard.Stream, strconv.Itoa(int(t.Shard.Partition)), t.Shard.Tier.String()}
		for _, c := range []struct {
			what string
			n    int64
		}{
			{"read", t.Read},
			{"delivered", t.Delivered},
			{"dead_lettered", t.DeadLettered},
			{"dropped", t.Dropped},
			{"moved", t.Moved},
			{"handed_back", t.HandedBack},
			{"missing", t.Missing},
		} {
			ch <- prometheus.MustNewConstMetric(b.records, prometheus.CounterValue, float64(c.n), append(shard[:3:3], c.what)...)
		}
		ch <- prometheus.MustNewConstMetric(b.inHand, prometheus.GaugeValue, float64(t.InHand), shard...)
	}
	for _, c := range b.lanes.inClasses() {
		ch <- prometheus.MustNewConstMetric(b.classes, prometheus.GaugeValue, float64(c.records), c.workspace, c.class)
	}
	for _, s := range b.lanes.owned() {
		s.queue.mu.Lock()
		paused, stopped := oneIf(s.paused), oneIf(s.stop != nil)
		s.queue.mu.Unlock()
		n := strconv.Itoa(int(s.id.Partition))
		ch <- prometheus.MustNewConstMetric(b.paused, prometheus.GaugeValue, paused, s.id.Stream, n, s.id.Tier.String())
		ch <- prometheus.MustNewConstMetric(b.stopped, prometheus.GaugeValue, stopped, s.id.Stream, n, s.id.Tier.String())
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
