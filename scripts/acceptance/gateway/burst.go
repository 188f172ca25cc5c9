package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

const burstSecret = "burst-signing-secret"

// reports makes the webhooks of a burst, each with an event id of its own.
type reports struct{ door *rig.Door }

func reportBody(n int) string {
	return fmt.Sprintf(`{"event_id":"01J0000000000000000%07d","object_type":"email","metric":"delivered","timestamp":1700000000,"data":{"identifiers":{"id":"u%04d"},"delivery_id":"d%07d","subject":"Your order, at last","recipient":"u%04d@example.com"}}`, n, n%5000, n, n%5000)
}

func (p reports) request(ctx context.Context, n int) (*http.Request, error) {
	body := reportBody(n)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.door.URL()+"/webhooks/cio-reports", strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make a webhook: %w", err)
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-CIO-Timestamp", at)
	req.Header.Set("X-CIO-Signature", sign(burstSecret, at, body))
	return req, nil
}

func reportWebhook() rig.Webhook {
	return rig.Webhook{Name: "cio-reports", Settings: map[string]string{
		"scheme": "customerio", "secrets": "[" + burstSecret + "]", "key": "[data.identifiers.id, data.identifiers.email]",
	}}
}

// burst sends 10,000 webhooks in five seconds to a backend that takes far
// fewer a second.
func (g gateway) burst(ctx context.Context, r *suite.Result) error {
	const n = 10_000
	rate := g.pick(500, 100)
	st, err := g.stage(ctx, "burst", plan{webhooks: []rig.Webhook{reportWebhook()}, rate: rate})
	if err != nil {
		return err
	}
	member, err := st.run(ctx, "gateway,deliver")
	if err != nil {
		return err
	}
	p := reports{st.door}
	shots, err := (rig.Load{Rate: n / 5, N: n, Hands: 512, Client: rig.LoadClient(512), Make: p.request}).Run(ctx)
	if err != nil {
		return err
	}
	r.Note("load", shots.String())
	for second := range slices.Chunk(shots, n/5) {
		r.Note("p95 of a second", second.Quantile(0.95).Round(100*time.Microsecond).String())
	}
	r.Equal("acknowledged", shots.Count(http.StatusOK), n)
	r.AtMost("p95", milliseconds(shots.Quantile(0.95)), g.timed(50), " ms")
	if _, err := st.settled(ctx, n/time.Duration(rate)*time.Second*5/4+30*time.Second); err != nil {
		return err
	}
	hits := st.backend.all()
	lost, doubled, altered := compareReports(hits, n)
	r.Equal("lost", lost, 0)
	r.Equal("doubled", doubled, 0)
	r.Equal("altered, or signed no more", altered, 0)
	g.even(r, times(hits), rate)
	return st.end(member)
}

// timed is a bar with time in it: in the short form, on a machine that does other
// work beside, only a fault of ours should miss it.
func (g gateway) timed(bar float64) float64 {
	if g.rig.Long {
		return bar
	}
	return bar * 4
}

// gate is a bar of the full form, and the wider one of the short form.
func (g gateway) gate(full, short float64) float64 {
	if g.rig.Long {
		return full
	}
	return short
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// compareReports counts what is missing at the backend, what came again, and what its
// own check of the signature would refuse.
func compareReports(hits []hit, n int) (lost, doubled, altered int64) {
	have := map[string]int{}
	for _, h := range hits {
		have[h.body]++
		if h.header.Get("X-CIO-Signature") != sign(burstSecret, h.header.Get("X-CIO-Timestamp"), h.body) || h.method != http.MethodPost {
			altered++
		}
	}
	for i := range n {
		switch times := have[reportBody(i)]; {
		case times == 0:
			lost++
		case times > 1:
			doubled++
		}
		delete(have, reportBody(i))
	}
	return lost, doubled, altered + int64(len(have))
}

// even holds a stream to a rate: no window with much more, and hardly less.
func (g gateway) even(r *suite.Result, t rig.Times, rate int) {
	if len(t) < 2*rate {
		r.AtLeast("requests at the backend", float64(len(t)), float64(2*rate), "")
		return
	}
	// From the second second on, and before the last: a start and an end are no rate.
	from, to := time.Unix(0, t[0]).Add(time.Second), time.Unix(0, t[len(t)-1]).Add(-time.Second)
	r.AtMost("busiest second at the backend, of its rate", float64(t.Busiest(time.Second))/float64(rate), g.gate(1.05, 1.25), "x")
	r.AtMost("busiest tenth of a second", float64(t.Busiest(100*time.Millisecond))/(float64(rate)/10), g.gate(1.3, 1.8), "x")
	r.AtLeast("of its rate used", 100*t.Rate(from, to)/float64(rate), g.gate(95, 80), "%")
}
