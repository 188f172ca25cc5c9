package producer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sluice/pipeline/producer"
)

// many is that many attributes, each with a value of that many bytes.
func many(count, size int) map[string]any {
	attributes := make(map[string]any, count)
	for i := range count {
		attributes[fmt.Sprintf("a%03d", i)] = strings.Repeat("x", size)
	}
	return attributes
}

// blob is event data that marshals to that many bytes.
func blob(size int) any {
	return map[string]string{"p": strings.Repeat("x", size-len(`{"p":""}`))}
}

// The published limits: what is just within is taken, one more is refused at
// the call, with a word that says which limit it was.
func TestLimits(t *testing.T) {
	t.Parallel()
	x := func(n int) string { return strings.Repeat("x", n) }
	who, acme := producer.ID("42"), producer.ObjectID("1", "acme")
	type ctx = context.Context
	type lib = *producer.Producer
	for name, c := range map[string]struct {
		say   func(c ctx, p lib, n int) error
		most  int
		fault string
	}{
		"id":             {func(c ctx, p lib, n int) error { return p.Delete(c, producer.ID(x(n))) }, 150, "id: may have 150 bytes, have 151"},
		"id in UTF-8":    {func(c ctx, p lib, n int) error { return p.Delete(c, producer.ID(x(n-2)+"é")) }, 150, "id: may have 150"},
		"email":          {func(c ctx, p lib, n int) error { return p.Delete(c, producer.Email(x(n-1)+"@")) }, 150, "email: may have 150"},
		"anonymous":      {func(c ctx, p lib, n int) error { return p.Track(c, producer.Anonymous(x(n)), "x", nil) }, 150, "anonymous_id: may have 150"},
		"object type":    {func(c ctx, p lib, n int) error { return p.Delete(c, producer.ObjectID(x(n), "1")) }, 150, "object_type_id: may have 150"},
		"object":         {func(c ctx, p lib, n int) error { return p.Delete(c, producer.ObjectID("1", x(n))) }, 150, "object_id: may have 150"},
		"phone":          {func(c ctx, p lib, n int) error { return p.Delete(c, producer.Phone("+"+strings.Repeat("1", n))) }, 15, "phone: must be"},
		"entity's id":    {func(c ctx, p lib, n int) error { return p.Entity(c, entityOf(x(n))) }, 150, "identifiers: id: may have 150"},
		"merged id":      {func(c ctx, p lib, n int) error { return p.Merge(c, who, producer.CioID(x(n))) }, 150, "secondary: cio_id: may have 150"},
		"related id":     {func(c ctx, p lib, n int) error { return p.AddRelationships(c, acme, with(producer.ID(x(n)), nil)) }, 150, "relationships[0]: id: may have 150"},
		"event id":       {func(c ctx, p lib, n int) error { return p.Track(c, who, "x", nil, producer.EventID(x(n))) }, 150, "event id: may have 150"},
		"event name":     {func(c ctx, p lib, n int) error { return p.Track(c, who, x(n), nil) }, 100, "name: may have 100 bytes, have 101"},
		"page name":      {func(c ctx, p lib, n int) error { return p.Page(c, who, x(n-2)+"é", nil) }, 100, "name: may have 100"},
		"name escaped":   {func(c ctx, p lib, n int) error { return p.Track(c, who, strings.Repeat("\n", n), nil) }, 100, "name: may have 100"},
		"data":           {func(c ctx, p lib, n int) error { return p.Track(c, who, "x", blob(n)) }, 100_000, "data: may have 100000 bytes, have 100001"},
		"anonymous data": {func(c ctx, p lib, n int) error { return p.Track(c, producer.Anonymous("q"), "x", blob(n)) }, 100_000, "data: may have"},
		"attribute name": {func(c ctx, p lib, n int) error { return p.Identify(c, who, map[string]int{x(n): 1}) }, 150, "attributes: a name: may have 150"},
		"value":          {func(c ctx, p lib, n int) error { return p.Identify(c, who, map[string]string{"a": x(n)}) }, 1000, "attributes: a value: may have 1000"},
		"value escaped": {func(c ctx, p lib, n int) error {
			return p.Identify(c, who, map[string]string{"a": strings.Repeat("\n", n)})
		}, 1000, "attributes: a value: may have 1000"},
		"list as written": {func(c ctx, p lib, n int) error {
			return p.Identify(c, who, map[string][]string{"a": {x(n - 4)}})
		}, 1000, "attributes: a value: may have 1000"},
		"attributes":        {func(c ctx, p lib, n int) error { return p.Identify(c, who, many(n, 1)) }, 300, "attributes: may be 300, have 301"},
		"object attributes": {func(c ctx, p lib, n int) error { return p.Identify(c, acme, many(n, 1)) }, 300, "attributes: may be 300"},
		"object value":      {func(c ctx, p lib, n int) error { return p.Identify(c, acme, map[string]string{"a": x(n)}) }, 1000, "a value: may have 1000"},
		"relationship's": {func(c ctx, p lib, n int) error {
			return p.AddRelationships(c, who, with(acme, many(n, 1)))
		}, 300, "relationships[0]: attributes: may be 300"},
		"relationship's value": {func(c ctx, p lib, n int) error {
			return p.AddRelationships(c, who, with(acme, map[string]string{"a": x(n)}))
		}, 1000, "relationships[0]: attributes: a value: may have 1000"},
		"device": {func(c ctx, p lib, n int) error {
			return p.AddDevice(c, who, producer.Device{Token: x(n - 104), Platform: "ios"})
		}, 32768, "may have 32768 bytes, have 32769"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := library(t, &fake{}, nil)
			if err := c.say(t.Context(), p, c.most); err != nil {
				t.Errorf("%d: have %v, want it taken", c.most, err)
			}
			err := c.say(t.Context(), p, c.most+1)
			if !errors.Is(err, producer.ErrInvalid) || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%d: have %v, want %q", c.most+1, err, c.fault)
			}
		})
	}
}

func entityOf(id string) []byte {
	return []byte(`{"type":"person","action":"suppress","identifiers":{"id":"` + id + `"}}`)
}

func with(whom producer.Identity, attributes any) []producer.Relationship {
	return []producer.Relationship{{With: whom, Attributes: attributes}}
}

// What exceeds an entity goes by a call that names the person in its path,
// which not everybody can be named in.
func TestLargeCalls(t *testing.T) {
	t.Parallel()
	p := library(t, &fake{}, nil)
	for name, c := range map[string]struct {
		who   producer.Identity
		taken bool
	}{
		"id":               {producer.ID("42"), true},
		"email":            {producer.Email("a@b.c"), true},
		"cio_id":           {producer.CioID("x"), true},
		"phone":            {producer.Phone("+31201234567"), false},
		"dots":             {producer.ID(".."), false},
		"like a cio_id":    {producer.ID("cio_x"), false},
		"object":           {producer.ObjectID("1", "acme"), false},
		"object by cio_id": {producer.CioObjectID("o"), false},
	} {
		err := p.Identify(t.Context(), c.who, many(40, 900))
		if c.taken && err != nil || !c.taken && !errors.Is(err, producer.ErrInvalid) {
			t.Errorf("%s: have %v, taken must be %t", name, err, c.taken)
		}
		if err := p.Identify(t.Context(), c.who, many(20, 900)); err != nil {
			t.Errorf("%s, within an entity: %v", name, err)
		}
	}
	// The limits leave these out, but a request's size does not.
	topics := map[string]any{"cio_subscription_preferences": map[string]string{"topics": strings.Repeat("x", 480_000)}}
	if err := p.Identify(t.Context(), producer.ID("42"), topics); err != nil {
		t.Error(err)
	}
	topics["cio_subscription_preferences.topics.topic_1"] = strings.Repeat("x", 10_000)
	if err := p.Identify(t.Context(), producer.ID("42"), topics); !errors.Is(err, producer.ErrInvalid) {
		t.Errorf("more than a request: have %v", err)
	}
}

// No error quotes what the application said of its users.
func TestErrorsQuoteNoValue(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	p := library(t, &fake{}, func(c *producer.Config) {
		c.Topic, c.Regions, c.RegionField = "", map[string]string{"eu": "e"}, "region"
	}).In("eu")
	long := strings.Repeat(secret, 30)
	who := producer.ID("42")
	for name, err := range map[string]error{
		"id":       p.Delete(t.Context(), producer.ID(long)),
		"email":    p.Delete(t.Context(), producer.Email(secret)),
		"phone":    p.Delete(t.Context(), producer.Phone(secret)),
		"UTF-8":    p.Delete(t.Context(), producer.ID(secret+"\xff")),
		"name":     p.Track(t.Context(), who, long, nil),
		"value":    p.Identify(t.Context(), who, map[string]string{"a": strings.Repeat(long, 10)}),
		"data":     p.Track(t.Context(), who, "x", secret),
		"JSON":     p.Track(t.Context(), who, "x", []byte(`{"a":"`+secret)),
		"marshal":  p.Track(t.Context(), who, "x", map[string]any{"a": secret, "b": func() {}}),
		"bad text": p.Track(t.Context(), who, "x", map[string]any{"a": secret + "\xff"}),
		"region":   p.Identify(t.Context(), who, map[string]string{"region": secret}),
		"platform": p.AddDevice(t.Context(), who, producer.Device{Token: secret, Platform: secret}),
		"header":   p.Delete(t.Context(), who, producer.Header("deliver_at", secret)),
		"entity":   p.Entity(t.Context(), []byte(`{"type":"`+secret+`","action":"x"}`)),
	} {
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: have %v, want an error without the value", name, err)
		}
	}
}
