package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"sluice/scripts/acceptance/rig"
)

// step is one comparison.
type step struct {
	name string
	run  func(ctx context.Context, b *bench) (row, error)
}

func steps() []step {
	return []step{
		{"single", single}, {"batch", batch}, {"latency", latency}, {"down-workspace", downWorkspace}, {"bad-user", badUser},
	}
}

// doorSteps are about the way in; the others about delivery.
func doorSteps() []step { return []step{{"gateway-track", doorTrack}, {"gateway-batch", doorBatch}} }

// size takes the short form's number or the full one.
func (b *bench) size(short, full int) int {
	if b.short {
		return short
	}
	return full
}

// single is one event a request in order per user, beside the reference, which
// runs first and last, so that a machine that grows busier favours neither.
func single(ctx context.Context, b *bench) (row, error) {
	n := b.size(100_000, 250_000)
	r := row{Step: "single", What: fmt.Sprintf("%d events, one a request, 5 ms, %d in flight", n, inFlight)}
	topic, err := b.topic(ctx, "single")
	if err != nil {
		return r, err
	}
	if _, err := (load{topic: topic, n: n}).run(ctx, b.kafka.Brokers, nil); err != nil {
		return r, err
	}
	routes := map[string]string{topic: "single"}
	for _, name := range []string{"ref", "sluice", "sluice", "ref"} {
		if err := b.reset(ctx, "single", map[string]any{"latency_ms": 5}); err != nil {
			return r, err
		}
		start := b.startRef
		if name == "sluice" {
			start = func(routes map[string]string) (*contender, error) { return b.startSluice(routes, false) }
		}
		f, err := b.race(ctx, "single", int64(n), func() (*contender, error) { return start(routes) })
		if err != nil {
			return r, err
		}
		r.Runs = append(r.Runs, f)
	}
	ref, ours := mean(r.Runs[0], r.Runs[3]), mean(r.Runs[1], r.Runs[2])
	r.Bars = []bar{
		timed(atLeast("rate, of the reference's", ours.Rate/ref.Rate, 0.95, "x")),
		timed(atMost("CPU, of the reference's", ours.CPU/ref.CPU, 1.1, "x")),
		atMost("allocated an event", ours.Bytes, 6<<10, " B"),
		atMost("RSS", ours.RSS, 300, " MB"),
		atMost("late", float64(ours.Late), 0, ""),
		atMost("not delivered", float64(int64(n)-min(r.Runs[1].Events, r.Runs[2].Events)), 0, ""),
	}
	return r, nil
}

// race runs a contender over what is in its topic.
func (b *bench) race(ctx context.Context, workspace string, n int64, start func() (*contender, error)) (figures, error) {
	c, err := start()
	if err != nil {
		return figures{}, err
	}
	defer c.process.Kill()
	have, err := b.await(ctx, c, workspace, n, 2*time.Minute)
	if err != nil {
		return figures{}, err
	}
	return b.figures(ctx, c, have)
}

// mean averages what the bars of a step look at, and adds up what must be 0.
func mean(a, b figures) figures {
	return figures{
		Rate: (a.Rate + b.Rate) / 2, CPU: (a.CPU + b.CPU) / 2, Bytes: (a.Bytes + b.Bytes) / 2,
		RSS: max(a.RSS, b.RSS), Late: a.Late + b.Late,
	}
}

// batch is Track v2 batches of 100.
func batch(ctx context.Context, b *bench) (row, error) {
	n := b.size(600_000, 2_000_000)
	r := row{Step: "batch", What: fmt.Sprintf("%d events in v2 batches of 100, 5 ms, %d in flight", n, inFlight)}
	topic, err := b.topic(ctx, "batch")
	if err != nil {
		return r, err
	}
	if _, err := (load{topic: topic, n: n, entity: true}).run(ctx, b.kafka.Brokers, nil); err != nil {
		return r, err
	}
	for range 2 {
		if err := b.reset(ctx, "batch", map[string]any{"latency_ms": 5}); err != nil {
			return r, err
		}
		f, err := b.race(ctx, "batch", int64(n), func() (*contender, error) {
			return b.startSluice(map[string]string{topic: "batch"}, true)
		})
		if err != nil {
			return r, err
		}
		r.Runs = append(r.Runs, f)
	}
	ours := mean(r.Runs[0], r.Runs[1])
	r.Bars = []bar{
		timed(atLeast("rate", ours.Rate, 150_000, "/s")),
		timed(atMost("CPU an event, whole path", ours.CPU*10, 5, " us")),
		atMost("allocated an event", ours.Bytes, 500, " B"),
		atMost("RSS", ours.RSS, 300, " MB"),
		atMost("late", float64(ours.Late), 0, ""),
		atMost("not delivered", float64(int64(n)-min(r.Runs[0].Events, r.Runs[1].Events)), 0, ""),
	}
	return r, nil
}

// latency is what we add when nothing binds: from the producer's send, which
// is before the record is on the broker, to the request's arrival.
func latency(ctx context.Context, b *bench) (row, error) {
	const rate, warmUp = 200, 3
	n := rate * (warmUp + b.size(8, 30))
	r := row{Step: "latency", What: fmt.Sprintf("%d events a second, from the producer's send to the request's arrival", rate)}
	topic, err := b.topic(ctx, "latency")
	if err != nil {
		return r, err
	}
	if err := b.reset(ctx, "latency", map[string]any{"latency_ms": 1}); err != nil {
		return r, err
	}
	c, err := b.startSluice(map[string]string{topic: "latency"}, true)
	if err != nil {
		return r, err
	}
	defer c.process.Kill()
	if err := c.member.Ready(ctx); err != nil {
		return r, err
	}
	if _, err := (load{topic: topic, n: n, entity: true, rate: rate, quiet: rate * warmUp}).run(ctx, b.kafka.Brokers, nil); err != nil {
		return r, err
	}
	have, err := b.await(ctx, c, "latency", int64(n), 10*time.Second)
	if err != nil {
		return r, err
	}
	f, err := b.figures(ctx, c, have)
	r.Runs = []figures{f}
	r.Bars = []bar{
		timed(atMost("p50", float64(have.DelayP50)/1e6, 3, " ms")),
		timed(atMost("p99", float64(have.DelayP99)/1e6, 15, " ms")),
		atLeast("events measured", float64(have.Delays), float64(n-rate*warmUp), ""),
	}
	return r, err
}

// downWorkspace is two workspaces in one member, one of which fails for ever:
// the other's rate beside what it has alone.
func downWorkspace(ctx context.Context, b *bench) (row, error) {
	n := b.size(100_000, 250_000)
	r := row{Step: "down-workspace", What: fmt.Sprintf("%d events, one a request, alone and beside a workspace that answers 500 for ever", n)}
	var topics [2]string
	for i, stem := range []string{"well", "down"} {
		var err error
		if topics[i], err = b.topic(ctx, stem); err != nil {
			return r, err
		}
		if _, err := (load{topic: topics[i], n: n}).run(ctx, b.kafka.Brokers, nil); err != nil {
			return r, err
		}
	}
	alone := map[string]string{topics[0]: "well"}
	both := map[string]string{topics[0]: "well", topics[1]: "down"}
	for _, routes := range []map[string]string{alone, both, both, alone} {
		if err := b.reset(ctx, "well", map[string]any{"latency_ms": 5}); err != nil {
			return r, err
		}
		if err := b.reset(ctx, "down", map[string]any{"latency_ms": 5, "down": true}); err != nil {
			return r, err
		}
		f, err := b.race(ctx, "well", int64(n), func() (*contender, error) { return b.startSluice(routes, false) })
		if err != nil {
			return r, err
		}
		if len(routes) == 2 {
			f.Contender += " beside"
		}
		r.Runs = append(r.Runs, f)
	}
	base, beside := mean(r.Runs[0], r.Runs[3]), mean(r.Runs[1], r.Runs[2])
	r.Bars = []bar{
		timed(atLeast("rate kept", beside.Rate/base.Rate*100, 95, "%")),
		atMost("not delivered", float64(int64(n)-min(r.Runs[1].Events, r.Runs[2].Events)), 0, ""),
		atMost("RSS", beside.RSS, 300, " MB"),
	}
	return r, nil
}

// badUser feeds a live stream whose busiest user fails for a while: what share
// of everyone else's events arrives in that time.
func badUser(ctx context.Context, b *bench) (row, error) {
	const rate = 1_000
	seconds := b.size(10, 30)
	r := row{Step: "bad-user", What: fmt.Sprintf("%d events a second, one a request, the busiest user fails for %d s", rate, seconds)}
	topic, err := b.topic(ctx, "bad-user")
	if err != nil {
		return r, err
	}
	if err := b.reset(ctx, "bad-user", map[string]any{"latency_ms": 5, "fail_user": hotUser, "fail_for_s": 3600}); err != nil {
		return r, err
	}
	c, err := b.startSluice(map[string]string{topic: "bad-user"}, false)
	if err != nil {
		return r, err
	}
	defer c.process.Kill()
	if err := c.member.Ready(ctx); err != nil {
		return r, err
	}
	var sent atomic.Int64
	in, err := (load{topic: topic, n: rate * seconds, rate: rate}).run(ctx, b.kafka.Brokers, &sent)
	if err != nil {
		return r, err
	}
	// What was sent in the last moment may still be on its way.
	if err := rig.Pause(ctx, 250*time.Millisecond); err != nil {
		return r, err
	}
	have, err := b.counted(ctx, "bad-user")
	if err != nil {
		return r, err
	}
	f, err := b.figures(ctx, c, have)
	r.Runs = []figures{f}
	r.Bars = []bar{
		timed(atLeast("others' events delivered meanwhile", float64(have.Unique)/float64(in.events-in.hottest)*100, 95, "%")),
		atLeast("requests of the failing user", float64(have.Failed), 1, ""),
		atMost("late", float64(have.Late), 0, ""),
	}
	return r, err
}
