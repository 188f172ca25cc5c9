package spread

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// The shield's case: so many webhooks at once, which a rule spreads, and a few
// among them that are not to wait. All go through to a backend that bears
// hookRate of the many a second, and hookBudget requests of both.
const (
	hookBurst  = 2_000
	hookUrgent = 20 // one in so many
	hookWindow = 20 * time.Second
	hookRate   = 120
	hookMost   = hookRate + 2 // in any second: a rate may have one more, and some are longer on their way than others
	hookBudget = 150

	hookAway = 5 * time.Second // how long the backend fails, half-way through a burst

	hookSecret    = "shield-signing-secret"
	hookSignature = "X-Hub-Signature-256"
	hookKind      = "X-Hook-Event"
	hookMany      = "push"
	hookFew       = "alert"
)

// shield has bursts of signed webhooks go through to a backend. What they are is
// said by a header of theirs and by their JSON: the rules read both.
func (s spread) shield(ctx context.Context, r *suite.Result) error {
	st, err := s.shieldStage(ctx)
	if err != nil {
		return err
	}
	if err := st.send(ctx, r, burstOf{name: "calm", n: hookBurst}, nil); err != nil {
		return err
	}
	many := st.backend.all().of(hookMany).times()
	first, last := time.Unix(0, many[0]), time.Unix(0, many[len(many)-1])
	r.AtMost("busiest second", float64(many.Busiest(time.Second)), s.gate(hookMost, hookMost+4), "")
	r.AtMost("busiest tenth of a second", float64(many.Busiest(100*time.Millisecond)), s.gate(hookRate/10+6, hookRate/10+10), "")
	r.AtLeast("spread over", last.Sub(first).Seconds(), (hookWindow - tolerance).Seconds(), " s")
	r.AtMost("and", last.Sub(first).Seconds(), (hookWindow + tolerance).Seconds(), " s")

	begin := time.Now()
	var up time.Time
	err = st.send(ctx, r, burstOf{name: "failing", n: hookBurst}, func() error {
		if err := rig.Pause(ctx, time.Until(begin.Add(hookWindow/2-hookAway/2))); err != nil {
			return err
		}
		st.backend.away.Store(true)
		err := rig.Pause(ctx, hookAway)
		st.backend.away.Store(false)
		up = time.Now()
		return err
	})
	if err != nil {
		return err
	}
	st.recovered(r, st.backend.all().of(hookMany).since(begin), up)
	return st.end()
}

// recovered looks at what a backend was asked that had failed: as few requests
// as find out whether it is back, then as even a stream as ever.
func (sh *shielded) recovered(r *suite.Result, asked hits, up time.Time) {
	all := asked.times()
	after := asked.since(up).times()
	first, last := time.Unix(0, after[0]), time.Unix(0, after[len(after)-1])
	failed := 0
	for _, h := range asked {
		if h.status != http.StatusOK {
			failed++
		}
	}
	r.AtMost("asked while it failed", float64(failed), 60, "")
	r.AtMost("again after", first.Sub(up).Seconds(), 4, " s")
	r.AtMost("busiest second, repeats and all", float64(all.Busiest(time.Second)), sh.gate(hookMost, hookMost+4), "")
	steady := first.Add(3 * time.Second) // the breaker closes by single probes
	r.AtMost("dispersion of tenths of a second", dispersion(all.Between(steady, last), 100*time.Millisecond), sh.gate(0.5, 0.8), " (1: at random)")
	r.AtMost("busiest second of repeats", float64(asked.again().times().Busiest(time.Second)), hookRate/2, "")
	r.Note("repeats", fmt.Sprint(len(asked.again())))
	r.AtMost("all after", last.Sub(up).Seconds(), (hookWindow/2 + 2*hookAway).Seconds(), " s")
}

// shielded is a stage with a door for webhooks and a backend behind it.
type shielded struct {
	*stage
	door    *rig.Door
	backend *backend
}

// shieldStage starts two members, one of them with the door.
func (s spread) shieldStage(ctx context.Context) (*shielded, error) {
	kafka, err := s.rig.Kafka(ctx, 1)
	if err != nil {
		return nil, err
	}
	sh := &shielded{stage: &stage{spread: s, kafka: kafka, stream: s.rig.Name("hooks")}}
	if sh.backend, err = openBackend(); err != nil {
		return nil, err
	}
	if sh.door, err = rig.NewDoor(); err != nil {
		return nil, err
	}
	sh.door.Webhooks = []rig.Webhook{{Name: "shop", Settings: map[string]string{
		"stream": sh.stream, "scheme": "hmac", "secrets": "[" + hookSecret + "]", "signature": "{header: " + hookSignature + `, prefix: "sha256="}`,
		"key": "[sender.id]", "id": "[id]", "carry": "[" + hookKind + "]",
	}}}
	sh.config = rig.Config{
		Brokers: kafka.Brokers, Group: s.rig.Name("group"),
		Workspaces: []rig.Workspace{{Name: workspace, URL: sh.backend.url, Settings: map[string]string{
			"budget": fmt.Sprintf("{requests: %d/s, events: unlimited}", hookBudget), "passthrough": "true",
			"breaker": "{failures: 5, probe_after: 1s, successes: 3}",
			"rules": fmt.Sprintf("[{name: urgent, match: {kind: %s, alert.severity: [high, critical]}, priority: high}, {name: many, match: {header.%s: %s, exists: [sender.id]}, spread: %v, rate: %d/s}]",
				hookFew, strings.ToLower(hookKind), hookMany, hookWindow, hookRate),
		}}},
		Streams: []rig.Stream{{Name: sh.stream, Workspace: workspace, Partitions: partitions, Copies: 1}},
	}
	if err := sh.apply(ctx); err != nil {
		return nil, err
	}
	gate := sh.config
	gate.Door = sh.door
	first, err := s.rig.RunAs(gate, "gateway,deliver", "")
	if err != nil {
		return nil, err
	}
	sh.members = append(sh.members, first)
	if err := sh.door.Await(ctx, first); err != nil {
		return nil, err
	}
	return sh, sh.start(ctx, 1)
}

// end stops the members and the backend.
func (sh *shielded) end() error {
	if err := sh.stop(); err != nil {
		return err
	}
	return sh.backend.close()
}

// burstOf is so many webhooks, some of them urgent.
type burstOf struct {
	name string
	n    int
}

// hookOf is the kind of a burst's ith webhook.
func hookOf(i int) string {
	if i%hookUrgent == 0 {
		return hookFew
	}
	return hookMany
}

func (b burstOf) body(i int) string {
	severity := "none"
	if hookOf(i) == hookFew {
		severity = "critical"
	}
	return fmt.Sprintf(`{"id":"%s-%05d","kind":"%s","sender":{"id":"u%05d"},"alert":{"severity":"%s"}}`, b.name, i, hookOf(i), i, severity)
}

// send posts a burst at once and waits until the backend has taken all of it,
// while it lets meanwhile happen.
func (sh *shielded) send(ctx context.Context, r *suite.Result, b burstOf, meanwhile func() error) error {
	begin := time.Now()
	shots, err := (rig.Load{Rate: 4 * b.n, N: b.n, Hands: 256, Client: rig.LoadClient(256), Make: func(ctx context.Context, i int) (*http.Request, error) {
		body := b.body(i)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, sh.door.URL()+"/webhooks/shop", strings.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("make a webhook: %w", err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(hookKind, hookOf(i))
		req.Header.Set(hookSignature, signHook(body))
		return req, nil
	}}).Run(ctx)
	if err != nil {
		return err
	}
	r.Note(b.name+" burst", fmt.Sprintf("%s, in %.1f s", shots, time.Since(begin).Seconds()))
	r.Equal(b.name+": acknowledged", shots.Count(http.StatusOK), int64(b.n))
	if meanwhile != nil {
		if err := meanwhile(); err != nil {
			return err
		}
	}
	taken := map[string]int{}
	err = rig.Await(ctx, 2*time.Minute, fmt.Sprintf("%d webhooks to be taken", b.n), func(context.Context) bool {
		taken = sh.backend.all().accepted()
		return b.lost(taken) == 0
	})
	if err != nil {
		return fmt.Errorf("%w; %d were not", err, b.lost(taken))
	}
	doubled := int64(0)
	for i := range b.n {
		doubled += int64(taken[b.body(i)] - 1)
	}
	urgent := sh.backend.all().of(hookFew).since(begin).times()
	r.Equal(b.name+": lost", b.lost(taken), 0)
	r.Equal(b.name+": taken twice", doubled, 0)
	r.AtMost(b.name+": the last urgent one after", time.Unix(0, urgent[len(urgent)-1]).Sub(begin).Seconds(), sh.gate(3, 5), " s")
	return nil
}

// lost is how many of a burst have not been taken.
func (b burstOf) lost(taken map[string]int) (lost int64) {
	for i := range b.n {
		if taken[b.body(i)] == 0 {
			lost++
		}
	}
	return lost
}

// signHook is what a webhook's sender proves itself by.
func signHook(body string) string {
	sum := hmac.New(sha256.New, []byte(hookSecret))
	_, _ = sum.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(sum.Sum(nil))
}
