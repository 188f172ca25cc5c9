package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
)

const (
	partitions = 12
	inFlight   = 256
)

// bench is what all steps share.
type bench struct {
	rig    *rig.Rig
	kafka  *rig.Kafka
	target *rig.Process
	url    string // of the target
	ref    string // path of the binary
	short  bool
}

// counted is the target's account of one workspace.
type counted struct {
	Requests     int64   `json:"requests"`
	Accepted     int64   `json:"accepted"`
	Unique       int64   `json:"unique"`
	Duplicates   int64   `json:"duplicates"`
	Late         int64   `json:"late"`
	Overlap      int64   `json:"overlap"`
	Failed       int64   `json:"failed"`
	MostInFlight int64   `json:"most_in_flight"`
	First        int64   `json:"first_ns"`
	Last         int64   `json:"last_ns"`
	PerSecond    []int64 `json:"per_s"`
	DelayP50     int64   `json:"p50_ns"`
	DelayP99     int64   `json:"p99_ns"`
	Delays       int64   `json:"delays"`
}

// seconds is from the first arrival to the last acceptance.
func (c counted) seconds() float64 { return float64(c.Last-c.First) / 1e9 }

func (c counted) rate() float64 {
	if c.seconds() <= 0 {
		return 0
	}
	return float64(c.Unique) / c.seconds()
}

// reset sets a workspace of the target up anew.
func (b *bench) reset(ctx context.Context, workspace string, settings map[string]any) error {
	body, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("set up the target: %w", err)
	}
	status, answer, err := rig.Post(ctx, b.url+"/_cfg?w="+workspace, body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("set up the target: %d %s", status, answer)
	}
	return err
}

func (b *bench) counted(ctx context.Context, workspace string) (counted, error) {
	var c counted
	_, body, err := rig.Get(ctx, b.url+"/_stats?w="+workspace)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return c, fmt.Errorf("read the target's account: %w", err)
	}
	return c, nil
}

// contender is a program under measurement.
type contender struct {
	name    string
	process *rig.Process
	member  *rig.Member // nil for the reference
	machine float64     // busy seconds of the machine when it began
	others  float64     // CPU seconds of target and broker when it began
	began   time.Time
	warm    warm
}

func (b *bench) begin(name string, p *rig.Process, m *rig.Member) *contender {
	return &contender{name: name, process: p, member: m, machine: machineCPU(), others: b.supportCPU(), began: time.Now()}
}

func (b *bench) supportCPU() float64 {
	return groupsUsage(append(b.kafka.Pids(), b.target.Pid())...).cpu
}

// startRef starts the reference on topics, each delivered to the workspace of
// the same name in routes.
func (b *bench) startRef(routes map[string]string) (*contender, error) {
	var list []string
	for topic, workspace := range routes {
		list = append(list, topic+"="+b.url+"/w/"+workspace+"/events")
	}
	p, err := b.rig.Start("ref", rig.Pipes{}, b.ref, "-brokers", b.kafka.Brokers, "-group", b.rig.Name("ref"),
		"-routes", strings.Join(list, ","), "-workers", fmt.Sprint(inFlight))
	if err != nil {
		return nil, err
	}
	return b.begin("ref", p, nil), nil
}

// startSluice starts a member with one workspace for each route: one event a
// request, or v2 batches of 100.
func (b *bench) startSluice(routes map[string]string, batches bool) (*contender, error) {
	m, err := b.rig.Run(b.config(routes, batches), "")
	if err != nil {
		return nil, err
	}
	return b.begin("sluice", m.Process, m), nil
}

func (b *bench) config(routes map[string]string, batches bool) rig.Config {
	c := rig.Config{Brokers: b.kafka.Brokers, Group: b.rig.Name("sluice")}
	for topic, workspace := range routes {
		w := rig.Workspace{Name: workspace, Settings: map[string]string{
			"budget": "{requests: unlimited, events: unlimited}", "in_flight": fmt.Sprint(inFlight),
			"max_conns": fmt.Sprint(inFlight), "idle_conns": fmt.Sprint(inFlight),
		}}
		if batches {
			w.BaseURL = b.url + "/w/" + workspace
			w.Settings["max_batch_items"] = "100"
		} else {
			w.URL = b.url + "/w/" + workspace + "/events"
		}
		c.Workspaces = append(c.Workspaces, w)
		c.Streams = append(c.Streams, rig.Stream{Name: topic, Workspace: workspace, Partitions: partitions, Copies: 1})
	}
	return c
}

// topic makes a stream's topics, by the product's own command.
func (b *bench) topic(ctx context.Context, stem string) (string, error) {
	topic := b.rig.Name(stem)
	file, err := b.config(map[string]string{topic: "w"}, false).Write(b.rig, "off", "off")
	if err != nil {
		return "", err
	}
	binary, err := b.rig.Sluice()
	if err != nil {
		return "", err
	}
	_, err = rig.Command(ctx, b.rig.Dir, nil, binary, "topics", "apply", "--force", "-c", file)
	return topic, err
}

// await waits until the workspace has accepted n distinct events; it is no
// error when the limit ends first, the figures tell.
func (b *bench) await(ctx context.Context, c *contender, workspace string, n int64, limit time.Duration) (counted, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var have counted
	var lastErr error
	err := rig.Await(ctx, limit, "the events", func(ctx context.Context) bool {
		have, lastErr = b.counted(ctx, workspace)
		c.noteWarm(ctx, have.Unique, n)
		return lastErr != nil || have.Unique >= n || !c.process.Running()
	})
	switch {
	case lastErr != nil:
		return have, lastErr
	case !c.process.Running():
		return have, fmt.Errorf("%s ended: %s", c.name, c.process.Tail(3))
	case err != nil && have.Unique == 0:
		return have, fmt.Errorf("%s delivered nothing in %v: %s", c.name, limit, c.process.Tail(3))
	}
	return have, nil
}

// warm is what a contender had allocated when it was warm: what it fills its
// pools and windows with at the start is no cost of an event.
type warm struct {
	events        int64
	bytes, allocs float64
}

const (
	allocatedBytes = "go_memstats_alloc_bytes_total"
	allocations    = "go_memstats_mallocs_total"
)

// noteWarm takes the mark once, after the first fifth of the events.
func (c *contender) noteWarm(ctx context.Context, have, n int64) {
	if c.member == nil || c.warm.events > 0 || have < n/5 || have >= n {
		return
	}
	if m, err := c.member.Metrics(ctx); err == nil {
		c.warm = warm{events: have, bytes: m[allocatedBytes], allocs: m[allocations]}
	}
}

// figures measures a contender and ends it.
func (b *bench) figures(ctx context.Context, c *contender, have counted) (figures, error) {
	f := figures{
		Contender: c.name, Events: have.Unique, Rate: have.rate(), Seconds: have.seconds(), Requests: have.Requests,
		Late: have.Late, Overlap: have.Overlap, Duplicates: have.Duplicates, InFlight: have.MostInFlight,
	}
	u := groupsUsage(c.process.Pid())
	wall := time.Since(c.began).Seconds()
	f.OtherCores = (machineCPU() - c.machine - u.cpu - (b.supportCPU() - c.others)) / wall
	f.RSS = u.rssMB
	if have.Unique > 0 {
		f.CPU = u.cpu / float64(have.Unique) * 100_000
	}
	if c.member != nil {
		m, err := c.member.Metrics(ctx)
		if err != nil {
			return f, err
		}
		events := float64(max(have.Unique-c.warm.events, 1))
		f.Bytes = (m[allocatedBytes] - c.warm.bytes) / events
		f.Allocs = (m[allocations] - c.warm.allocs) / events
	}
	c.process.Kill()
	return f, nil
}
