package producer_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"sluice/pipeline/producer"
)

// The region picks the topic; whatever is not known for certain goes nowhere.
func TestRegions(t *testing.T) {
	t.Parallel()
	const secret = "mars-7b"
	who := producer.ID("42")
	in := func(region any) map[string]any { return map[string]any{"region": region} }
	type ctx = context.Context
	type lib = *producer.Producer
	for name, c := range map[string]struct {
		say   func(c ctx, p lib) error
		topic string // "" refused
	}{
		"by the field":             {func(c ctx, p lib) error { return p.Identify(c, who, in("eu")) }, "events-eu"},
		"by an event's":            {func(c ctx, p lib) error { return p.Track(c, who, "x", in("us")) }, "events-us"},
		"by a number":              {func(c ctx, p lib) error { return p.Track(c, who, "x", in(1)) }, "events-one"},
		"by an entity's":           {func(c ctx, p lib) error { return p.Entity(c, entityIn("eu")) }, "events-eu"},
		"by an object's":           {func(c ctx, p lib) error { return p.Send(c, "42", in("eu")) }, "events-eu"},
		"by the caller":            {func(c ctx, p lib) error { return p.In("eu").Delete(c, who) }, "events-eu"},
		"by the last In":           {func(c ctx, p lib) error { return p.In("us").In("eu").Delete(c, who) }, "events-eu"},
		"by both":                  {func(c ctx, p lib) error { return p.In("eu").Identify(c, who, in("eu")) }, "events-eu"},
		"differently":              {func(c ctx, p lib) error { return p.In("us").Identify(c, who, in("eu")) }, ""},
		"unknown to the field":     {func(c ctx, p lib) error { return p.Identify(c, who, in(secret)) }, ""},
		"unknown to the caller":    {func(c ctx, p lib) error { return p.In(secret).Identify(c, who, nil) }, ""},
		"other case":               {func(c ctx, p lib) error { return p.Identify(c, who, in("EU")) }, ""},
		"empty":                    {func(c ctx, p lib) error { return p.Identify(c, who, in("")) }, ""},
		"empty by the caller":      {func(c ctx, p lib) error { return p.In("").Identify(c, who, nil) }, ""},
		"empty, the field's known": {func(c ctx, p lib) error { return p.In("").Identify(c, who, in("eu")) }, ""},
		"null":                     {func(c ctx, p lib) error { return p.Identify(c, who, in(nil)) }, ""},
		"an object":                {func(c ctx, p lib) error { return p.Identify(c, who, in(in("eu"))) }, ""},
		"no attributes":            {func(c ctx, p lib) error { return p.Suppress(c, who) }, ""},
		"elsewhere in an entity": {func(c ctx, p lib) error {
			return p.Entity(c, []byte(`{"type":"person","action":"delete","identifiers":{"id":"42"},"region":"eu"}`))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &fake{}
			p := library(t, a, func(config *producer.Config) {
				config.Topic, config.Form = "", producer.Object
				config.Regions = map[string]string{"eu": "events-eu", "us": "events-us", "1": "events-one"}
				config.RegionField = "region"
			})
			err := c.say(t.Context(), p)
			if c.topic == "" {
				if !errors.Is(err, producer.ErrRegion) || strings.Contains(err.Error(), secret) || p.Counts() != (producer.Counts{Refused: 1}) {
					t.Errorf("have %v and %+v, want a region that is refused, and not quoted", err, p.Counts())
				}
				return
			}
			if err != nil || len(a.records) != 1 || a.records[0].Topic != c.topic {
				t.Errorf("have %v and %+v, want %s", err, a.records, c.topic)
			}
		})
	}
}

func entityIn(region string) []byte {
	return []byte(`{"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"region":"` + region + `"}}`)
}

// A producer of one topic knows no region, so naming one is a mistake; and
// without a field only the caller decides.
func TestRegionsThatAreNotSetUp(t *testing.T) {
	t.Parallel()
	single := library(t, &fake{}, nil)
	if err := single.In("eu").Delete(t.Context(), producer.ID("42")); !errors.Is(err, producer.ErrRegion) {
		t.Errorf("one topic: have %v, want ErrRegion", err)
	}
	regions := map[string]string{"eu": "events-eu"}
	chosen := library(t, &fake{}, func(c *producer.Config) { c.Topic, c.Regions = "", regions })
	delete(regions, "eu")
	if err := chosen.Entity(t.Context(), entityIn("eu")); !errors.Is(err, producer.ErrRegion) {
		t.Errorf("no field: have %v, want ErrRegion", err)
	}
	if err := chosen.In("eu").Async(nil).Entity(t.Context(), entityIn("us")); err != nil {
		t.Errorf("by the caller: %v", err)
	}
	if err := chosen.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
