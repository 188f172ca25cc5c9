package producer_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

const shards = 12

// appender is the real one, on a Kafka in this process.
func appender(t *testing.T) (*partition.Appender, partition.Config) {
	t.Helper()
	config := partitiontest.New(t, shards, "events").Config()
	a, err := partition.NewAppender(config, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a, config
}

// stored reads the topic back and returns each user's values, in order.
func stored(t *testing.T, config partition.Config) map[string][]string {
	t.Helper()
	admin, err := partition.NewAdmin(config)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	bounds, err := admin.Bounds(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]string{}
	for shard, end := range bounds.End {
		err := partition.ReadRange(t.Context(), config, partition.Range{Topic: "events", Partition: shard, To: end}, func(r event.Record) error {
			if want := partition.ShardOf(r.Key, shards); want != shard {
				t.Errorf("key %s is on shard %d, want %d", r.Key, shard, want)
			}
			values[string(r.Key)] = append(values[string(r.Key)], string(r.Value))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return values
}

// Through the real client: every event is in Kafka once, on its user's shard,
// in the file's order.
func TestRunIntoKafka(t *testing.T) {
	t.Parallel()
	a, config := appender(t)
	const users, each = 40, 125
	report, err := producer.Run(t.Context(), a, producer.NDJSON(strings.NewReader(purchases(users*each, users))), producer.Options{Topic: "events", Seq: true})
	if err != nil || report.Succeeded != users*each || report.Failed != 0 {
		t.Fatalf("have %+v, %v", report, err)
	}
	values := stored(t, config)
	if len(values) != users {
		t.Errorf("have %d users, want %d", len(values), users)
	}
	for user, have := range values {
		if len(have) != each {
			t.Errorf("user %s: have %d events, want %d", user, len(have), each)
		}
		for i, value := range have {
			if !strings.Contains(value, fmt.Sprintf(`"_seq":%d,`, i+1)) {
				t.Fatalf("user %s, event %d: have %s", user, i+1, value)
			}
		}
	}
}

// A record that the topic refuses fails with its line; no other user's do.
func TestRunIntoKafkaTooLarge(t *testing.T) {
	t.Parallel()
	a, config := appender(t)
	other := "u"
	for partition.ShardOf([]byte(other), shards) == partition.ShardOf([]byte("big"), shards) {
		other += "u"
	}
	var file, failed bytes.Buffer
	for i := range 9 {
		user, size := other, 10
		if i == 4 {
			user, size = "big", 1_500_000
		}
		_, _ = fmt.Fprintf(&file, `{"user":"%s","event":"x","data":{"i":%d,"pad":"%s"}}`+"\n", user, i, noise(size))
	}
	report, err := producer.Run(t.Context(), a, producer.NDJSON(&file), producer.Options{Topic: "events", FailedTo: &failed})
	if err != nil || report.Succeeded != 8 || report.Failed != 1 {
		t.Fatalf("have %+v, %v", report, err)
	}
	if want := `{"line":5,"reason":"append to events: the record is larger than its topic takes"`; !strings.HasPrefix(failed.String(), want) {
		t.Errorf("have %.120s, want %s", failed.String(), want)
	}
	equal(t, "events", numbers(t, stored(t, config)[other]), []int{0, 1, 2, 3, 5, 6, 7, 8})
}

// noise is text that does not compress to nothing.
func noise(size int) string {
	var b strings.Builder
	for state := uint32(1); b.Len() < size; {
		state = state*1664525 + 1013904223
		b.WriteByte('a' + byte(state>>24)%26)
	}
	return b.String()
}

// Through the real client, waiting and not: every event is there once, in
// order, on its user's shard.
func TestLibraryIntoKafka(t *testing.T) {
	t.Parallel()
	a, config := appender(t)
	p := library(t, a, nil)
	var heard atomic.Int64
	later := p.Async(func(o producer.Outcome) {
		if o.Err == nil && o.Partition == partition.ShardOf([]byte("u"), shards) && o.Topic == "events" {
			heard.Add(1)
		}
	})
	for i := range 250 {
		if i%50 == 49 {
			track(t, p, "u", i)
		} else {
			track(t, later, "u", i)
		}
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	equal(t, "events", numbers(t, stored(t, config)["u"]), upTo(250))
	if have := heard.Load(); have != 245 {
		t.Errorf("the callback heard of %d, want 245", have)
	}
}
