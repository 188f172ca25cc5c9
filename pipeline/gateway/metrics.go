package gateway

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are the gateway's. Labels come from the endpoints, the statuses and
// the configured streams.
type metrics struct {
	requests map[string]map[int]prometheus.Counter // by endpoint and status; not written after newMetrics
	seconds  map[string]prometheus.Observer
	events   map[string]prometheus.Counter // by stream
}

// statuses is every status that the gateway answers with.
func statuses() []int {
	return []int{200, 202, 204, 207, 400, 401, 403, 404, 405, 408, 409, 413, 415, 429, 503}
}

func newMetrics(r prometheus.Registerer, used *room, streams map[string]Stream) *metrics {
	auto := promauto.With(r)
	requests := auto.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_gateway_requests_total", Help: "Requests answered, by endpoint and HTTP status.",
	}, []string{"endpoint", "status"})
	seconds := auto.NewHistogramVec(prometheus.HistogramOpts{
		Name: "sluice_gateway_request_seconds", Help: "Time from a request's head to its answer.",
		Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
	}, []string{"endpoint"})
	appended := auto.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_gateway_appended_total", Help: "Records that all in-sync replicas have acknowledged, by stream.",
	}, []string{"stream"})
	auto.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_gateway_in_flight_bytes", Help: "Memory of request bodies and what is made of them.",
	}, func() float64 { return float64(used.used.Load()) })
	m := &metrics{requests: map[string]map[int]prometheus.Counter{}, seconds: map[string]prometheus.Observer{}, events: map[string]prometheus.Counter{}}
	for _, name := range endpointNames() {
		m.seconds[name] = seconds.WithLabelValues(name)
		m.requests[name] = map[int]prometheus.Counter{}
		for _, status := range statuses() {
			m.requests[name][status] = requests.WithLabelValues(name, strconv.Itoa(status))
		}
	}
	for name := range streams {
		m.events[name] = appended.WithLabelValues(name)
	}
	return m
}

func (m *metrics) answered(endpoint string, status int, took time.Duration) {
	if counter := m.requests[endpoint][status]; counter != nil {
		counter.Inc()
		m.seconds[endpoint].Observe(took.Seconds())
	}
}

// appended counts the records of one request, less those that were refused.
func (m *metrics) appended(streams []*Stream, tooLarge []int) {
	for _, i := range tooLarge {
		streams[i] = nil
	}
	for from := 0; from < len(streams); {
		to := from + 1
		for to < len(streams) && streams[to] == streams[from] {
			to++
		}
		if stream := streams[from]; stream != nil {
			m.events[stream.Name].Add(float64(to - from))
		}
		from = to
	}
}
