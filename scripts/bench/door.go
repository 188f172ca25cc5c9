package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
)

// requests are what is sent to the gateway and to its floor alike.
type requests struct {
	path   string
	events int // in each
	rate   int // a second
	body   func(n int) string
}

const doorUsers = 5_000

// doorTrack is single track calls beside the floor.
func doorTrack(ctx context.Context, b *bench) (row, error) {
	return door(ctx, b, "gateway-track", requests{
		path: "/api/v1/customers/u%04d/events", events: 1, rate: 2_000,
		body: func(n int) string {
			return fmt.Sprintf(`{"name":"purchase","data":{"price":23.45,"currency":"EUR","order":"o-%07d","product":"shoes","size":"42","source":"web"}}`, n)
		},
	})
}

// doorBatch is v2 batches of 100 beside the floor, which makes as many records.
func doorBatch(ctx context.Context, b *bench) (row, error) {
	const events = 100
	return door(ctx, b, "gateway-batch", requests{
		path: "/api/v2/batch", events: events, rate: 100,
		body: func(n int) string {
			entities := make([]string, events)
			for i := range entities {
				entities[i] = fmt.Sprintf(`{"type":"person","action":"event","identifiers":{"id":"u%04d"},"name":"purchase","attributes":{"price":23.45,"currency":"EUR","order":"o-%07d","product":"shoes","size":"42"}}`,
					(n*events+i)%doorUsers, n*events+i)
			}
			return `{"batch":[` + strings.Join(entities, ",") + `]}`
		},
	})
}

// door sends the same requests at the same rate to both, the floor first and
// last, so that a machine that grows busier favours neither.
func door(ctx context.Context, b *bench, name string, q requests) (row, error) {
	n := q.rate * b.size(4, 20)
	r := row{Step: name, What: fmt.Sprintf("%d requests of %d events, %d a second, acks=all; one contender at a time", n, q.events, q.rate)}
	topic, err := b.topic(ctx, name)
	if err != nil {
		return r, err
	}
	for _, contender := range []string{"floor", "sluice", "sluice", "floor"} {
		start := b.startFloor
		if contender == "sluice" {
			start = b.startDoor
		}
		f, err := b.knock(ctx, q, n, func() (*entrance, error) { return start(ctx, topic) })
		if err != nil {
			return r, fmt.Errorf("%s: %w", contender, err)
		}
		r.Runs = append(r.Runs, f)
	}
	floor, ours := mean(r.Runs[0], r.Runs[3]), mean(r.Runs[1], r.Runs[2])
	r.Bars = []bar{
		timed(atMost("CPU, of the floor's", ours.CPU/floor.CPU, 1.5, "x")),
		atMost("not answered 200", float64(4*n*q.events)-float64(r.Runs[0].Events+r.Runs[1].Events+r.Runs[2].Events+r.Runs[3].Events), 0, ""),
	}
	return r, nil
}

// entrance is a way in under measurement.
type entrance struct {
	*contender
	url  string
	auth string // user:password
}

func (b *bench) startFloor(ctx context.Context, topic string) (*entrance, error) {
	addr, err := rig.FreeAddr()
	if err != nil {
		return nil, err
	}
	p, err := b.rig.Start("floor", rig.Pipes{}, b.rig.Program("floor"), "-brokers", b.kafka.Brokers, "-topic", topic, "-listen", addr)
	if err != nil {
		return nil, err
	}
	url := "http://" + addr
	err = rig.Await(ctx, 10*time.Second, "the floor to answer", func(ctx context.Context) bool {
		status, _, err := rig.Post(ctx, url, []byte(`{}`))
		return err == nil && status == http.StatusOK
	})
	return &entrance{contender: b.begin("floor", p, nil), url: url}, err
}

func (b *bench) startDoor(ctx context.Context, topic string) (*entrance, error) {
	door, err := rig.NewDoor()
	if err != nil {
		return nil, err
	}
	door.Credentials[rig.Credentials("w")] = topic
	c := b.config(map[string]string{topic: "w"}, true)
	c.Door = door
	m, err := b.rig.RunAs(c, "gateway", "")
	if err != nil {
		return nil, err
	}
	if err := door.Await(ctx, m); err != nil {
		return nil, err
	}
	return &entrance{contender: b.begin("sluice", m.Process, m), url: door.URL(), auth: rig.Credentials("w")}, nil
}

// knock sends the requests to a contender and ends it. What the first second
// costs, connections and pools, is no cost of a request.
func (b *bench) knock(ctx context.Context, q requests, n int, start func() (*entrance, error)) (figures, error) {
	const conns = 64
	c, err := start()
	if err != nil {
		return figures{}, err
	}
	defer c.process.Kill()
	client := rig.LoadClient(conns)
	defer client.CloseIdleConnections()
	load := rig.Load{Rate: q.rate, N: q.rate, Hands: conns, Client: client, Make: c.request(q)}
	if _, err := load.Run(ctx); err != nil {
		return figures{}, err
	}
	if c.member != nil {
		if m, err := c.member.Metrics(ctx); err == nil {
			c.warm = warm{bytes: m[allocatedBytes], allocs: m[allocations]}
		}
	}
	before, machine, others, began := groupsUsage(c.process.Pid()), machineCPU(), b.supportCPU(), time.Now()
	load.N = n
	shots, err := load.Run(ctx)
	if err != nil {
		return figures{}, err
	}
	used, seconds := groupsUsage(c.process.Pid()), time.Since(began).Seconds()
	events := shots.Count(http.StatusOK) * int64(q.events)
	f := figures{Contender: c.name, Events: events, Requests: int64(n), Seconds: seconds, Rate: float64(events) / seconds, RSS: used.rssMB}
	f.CPU = (used.cpu - before.cpu) / float64(max(events, 1)) * 100_000
	f.OtherCores = (machineCPU() - machine - (used.cpu - before.cpu) - (b.supportCPU() - others)) / seconds
	if c.member != nil {
		m, err := c.member.Metrics(ctx)
		if err != nil {
			return f, err
		}
		f.Bytes = (m[allocatedBytes] - c.warm.bytes) / float64(max(events, 1))
		f.Allocs = (m[allocations] - c.warm.allocs) / float64(max(events, 1))
	}
	return f, nil
}

// request makes the requests for one contender.
func (c *entrance) request(q requests) func(context.Context, int) (*http.Request, error) {
	user, password, _ := strings.Cut(c.auth, ":")
	return func(ctx context.Context, n int) (*http.Request, error) {
		path := q.path
		if strings.Contains(path, "%") {
			path = fmt.Sprintf(path, n%doorUsers)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, strings.NewReader(q.body(n)))
		if err != nil {
			return nil, fmt.Errorf("make a request: %w", err)
		}
		req.SetBasicAuth(user, password)
		req.Header.Set("Content-Type", "application/json")
		// For the floor alone, which does not look into the body.
		req.Header.Set("X-Records", strconv.Itoa(q.events))
		req.Header.Set("X-Key", "u"+strconv.Itoa(n))
		return req, nil
	}
}
