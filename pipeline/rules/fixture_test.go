package rules_test

import (
	"testing"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
)

// purchase is an everyday event of about 340 bytes.
const purchase = `{"type":"person","identifiers":{"id":"user-0000048213"},"action":"event","name":"purchase","timestamp":1613063089,` +
	`"attributes":{"order_id":"A-20931-77","total":129.95,"currency":"EUR","campaign_id":42,"coupon":null,"first":false,` +
	`"category":"outdoor/tents","timezone":"Asia/Kolkata","tags":["sale","spring"],"items":[{"sku":"T-1"},{"sku":"T-2"}]}}`

// produced is when the fixtures' records were made: a Wednesday.
func produced() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

func header(key, value string) event.Header {
	return event.Header{Key: key, Value: []byte(value)}
}

func record(value string, headers ...event.Header) event.Record {
	return event.Record{
		Topic: "messages", Partition: 7, Offset: 4711, Key: []byte("42"), Value: []byte(value),
		Headers: headers, Time: produced(),
	}
}

// entity is an event for Customer.io, object one for any other destination.
func entity(value string, headers ...event.Header) *event.Event {
	e := new(event.Event)
	e.Load(record(value, headers...), "cluster")
	e.PrepareEntity()
	return e
}

func object(value string, headers ...event.Header) *event.Event {
	e := new(event.Event)
	e.Load(record(value, headers...), "cluster")
	e.PrepareObject()
	return e
}

func made(t testing.TB, list ...rules.Rule) *rules.Set {
	t.Helper()
	s, err := rules.New(rules.Config{Rules: list})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func place() rules.Place { return rules.Place{Stream: "messages", Partitions: 12} }

// where is a Match of one condition.
func where(key string, texts ...string) rules.Match {
	return rules.Match{Where: map[string][]string{key: texts}}
}
