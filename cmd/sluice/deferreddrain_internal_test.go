package main

import (
	"strings"
	"testing"
	"time"

	"sluice/partition"
	"sluice/pipeline/rules"
	"sluice/pipeline/tiers"
)

// emptied waits until nothing is unsettled on a topic.
func emptied(t *testing.T, path string, topics ...string) {
	t.Helper()
	await(t, func() bool {
		for _, topic := range topics {
			left := 0
			for _, l := range lagOn(t, path, topic) {
				left += int(l.Lag())
			}
			if left > 0 {
				return false
			}
		}
		return true
	})
}

// The rules went, and with them who deferred and who overflowed. What waits on
// their topics is delivered once the stream has those tiers again, by what
// tiers.Absent says: doctor and group describe tell it.
func TestLeftoversAreDrained(t *testing.T) {
	t.Parallel()
	hook, got := received(t)
	kafka, path := ruled(t, hook)
	path = unruled(t, path, ", deferral: true")
	wait(t, kafka,
		waiter{tier: partition.Delay10s, partition: 0, user: "ann", class: "digest", offset: 1, due: time.Second, ago: 10 * time.Second},
		waiter{tier: partition.Delay10s, partition: 1, user: "bob", offset: 2, due: -time.Hour, ago: time.Hour},
		waiter{tier: partition.Delay10m, partition: 2, user: "cid", class: "gone", offset: 3, due: 2 * time.Second, ago: 10 * time.Minute},
		waiter{tier: partition.Delay6h, partition: 3, user: "dan", class: "sms", offset: 4, due: -time.Minute, ago: 7 * time.Hour})
	runPipeline(t, path)
	comes(t, got, `"digest 1"`, `" 2"`, `"gone 3"`, `"sms 4"`)
	emptied(t, path, "hooked.delay-10s", "hooked.delay-10m", "hooked.delay-6h")
}

// A rule that nothing comes to gives the stream its overflow again: what the
// rules of another time left there is delivered, each user's in order.
func TestOverflowOfRulesThatWentIsDrained(t *testing.T) {
	t.Parallel()
	hook, got := received(t)
	kafka, path := ruled(t, hook)
	path = unruled(t, path, "")
	path = write(t, "drain.yaml", strings.Replace(readFile(t, path), "events: unlimited}\n", "events: unlimited}\n    rules: ["+tiers.DrainRule+"]\n", 1))
	for n := range int64(3) {
		wait(t, kafka,
			waiter{tier: partition.Overflow, partition: 1, user: "ann", class: "news", offset: n},
			waiter{tier: partition.Overflow, partition: 2, user: "bob", offset: n})
	}
	runPipeline(t, path)
	last := map[byte]byte{}
	for range 6 {
		select {
		case body := <-got:
			class, n := body[len(`{"secret":"payload","of":"`)], body[len(body)-3]
			if n < last[class] {
				t.Errorf("want each user's in order, have %s after %c", body, last[class])
			}
			last[class] = n
		case <-time.After(40 * time.Second):
			t.Fatal("what was on overflow never came")
		}
	}
	emptied(t, path, "hooked.overflow")
}

// What was recalled is dropped when it wakes, in a workspace with rules and in one
// without, where only headers defer; the others are delivered.
func TestCancelledEventsAreDropped(t *testing.T) {
	t.Parallel()
	for rule, ofStream := range map[string]string{"digest": "", rules.DefaultClass: ", deferral: true"} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			hook, got := received(t)
			kafka, path := ruled(t, hook)
			class, other := rule, "news"
			if ofStream != "" {
				path, class = unruled(t, path, ofStream), ""
			}
			wait(t, kafka,
				waiter{tier: partition.Delay10s, partition: 0, user: "ann", class: class, offset: 1, due: time.Second, ago: 10 * time.Second},
				waiter{tier: partition.Delay10s, partition: 0, user: "bob", class: class, offset: 2, due: time.Second, ago: 10 * time.Second},
				waiter{tier: partition.Delay10m, partition: 0, user: "bob", class: other, offset: 3, due: time.Second, ago: 10 * time.Minute},
				waiter{tier: partition.Delay10m, partition: 1, user: "cid", class: class, offset: 4, due: -time.Second, ago: 10 * time.Minute})
			if o := onDeferred(t, path, "cancel", "hooked", "--rule", rule, "--user", "bob", "--yes"); o.code != exitDone {
				t.Fatalf("have %d %s", o.code, o.err)
			}
			if o := onDeferred(t, path, "cancel", "hooked", "--user", "cid", "--yes"); o.code != exitDone {
				t.Fatalf("have %d %s", o.code, o.err)
			}
			runPipeline(t, path)
			comes(t, got, `"`+class+` 1"`, `"news 3"`)
			emptied(t, path, "hooked.delay-10s", "hooked.delay-10m")
			select {
			case body := <-got:
				t.Errorf("want the rest dropped, have %s", body)
			default:
			}
		})
	}
}
