package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Member is one `sluice run`.
type Member struct {
	*Process
	Config  string // path of its file
	metrics string // base URL
	actions string // base URL
}

// Run starts a member and returns at once. instance may be empty: a dynamic
// member.
func (r *Rig) Run(c Config, instance string) (*Member, error) {
	return r.RunAs(c, "", instance)
}

// RunAs is Run for a member of some roles, comma-separated; empty: the default.
func (r *Rig) RunAs(c Config, roles, instance string) (*Member, error) {
	binary, err := r.Sluice()
	if err != nil {
		return nil, err
	}
	metrics, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	actions, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	file, err := c.Write(r, metrics, actions)
	if err != nil {
		return nil, err
	}
	args := []string{"run", "-c", file}
	if roles != "" {
		args = append(args, "--roles", roles)
	}
	if instance != "" {
		args = append(args, "--instance", instance)
	}
	p, err := r.Start("run", Pipes{}, binary, args...)
	if err != nil {
		return nil, err
	}
	return &Member{Process: p, Config: file, metrics: "http://" + metrics, actions: "http://" + actions}, nil
}

// Ready waits until /readyz answers 200.
func (m *Member) Ready(ctx context.Context) error {
	err := Await(ctx, 60*time.Second, m.Name+" to be ready", func(ctx context.Context) bool {
		if !m.Running() {
			return true
		}
		status, _, err := Get(ctx, m.metrics+"/readyz")
		return err == nil && status == http.StatusOK
	})
	if err == nil && !m.Running() {
		return fmt.Errorf("%s ended: %s", m.Name, m.Tail(3))
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, m.Tail(3))
	}
	return nil
}

// Health is one workspace's entry of /health.
type Health struct {
	CircuitState string `json:"circuit_state"`
	FailureCount int    `json:"failure_count"`
	LastFailure  string `json:"last_failure"`
	Refused      bool   `json:"refused"`
}

// Health asks /health, which answers 503 when a circuit is not closed.
func (m *Member) Health(ctx context.Context) (map[string]Health, error) {
	_, body, err := Get(ctx, m.metrics+"/health")
	if err != nil {
		return nil, err
	}
	health := map[string]Health{}
	if err := json.Unmarshal(body, &health); err != nil {
		return nil, fmt.Errorf("read /health of %s: %w", m.Name, err)
	}
	return health, nil
}

// Metrics is a scrape: each series, as `name{label="value",…}`, with its value.
type Metrics map[string]float64

// Metrics scrapes /metrics.
func (m *Member) Metrics(ctx context.Context) (Metrics, error) {
	_, body, err := Get(ctx, m.metrics+"/metrics")
	if err != nil {
		return nil, err
	}
	return ParseMetrics(string(body)), nil
}

// ParseMetrics reads the text exposition format, without timestamps.
func ParseMetrics(text string) Metrics {
	metrics := Metrics{}
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		line := s.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if v, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			metrics[line[:at]] = v
		}
	}
	return metrics
}

// Sum adds the series of a name that carry all the labels, each written as
// `label="value"`.
func (m Metrics) Sum(name string, labels ...string) float64 {
	var sum float64
series:
	for series, v := range m {
		if series != name && !strings.HasPrefix(series, name+"{") {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(series, label) {
				continue series
			}
		}
		sum += v
	}
	return sum
}

// Get makes one request and reads the whole answer, at most 1 GiB.
func Get(ctx context.Context, url string) (int, []byte, error) {
	return exchange(ctx, http.MethodGet, url, nil)
}

func exchange(ctx context.Context, method, url string, body io.Reader) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	req.Header.Set("Content-Type", "application/json")
	// A transport of its own would leave connections behind; one request needs none kept.
	req.Close = true
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<30))
	if err != nil {
		return resp.StatusCode, text, fmt.Errorf("%s %s: %w", method, url, err)
	}
	return resp.StatusCode, text, nil
}

// Reads is how many records the member has read from each live partition of a
// stream.
func (m *Member) Reads(ctx context.Context, stream string, partitions int) ([]float64, error) {
	metrics, err := m.Metrics(ctx)
	reads := make([]float64, partitions)
	for p := range reads {
		reads[p] = metrics.Sum("sluice_partition_records_total", `stream="`+stream+`"`, `partition="`+strconv.Itoa(p)+`"`, `tier="live"`, `what="read"`)
	}
	return reads, err
}

// Live is how many bytes of memory the member cannot do without: those of its
// heap after a collection.
func (m *Member) Live(ctx context.Context) (float64, error) {
	if _, _, err := Get(ctx, m.actions+"/debug/pprof/heap?gc=1"); err != nil {
		return 0, err
	}
	metrics, err := m.Metrics(ctx)
	return metrics.Sum("go_memstats_heap_alloc_bytes"), err
}

// StoppedShards is how many shards wait for an operator, each tier by itself.
func (m *Member) StoppedShards(ctx context.Context) (int, error) {
	metrics, err := m.Metrics(ctx)
	return int(metrics.Sum("sluice_partition_stopped")), err
}

// RetentionGap is how many records were given up because they were deleted
// before they were settled.
func (m *Member) RetentionGap(ctx context.Context) (int, error) {
	metrics, err := m.Metrics(ctx)
	return int(metrics.Sum("sluice_partition_records_total", `what="missing"`)), err
}

// Share is the part of a workspace's budget that the member may use, from 0 to
// 1; it is false when the member does not tell it.
func (m *Member) Share(ctx context.Context, workspace string) (float64, bool) {
	metrics, err := m.Metrics(ctx)
	share, told := metrics[`sluice_budget_share{workspace="`+workspace+`"}`]
	return share, told && err == nil
}

// Post makes one request with a JSON body.
func Post(ctx context.Context, url string, body []byte) (int, []byte, error) {
	return exchange(ctx, http.MethodPost, url, bytes.NewReader(body))
}
