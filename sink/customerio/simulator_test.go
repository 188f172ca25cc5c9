package customerio_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"

	"sluice/pipeline/event"
	"sluice/sink"
	"sluice/sink/customerio"
	"sluice/sink/simulator"
)

// simulated is a sink and the simulator that it delivers to.
func simulated(t *testing.T, region string) (*customerio.Sink, *simulator.Simulator) {
	t.Helper()
	cfg := simulator.DefaultConfig()
	cfg.Keys = []simulator.Key{{Site: "site", Secret: "hunter2", Region: region}}
	sim, err := simulator.New(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	c := good()
	c.BaseURL = server.URL
	s, err := customerio.New(c, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, sim
}

// Everything that the sink can say is understood and carried out, by v2 and by
// v1, and a redelivery has no second effect.
func TestAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	s, sim := simulated(t, "us")
	pad := strings.Repeat("x", 900)
	var attributes []string
	for name := range strings.SplitSeq("a b c d e f g h i j k l m n o p q r s t u v w x y z aa ab ac ad ae af ag ah ai aj ak al", " ") {
		attributes = append(attributes, `"`+name+`":"`+pad+`"`)
	}
	large := strings.Join(attributes, ",")
	batch := prepare(
		t, s,
		`{"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"plan":"pro"}}`,
		`{"type":"person","action":"event","identifiers":{"id":"42"},"name":"purchase","attributes":{"_seq":1}}`,
		`{"type":"person","action":"event","identifiers":{"id":"42"},"name":"`+strings.Repeat("n", 101)+`"}`,
		`{"type":"person","action":"page","identifiers":{"email":"a@b.io"},"name":"home"}`,
		`{"type":"person","action":"add_device","identifiers":{"id":"42"},"device":{"token":"t","platform":"ios"}}`,
		`{"type":"object","action":"identify","identifiers":{"object_type_id":"1","object_id":"acme"}}`,
		`{"type":"person","action":"add_relationships","identifiers":{"id":"42"},"cio_relationships":[{"identifiers":{"object_type_id":"1","object_id":"acme"}}]}`,
	)
	for range 2 {
		have := s.Deliver(t.Context(), batch)
		if have.Verdict != sink.Delivered || len(have.Items) != 1 || have.Items[0].Index != 2 || have.Items[0].Verdict != sink.Rejected {
			t.Errorf("the batch: %+v", have)
		}
	}
	for _, value := range []string{
		`{"type":"person","action":"identify","identifiers":{"id":"big"},"attributes":{"_timestamp":1,` + large + `}}`,
		`{"type":"person","action":"event","identifiers":{"id":"big"},"name":"long","attributes":{` + large + `}}`,
		`{"type":"person","action":"event","identifiers":{"anonymous_id":"anon"},"name":"visit"}`,
	} {
		for range 2 {
			if have := s.Deliver(t.Context(), prepare(t, s, value)); have.Verdict != sink.Delivered || have.Items != nil {
				t.Errorf("%.80s: %+v", value, have)
			}
		}
	}
	for op, value := range map[string]string{
		"form_submit": `{"form_id":"f 1","body":{"data":{"email":"a@b.io"}}}`,
		"segment_add": `{"segment_id":7,"id_type":"id","body":{"ids":["42"]}}`,
		"metrics":     `{"body":{"delivery_id":"d","metric":"opened"}}`,
		"push_event":  `{"body":{"delivery_id":"d","event":"opened","device_id":"t"}}`,
		"invite":      `{"body":{"name":"invited","data":{"recipient":"a@b.io"}}}`,
		"unsubscribe": `{"delivery_id":"d","body":{"unsubscribe":true}}`,
	} {
		e := load(9, value, event.Header{Key: "op", Value: []byte(op)})
		if s.Prepare(e); e.Fault != nil {
			t.Errorf("%s: %+v", op, *e.Fault)
			continue
		}
		if have := s.Deliver(t.Context(), []*event.Event{e}); have.Verdict != sink.Delivered {
			t.Errorf("%s: %+v", op, have)
		}
	}
	for id, want := range map[string]struct {
		events    int64
		attribute string
	}{"42": {1, "plan"}, "big": {1, "al"}, "a@b.io": {1, ""}} {
		person, ok := sim.Person("site", id)
		if _, has := person.Attributes[want.attribute]; !ok || person.Events != want.events || (want.attribute != "" && !has) {
			t.Errorf("%s: want %+v, have %t, %d events, attributes %v", id, want, ok, person.Events, len(person.Attributes))
		}
	}
	if person, _ := sim.Person("site", "big"); person.Timestamps["al"] != 1_700_000_000 {
		t.Errorf("the large identify counts as of %d", person.Timestamps["al"])
	}
	if person, _ := sim.Person("site", "42"); len(person.Related) != 1 || len(person.Devices) != 1 || len(person.Segments) != 1 {
		t.Errorf("%+v", person)
	}
}

func TestWrongRegionIsRefused(t *testing.T) {
	t.Parallel()
	s, sim := simulated(t, "eu")
	have := s.Deliver(t.Context(), prepare(t, s, purchase(1)))
	if have.Verdict != sink.Refused || have.Lost || !strings.Contains(have.Reason, "region") {
		t.Errorf("%+v", have)
	}
	if len(sim.History()) > 1 {
		t.Errorf("the redirect was followed: %+v", sim.History())
	}
}
