package producer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"pgregory.net/rapid"

	"sluice/pipeline/event"
	"sluice/pipeline/producer"
	"sluice/sink/customerio"
)

// Whatever the library takes, Customer.io takes: no call that was accepted
// becomes a dead letter.
func TestAcceptedIsDeliverable(t *testing.T) {
	t.Parallel()
	d := newDestination(t)
	offset := int64(0)
	rapid.Check(t, func(t *rapid.T) {
		a := &fake{}
		config := producer.DefaultConfig()
		config.Topic = "events"
		p, err := producer.New(a, config)
		if err != nil {
			t.Fatal(err)
		}
		said := sayAnything(t, p)
		if (said == nil) != (len(a.records) == 1) {
			t.Fatalf("have %d records and the error %v", len(a.records), said)
		}
		if said != nil {
			return
		}
		offset++
		if err := d.deliver(context.Background(), a.records[0], offset); err != nil {
			t.Fatalf("%.200s: %v", a.records[0].Value, err)
		}
	})
	if offset < 10 {
		t.Errorf("only %d calls were accepted: the test says little", offset)
	}
}

// A text that an application gives stays one value, whatever stands in it, and
// what is accepted of it the sink takes.
func FuzzTexts(f *testing.F) {
	for _, seed := range []string{
		`{"a":1}`, `{},"type":"object"`, `{}} `, `null`, ` {"a": "b"} `, "{\"a\":\"\xff\"}", `{"a":1,"a":2}`, `[]`, ``,
		`{"type":"person","action":"identify","identifiers":{"id":7},"attributes":{"_update":true}}`,
		`{"type":"person","action":"merge","primary":{"id":"1"},"secondary":{"email":"a@b.c"}}`,
		`{"type":"delivery","action":"event","identifiers":{"id":"d"},"name":"opened","attributes":{"device_token":"t"}}`,
	} {
		f.Add([]byte(seed))
	}
	c := customerio.DefaultConfig()
	c.Region, c.SiteID, c.APIKey = "us", "site", "key"
	sink, err := customerio.New(c, zap.NewNop())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(sink.Close)
	f.Fuzz(func(t *testing.T, given []byte) {
		a := &fake{}
		p := library(t, a, nil)
		if p.Track(t.Context(), producer.ID("42"), "x", given) == nil {
			const head = `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"x"`
			want := head + `,"attributes":` + string(bytes.TrimSpace(given)) + `}`
			if have := string(a.records[0].Value); have != want && have != head+`}` || !json.Valid(a.records[0].Value) {
				t.Errorf("have %s", have)
			}
		}
		_ = p.Entity(t.Context(), given)
		for _, r := range a.records {
			var e event.Event
			e.Load(r, "cluster")
			if sink.Prepare(&e); e.Fault != nil {
				t.Errorf("%s: accepted, and then %+v", r.Value, *e.Fault)
			}
			if key, err := event.EntityKey(r.Value); err != nil || !bytes.Equal(key, r.Key) {
				t.Errorf("%s: the key is %q, want %q, %v", r.Value, r.Key, key, err)
			}
		}
	})
}

func sayAnything(t *rapid.T, p *producer.Producer) error {
	ctx, who := context.Background(), anyone().Draw(t, "who")
	name := rapid.OneOf(rapid.StringN(0, 60, 120), rapid.Just(strings.Repeat("n", 100))).Draw(t, "name")
	attributes := anything().Draw(t, "attributes")
	var options []producer.Option
	if rapid.IntRange(0, 3).Draw(t, "timed") == 0 {
		options = append(options, producer.At(time.Unix(rapid.SampledFrom([]int64{-1, 0, 7, 1_700_000_000, 9_999_999_999, 10_000_000_000}).Draw(t, "at"), 0)))
	}
	switch method := rapid.IntRange(0, 13).Draw(t, "method"); method {
	case 0, 1, 2:
		return p.Identify(ctx, who, attributes, options...)
	case 3, 4:
		return p.Track(ctx, who, name, attributes, options...)
	case 5:
		return p.Page(ctx, who, name, attributes, producer.EventID(name))
	case 6:
		return p.Screen(ctx, who, name, attributes)
	case 7:
		return p.AddDevice(ctx, who, producer.Device{Token: name, Platform: "ios", Attributes: attributes})
	case 8:
		return p.DeleteDevice(ctx, who, name)
	case 9:
		return p.Delete(ctx, who)
	case 10:
		return p.Merge(ctx, who, anyone().Draw(t, "other"))
	case 11:
		return p.AddRelationships(ctx, who, with(anyone().Draw(t, "with"), attributes))
	case 12:
		return p.DeleteRelationships(ctx, who, with(anyone().Draw(t, "with"), nil))
	default:
		return p.Entity(ctx, map[string]any{
			"type": "person", "action": "identify", "identifiers": map[string]any{rapid.SampledFrom([]string{"id", "email", "phone"}).Draw(t, "kind"): name},
			"attributes": attributes,
		})
	}
}

// anyone names people and objects in all ways, some of them wrong.
func anyone() *rapid.Generator[producer.Identity] {
	plain := rapid.SampledFrom([]producer.Identity{
		producer.ID("42"), producer.Email("a@b.c"), producer.CioID("x"), producer.ObjectID("1", "acme"), producer.Phone("+31201234567"),
	})
	odd := rapid.Custom(func(t *rapid.T) producer.Identity {
		value := rapid.OneOf(
			rapid.StringN(0, 20, 160), rapid.StringMatching(`\+[0-9]{1,16}|[a-z]{1,5}@[a-z]{1,150}|\.{1,3}|cio_[a-z]{0,4}|[a-z]{145,151}`),
		).Draw(t, "value")
		return rapid.SampledFrom([]producer.Identity{
			producer.ID(value), producer.ID(value), producer.Email(value), producer.Phone(value), producer.CioID(value),
			producer.Anonymous(value), producer.ObjectID("1", value), producer.ObjectID(value, "1"), producer.CioObjectID(value),
		}).Draw(t, "identity")
	})
	return rapid.OneOf(plain, plain, odd)
}

// anything is attributes of all sizes around the limits.
func anything() *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 4).Draw(t, "shape") {
		case 0:
			return nil
		case 1:
			return many(rapid.SampledFrom([]int{0, 1, 30, 35, 300, 301}).Draw(t, "count"), rapid.SampledFrom([]int{0, 10, 900, 1000, 1001}).Draw(t, "size"))
		case 2:
			return blob(rapid.SampledFrom([]int{100, 32_000, 32_700, 99_999, 100_000, 100_001}).Draw(t, "bytes"))
		case 3:
			return map[string]any{rapid.String().Draw(t, "key"): rapid.String().Draw(t, "text"), "nested": []any{1, nil, map[string]any{"a": true}}}
		default:
			return map[string]any{
				rapid.SampledFrom([]string{"_update", "email", "id", "anonymous_id", "_timestamp", "cio_subscription_preferences"}).Draw(t, "special"): rapid.SampledFrom([]any{true, "x", 7, nil}).Draw(t, "value"),
			}
		}
	})
}
