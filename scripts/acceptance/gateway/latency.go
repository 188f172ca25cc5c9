package gateway

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// kind is one kind of request whose latency is promised.
type kind struct {
	name    string
	bar     float64 // ms
	events  int     // in a request
	request func(ctx context.Context, n int) (*http.Request, error)
}

// latencyRate is requests a second, of one kind at a time.
const latencyRate = 100

// latency measures each kind at the door, and until it arrives at a
// destination that answers at once.
func (g gateway) latency(ctx context.Context, r *suite.Result) error {
	st, err := g.stage(ctx, "latency", plan{webhooks: []rig.Webhook{reportWebhook()}, rate: 100_000})
	if err != nil {
		return err
	}
	member, err := st.run(ctx, "gateway,deliver")
	if err != nil {
		return err
	}
	for _, k := range st.kinds() {
		if err := st.measure(ctx, r, k, g); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return st.end(member)
}

func (st *stage) kinds() []kind {
	url := st.door.URL()
	return []kind{
		{"identify", 100, 1, func(ctx context.Context, n int) (*http.Request, error) {
			return send(ctx, http.MethodPut, fmt.Sprintf("%s/api/v1/customers/u%03d", url, n%300), fmt.Sprintf(`{"email":"u%03d@example.com","plan":"pro","visits":%d,"_n":%d}`, n%300, n, n+1))
		}},
		{"track", 100, 1, func(ctx context.Context, n int) (*http.Request, error) {
			return post(ctx, fmt.Sprintf("%s/api/v1/customers/u%03d/events", url, n%300), fmt.Sprintf(`{"name":"purchase","data":{"_n":%d,"price":23.45}}`, n+1))
		}},
		{"batch of 100", 500, 100, func(ctx context.Context, n int) (*http.Request, error) {
			return post(ctx, url+"/api/v2/batch", batchOf(100, n))
		}},
		{"webhook", 50, 1, reports{st.door}.request},
	}
}

// batchOf is the nth batch, of that many events with numbers of their own.
func batchOf(events, n int) string {
	entities := make([]string, events)
	for i := range entities {
		entities[i] = fmt.Sprintf(`{"type":"person","action":"event","identifiers":{"id":"u%04d"},"name":"purchase","attributes":{"_n":%d,"price":23.45,"currency":"EUR"}}`, (n*events+i)%3000, n*events+i+1)
	}
	return `{"batch":[` + strings.Join(entities, ",") + `]}`
}

// measure sends one kind at its rate, after a few to fill pools with, and
// holds both times to the bar.
func (st *stage) measure(ctx context.Context, r *suite.Result, k kind, g gateway) error {
	const warmUp = latencyRate
	n := warmUp + latencyRate*g.pick(3, 20)
	seen, err := st.sim.History(ctx, 0)
	if err != nil {
		return err
	}
	shots, err := (rig.Load{Rate: latencyRate, N: n, Hands: 256, Client: rig.LoadClient(256), Make: k.request}).Run(ctx)
	if err != nil {
		return err
	}
	if _, err := st.settled(ctx, 20*time.Second); err != nil {
		return err
	}
	r.Equal(k.name+" 200", shots.Count(http.StatusOK), int64(n))
	r.AtMost(k.name+" p95", milliseconds(shots[warmUp:].Quantile(0.95)), g.timed(k.bar), " ms")
	arrived, err := st.arrivals(ctx, k, int64(len(seen)))
	if err != nil {
		return err
	}
	delivered := make([]time.Duration, 0, (n-warmUp)*k.events)
	for _, shot := range shots[warmUp:] {
		for i := range k.events {
			at, ok := arrived[int64(shot.N*k.events+i+1)]
			if !ok {
				return fmt.Errorf("event %d of request %d did not arrive", i, shot.N)
			}
			delivered = append(delivered, time.Duration(at-shot.Due.UnixNano()))
		}
	}
	slices.Sort(delivered)
	p95 := delivered[int(math.Ceil(0.95*float64(len(delivered))))-1]
	r.AtMost(k.name+" p95 until delivered", milliseconds(p95), g.timed(k.bar), " ms")
	return nil
}

// arrivals are when the events of a kind reached their destination, in unix
// nanoseconds by number.
func (st *stage) arrivals(ctx context.Context, k kind, since int64) (map[int64]int64, error) {
	at := map[int64]int64{}
	if k.name == "webhook" {
		byBody := map[string]int64{}
		for _, h := range st.backend.all() {
			byBody[h.body] = h.at.UnixNano()
		}
		for n := range len(byBody) {
			if when, ok := byBody[reportBody(n)]; ok {
				at[int64(n)+1] = when
			}
		}
		return at, nil
	}
	history, err := st.sim.History(ctx, since)
	for _, a := range history {
		if a.Accepted() {
			at[a.N] = a.Time
		}
	}
	return at, err
}
