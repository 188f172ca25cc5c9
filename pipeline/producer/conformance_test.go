package producer_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/pipeline/event"
	"sluice/pipeline/producer"
	"sluice/sink/customerio"
	"sluice/sink/simulator"
)

// destination is Customer.io's sink and the simulator that it delivers to.
type destination struct {
	sink *customerio.Sink
	sim  *simulator.Simulator
}

func newDestination(t *testing.T) destination {
	t.Helper()
	cfg := simulator.DefaultConfig()
	cfg.Keys = []simulator.Key{{Site: "site", Secret: "key"}}
	sim, err := simulator.New(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	c := customerio.DefaultConfig()
	c.Workspace, c.Region, c.SiteID, c.APIKey, c.BaseURL = "acme", "us", "site", "key", server.URL
	sink, err := customerio.New(c, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sink.Close)
	return destination{sink, sim}
}

// deliver takes a record the whole way, and says what went wrong.
func (d destination) deliver(ctx context.Context, r event.Record, offset int64) error {
	r.Offset = offset
	var e event.Event
	e.Load(r, "cluster")
	e.PrepareEntity()
	if e.Fault != nil {
		return fmt.Errorf("prepare: %s: %s", e.Fault.Reason, e.Fault.Detail)
	}
	if key, err := event.EntityKey(r.Value); err != nil || string(key) != string(r.Key) {
		return fmt.Errorf("the key of %d bytes is not the entity's (%w)", len(r.Key), err)
	}
	e.Load(r, "cluster")
	d.sink.Prepare(&e)
	if e.Fault != nil {
		return fmt.Errorf("the sink's prepare: %s: %s", e.Fault.Reason, e.Fault.Detail)
	}
	if have := d.sink.Deliver(ctx, []*event.Event{&e}); have.Verdict.String() != "delivered" || len(have.Items) > 0 {
		return fmt.Errorf("deliver: %+v", have)
	}
	return nil
}

// Each method means at the destination what it says: calls in order, and what
// the simulator knows after each.
func TestConformance(t *testing.T) {
	t.Parallel()
	d, a := newDestination(t), &fake{}
	p := library(t, a, nil)
	ctx := t.Context()
	ada, acme := producer.ID("42"), producer.ObjectID("1", "acme")
	said := func(id string) simulator.Person { person, _ := d.sim.Person("site", id); return person }
	object := func() simulator.Person { o, _ := d.sim.Object("site", "1", "acme"); return o }
	gone := func(id string) bool { _, ok := d.sim.Person("site", id); return !ok }
	related := func(v simulator.Person, with string) bool {
		return slices.ContainsFunc(v.Related, func(r simulator.Relation) bool { return r.With == with })
	}
	large := many(60, 990)
	for _, step := range []struct {
		name  string
		err   error
		op    string
		holds func() bool
	}{
		{
			"identify", p.Identify(ctx, ada, map[string]any{"email": "ada@example.com", "plan": "pro"}, producer.At(time.Unix(1_700_000_000, 0))), "identify",
			func() bool {
				return said("42").Email == "ada@example.com" && string(said("42").Attributes["plan"]) == `"pro"` && said("42").Timestamps["plan"] == 1_700_000_000
			},
		},
		{
			"an older one loses", p.Identify(ctx, ada, map[string]any{"plan": "free"}, producer.At(time.Unix(1_600_000_000, 0))), "identify",
			func() bool { return string(said("42").Attributes["plan"]) == `"pro"` },
		},
		{
			"a large one", p.Identify(ctx, ada, large), "identify",
			func() bool { return len(said("42").Attributes) == 62 },
		},
		{
			"identify by phone", p.Identify(ctx, producer.Phone("+31201234567"), map[string]any{"n": 1}), "identify",
			func() bool { return string(said("+31201234567").Attributes["n"]) == "1" },
		},
		{
			"track", p.Track(ctx, ada, "purchase", map[string]any{"total": 12.5}, producer.EventID("order-1")), "track",
			func() bool { return said("42").Events == 1 },
		},
		{
			"a repeat of it", p.Track(ctx, ada, "purchase", map[string]any{"total": 12.5}, producer.EventID("order-1")), "",
			func() bool { return said("42").Events == 1 },
		},
		{"a large one", p.Track(ctx, ada, "purchase", large), "track", func() bool { return said("42").Events == 2 }},
		{"page", p.Page(ctx, producer.Email("ADA@example.com"), "/", nil), "page", func() bool { return said("42").Events == 3 }},
		{"screen", p.Screen(ctx, ada, "home", nil), "screen", func() bool { return said("42").Events == 4 }},
		{"anonymous", p.Track(ctx, producer.Anonymous("visitor"), "visit", nil), "track", func() bool { return said("42").Events == 4 }},
		{"becomes hers", p.Identify(ctx, ada, map[string]string{"anonymous_id": "visitor"}), "identify", func() bool { return said("42").Events == 5 }},
		{
			"add device", p.AddDevice(ctx, ada, producer.Device{Token: "t", Platform: "android", LastUsed: time.Unix(7, 0)}), "add_device",
			func() bool {
				return len(said("42").Devices) == 1 && strings.Contains(string(said("42").Devices[0]), `"last_used":7`)
			},
		},
		{"delete device", p.DeleteDevice(ctx, ada, "t"), "delete_device", func() bool { return len(said("42").Devices) == 0 }},
		{
			"identify object", p.Identify(ctx, acme, map[string]any{"name": "Acme"}), "object_identify",
			func() bool { return string(object().Attributes["name"]) == `"Acme"` },
		},
		{
			"relate a person", p.AddRelationships(ctx, ada, with(acme, map[string]any{"role": "admin"})), "add_relationships",
			func() bool {
				v := said("42")
				return related(v, "1:acme") && string(v.Related[0].Attributes) == `{"role":"admin"}`
			},
		},
		{"unrelate her", p.DeleteRelationships(ctx, ada, with(acme, nil)), "delete_relationships", func() bool { return !related(object(), "42") }},
		{"relate an object", p.AddRelationships(ctx, acme, with(ada, nil)), "object_add_relationships", func() bool { return related(object(), "42") }},
		{"unrelate it", p.DeleteRelationships(ctx, acme, with(ada, nil)), "object_delete_relationships", func() bool { return !related(object(), "42") }},
		{
			"an entity", p.Entity(ctx, []byte(`{"type":"object","action":"identify_anonymous","identifiers":{"object_type_id":"1","object_id":"acme"},"cio_relationships":[{"identifiers":{"anonymous_id":"who"}}]}`)),
			"object_identify_anonymous", func() bool { return related(object(), "who") },
		},
		{"delete object", p.Delete(ctx, acme), "object_delete", func() bool { return object().Object == "" }},
		{"merge", p.Merge(ctx, ada, producer.Email("ada@example.com")), "", func() bool { return said("42").Events == 5 }},
		{"suppress", p.Suppress(ctx, ada), "suppress", func() bool { return gone("42") }},
		{"so nothing comes through", p.Identify(ctx, ada, map[string]any{"plan": "pro"}), "", func() bool { return gone("42") }},
		{"unsuppress", p.Unsuppress(ctx, ada), "unsuppress", func() bool { return gone("42") }},
		{"now it does", p.Identify(ctx, ada, map[string]any{"plan": "pro"}), "identify", func() bool { return !gone("42") }},
		{"another", p.Track(ctx, producer.ID("43"), "x", nil), "track", func() bool { return said("43").Events == 1 }},
		{"merge", p.Merge(ctx, ada, producer.ID("43")), "merge", func() bool { return gone("43") && said("42").Events == 1 }},
		{"delete", p.Delete(ctx, ada), "delete", func() bool { return gone("42") }},
	} {
		if step.err != nil {
			t.Fatalf("%s: %v", step.name, step.err)
		}
		// The calls were all made as this table was: one record for each step.
		offset := d.sim.Stats().Requests
		if err := d.deliver(ctx, a.records[offset], offset); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		last := d.sim.History()[offset]
		if want := step.op != ""; last.Effect != want || want && last.Op != step.op || !step.holds() {
			t.Errorf("%s: arrived as %+v, which is not what it means", step.name, last)
		}
	}
}
