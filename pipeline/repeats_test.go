package pipeline_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/partition"
	"sluice/pipeline"
	"sluice/pipeline/event"
	"sluice/pipeline/guard"
)

// TestRepeatedRecordsAreDropped: a producer that appends everything twice, as
// after an answer that was lost. The repeats are settled and committed like
// anything else, until the guard is turned off.
func TestRepeatedRecordsAreDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &destination{latency: 10 * time.Millisecond, items: 10}
		w := newWorld(t, map[string]*destination{"a": d}, func(ws *pipeline.Workspace) { ws.Dedup = guard.DefaultRules() })
		appendAll := func() {
			for i := range 40 {
				key := fmt.Append(nil, "u", i%7)
				w.kafka.Append(t, event.Record{
					Topic: "a", Partition: partition.ShardOf(key, parts), Key: key, Value: fmt.Appendf(nil, `{"n":%d}`, i),
					Headers: []event.Header{{Key: event.HeaderID, Value: fmt.Append(nil, "id-", i)}},
				})
			}
		}
		appendAll()
		w.settle(40, time.Minute)
		appendAll()
		time.Sleep(10 * time.Second)
		if b := w.pipeline.Balance(); b.Read != 80 || b.Delivered != 40 || b.Dropped != 40 || b.InHand != 0 || !b.Holds() {
			t.Errorf("want each delivered once and dropped once, have %+v", b)
		}
		inOrder(t, d.delivered())
		off := settingsOf("a")
		w.reload(off)
		appendAll()
		w.settle(80, time.Minute)
		w.stop()
		if b := w.pipeline.Balance(); b.Dropped != 40 || !b.Holds() {
			t.Errorf("with the guard off: %+v", b)
		}
	})
}
