package outages

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// history is a window of people who come, do things, and of whom some are
// deleted, suppressed or merged. It comes in acts: no order is promised between
// people, so whatever concerns two of them must follow what it is about.
type history struct {
	people []string
	acts   [][]rig.Raw
}

// fates of people: each tenth person has the same one.
const (
	fateDeleted    = 1
	fateBack       = 2 // deleted, and then there again
	fateSuppressed = 3
	fateMerger     = 4 // into whom the next one is merged
	fateMerged     = 5
	fateDevice     = 6
	fates          = 10
)

// newHistory makes one of that many people. Its times are given, as an
// application would give them: a second run at another time comes to the same.
func newHistory(people int) history {
	h := history{acts: make([][]rig.Raw, 3)}
	base := time.Now().Add(-time.Hour).Unix()
	say := func(act int, person, action string, at int64, more string) {
		h.acts[act] = append(h.acts[act], rig.Raw{Key: []byte(person), Value: fmt.Appendf(nil,
			`{"type":"person","identifiers":{"id":%q},"action":%q,"timestamp":%d%s}`, person, action, base+at, more)})
	}
	for i := range people {
		p := fmt.Sprintf("p%04d", i)
		h.people = append(h.people, p)
		say(0, p, "identify", 1, fmt.Sprintf(`,"attributes":{"plan":"basic","born":%d}`, i))
		for n := range 3 {
			say(0, p, "event", int64(2+n), fmt.Sprintf(`,"name":"visited","attributes":{"page":%d}`, n))
		}
		switch i % fates {
		case fateDeleted:
			h.act(1, p, `{"type":"person","identifiers":{"id":%q},"action":"delete"}`)
		case fateBack:
			h.act(1, p, `{"type":"person","identifiers":{"id":%q},"action":"delete"}`)
			say(2, p, "identify", 20, `,"attributes":{"back":true}`)
			say(2, p, "event", 21, `,"name":"returned"`)
		case fateSuppressed:
			h.act(1, p, `{"type":"person","identifiers":{"id":%q},"action":"suppress"}`)
		case fateMerger:
			// It takes over the other one's events, and what it has not itself.
			say(0, p, "identify", 10, `,"attributes":{"plan":"gold"}`)
			h.act(1, p, `{"type":"person","action":"merge","primary":{"id":%q},"secondary":{"id":"`+fmt.Sprintf("p%04d", i+1)+`"}}`)
		case fateMerged: // the merge is told by the one before
			say(0, p, "identify", 11, `,"attributes":{"coupon":"c-`+p+`"}`)
		case fateDevice:
			h.act(1, p, `{"type":"person","identifiers":{"id":%q},"action":"add_device","device":{"token":"t-`+p+`","platform":"ios"}}`)
		default:
			say(1, p, "identify", 15, `,"attributes":{"plan":"gold"}`)
		}
	}
	return h
}

func (h *history) act(act int, person, format string) {
	h.acts[act] = append(h.acts[act], rig.Raw{Key: []byte(person), Value: fmt.Appendf(nil, format, person)})
}

// with are the people of one fate.
func (h history) with(fate int) []string {
	var some []string
	for i, p := range h.people {
		if i%fates == fate {
			some = append(some, p)
		}
	}
	return some
}

// play produces the acts, each when the one before is delivered.
func (st *stage) play(ctx context.Context, h history) error {
	for _, act := range h.acts {
		if err := st.kafka.Produce(ctx, st.stream, act); err != nil {
			return err
		}
		if err := st.kafka.AwaitCaughtUp(ctx, st.config.Group, st.stream, 2*time.Minute); err != nil {
			return err
		}
	}
	return nil
}

// world is what a destination knows of people: a text each, empty of nobody.
type world map[string]string

// look asks the simulator about people. What it makes up by itself is left out.
func (st *stage) look(ctx context.Context, people []string) (world, error) {
	known := world{}
	for _, p := range people {
		status, body, err := rig.Get(ctx, st.sim.URL+"/_sim/people/"+url.PathEscape(p)+"?workspace="+workspace)
		switch {
		case err != nil:
			return nil, err
		case status == http.StatusNotFound:
			known[p] = ""
			continue
		case status != http.StatusOK:
			return nil, fmt.Errorf("ask the simulator for %s: %d %s", p, status, body)
		}
		var profile map[string]json.RawMessage
		if err := json.Unmarshal(body, &profile); err != nil {
			return nil, fmt.Errorf("read %s of the simulator: %w", p, err)
		}
		delete(profile, "cio_id")
		text, err := json.Marshal(profile)
		if err != nil {
			return nil, fmt.Errorf("read %s of the simulator: %w", p, err)
		}
		known[p] = string(text)
	}
	return known, nil
}

// same holds two worlds to being one.
func same(r *suite.Result, what string, have, want world) {
	var differ []string
	for p := range want {
		if have[p] != want[p] {
			differ = append(differ, p)
		}
	}
	slices.Sort(differ)
	told := fmt.Sprintf("%d of %d people differ", len(differ), len(want))
	if len(differ) > 0 {
		told += fmt.Sprintf(", as %s: have %s, want %s", differ[0], orNobody(have[differ[0]]), orNobody(want[differ[0]]))
	}
	r.Holds(what, len(differ) == 0, told, "none differs")
}

func orNobody(text string) string {
	if text == "" {
		return "nobody"
	}
	return strings.ReplaceAll(text, `"`, "")
}

// wipe makes the simulator forget everything, its history too.
func (st *stage) wipe(ctx context.Context) error {
	if err := st.update(ctx); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, st.sim.URL+"/_sim/state", http.NoBody)
	if err != nil {
		return fmt.Errorf("wipe the simulator: %w", err)
	}
	request.Close = true
	answer, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return fmt.Errorf("wipe the simulator: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("wipe the simulator: it answered %s", answer.Status)
	}
	st.read = 0
	return nil
}
