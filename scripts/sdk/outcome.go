package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sluice/scripts/acceptance/rig"
)

// Judge compares what stands in a simulator's workspace with what the plays
// Alone and Together meant, and returns each difference in words.
func (l Library) Judge(ctx context.Context, sim *rig.Simulator, workspace string, who Caller) ([]string, error) {
	j := &judge{sim: sim, workspace: workspace, p: func(name string) string { return who.Prefix + "-" + name }}
	if err := j.people(ctx, l, who); err != nil {
		return nil, err
	}
	if l.Name == Node().Name {
		if err := j.object(ctx); err != nil {
			return nil, err
		}
	}
	return j.wrong, j.effects(ctx, l)
}

type judge struct {
	sim       *rig.Simulator
	workspace string
	p         func(name string) string
	wrong     []string
}

func (j *judge) fault(format string, args ...any) {
	j.wrong = append(j.wrong, fmt.Sprintf(format, args...))
}

// person is what must be known of somebody.
type person struct {
	by         string            // the identifier to ask by
	attributes map[string]string // JSON values
	devices    []string
	segments   []string
	events     int64
	nobody     bool
}

func (j *judge) people(ctx context.Context, l Library, who Caller) error {
	p := j.p
	buyer := person{by: p("buyer"), devices: []string{p("phone")}, events: 4, attributes: map[string]string{
		"email": `"` + p("buyer") + `@example.com"`, "created_at": "1361205308", "plan": `"pro"`, "note": `"naïve 日本 😀"`, "unsubscribed": "false",
	}}
	expected := []person{
		{by: p("a/b+c%2F?x=1&y d"), attributes: map[string]string{"x": "1"}},
		{by: who.Prefix + "+tag@Example.com", attributes: map[string]string{"x": "2"}},
		{by: fmt.Sprint(who.Number), attributes: map[string]string{"x": "3"}},
		{by: p("anon"), events: 1},
		{by: p("gone"), nobody: true},
		{by: p("blocked"), nobody: true},
		{by: p("twin"), nobody: true},
		{by: p("nobody"), nobody: true},
		{by: p("freed"), attributes: map[string]string{"x": "1"}},
		{by: p("kept"), attributes: map[string]string{"a": "1", "b": "2"}},
		{by: p("batched"), attributes: map[string]string{"plan": `"x"`}, events: 1},
	}
	switch l.Name {
	case Node().Name:
		buyer.segments = []string{"7"}
		expected = append(expected, person{by: p("form") + "@example.com", attributes: map[string]string{"first_name": `"F"`}})
	case Python().Name:
		expected = append(expected, person{by: p("backfilled"), events: 1})
	}
	for _, want := range append(expected, buyer) {
		have, found, err := j.sim.Person(ctx, j.workspace, want.by)
		if err != nil {
			return err
		}
		if found == want.nobody {
			j.fault("%s is known: %v", want.by, found)
			continue
		}
		if found {
			j.compare(want, have)
		}
	}
	return nil
}

func (j *judge) compare(want person, have rig.Profile) {
	for name, value := range want.attributes {
		if !sameJSON(have.Attributes[name], value) {
			j.fault("%s has %s %s, want %s", want.by, name, have.Attributes[name], value)
		}
	}
	var devices []string
	for _, d := range have.Devices {
		devices = append(devices, d.Name())
		if d.Platform != "ios" || d.LastUsed != 1613063089 || d.Attributes["app_version"] != "1.2" {
			j.fault("%s has device %+v", want.by, d)
		}
	}
	if !slices.Equal(devices, want.devices) {
		j.fault("%s has devices %v, want %v", want.by, devices, want.devices)
	}
	if !slices.Equal(have.Segments, want.segments) {
		j.fault("%s is in segments %v, want %v", want.by, have.Segments, want.segments)
	}
	if have.Events != want.events {
		j.fault("%s has %d events, want %d", want.by, have.Events, want.events)
	}
}

func sameJSON(have json.RawMessage, want string) bool {
	var a, b any
	return json.Unmarshal(have, &a) == nil && json.Unmarshal([]byte(want), &b) == nil && fmt.Sprint(a) == fmt.Sprint(b)
}

func (j *judge) object(ctx context.Context) error {
	have, found, err := j.sim.Object(ctx, j.workspace, "1", j.p("acme"))
	if err != nil {
		return err
	}
	if !found || !bytes.Equal(have.Attributes["name"], []byte(`"Acme"`)) {
		j.fault("the object has attributes %v", have.Attributes)
	}
	if len(have.Related) != 1 || have.Related[0].With != j.p("buyer") {
		j.fault("the object is related to %v", have.Related)
	}
	return nil
}

// effects looks at what leaves nothing with a person: how often each took
// effect, by operation, user and name.
func (j *judge) effects(ctx context.Context, l Library) error {
	arrivals, err := j.sim.History(ctx, 0)
	if err != nil {
		return err
	}
	have := map[string]int{}
	for _, a := range arrivals {
		if a.Workspace == j.workspace && a.Effect {
			have[strings.Join([]string{a.Op, a.User, a.Name}, " ")]++
		}
	}
	want := map[string]int{
		"track " + j.p("buyer") + " purchase": 2, "track " + j.p("buyer") + " refund": 1,
		"page " + j.p("buyer") + " /home?x=1": 1, "track  " + j.p("invited"): 1,
	}
	if l.Name == Node().Name {
		for _, w := range []string{"metric " + j.p("delivery") + " clicked", "push " + j.p("delivery") + " opened", "unsubscribe " + j.p("delivery") + " "} {
			want[w] = 1
		}
	}
	for what, times := range want {
		if have[what] != times {
			j.fault("%q took effect %d times, want %d", what, have[what], times)
		}
	}
	slices.Sort(j.wrong)
	return nil
}
