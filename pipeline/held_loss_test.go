package pipeline_test

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline"
)

// TestHeldEventsThatRetentionTookStopNobodyElse: a member that takes over looks
// for who is held up to where the log ended. When retention has taken all of
// that, nothing comes of it any more, and the live tier must not wait for it.
func TestHeldEventsThatRetentionTookStopNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newFailing("u3")
		w := newWorld(t, map[string]*destination{"a": &d.destination}, patient)
		for i := range 20 {
			w.produce("a", i*20, 20, 20)
			time.Sleep(time.Second)
		}
		w.stop()
		held := w.kafka.Read(t, "a"+pipeline.HeldSuffix)
		if len(held) == 0 {
			t.Fatal("nothing is held")
		}
		last := held[len(held)-1]
		w.kafka.DeleteBefore(t, last.Topic, last.Partition, last.Offset+1)
		d.bad.Store(false)
		before := len(d.delivered())
		w.run(w.cfg)
		w.produce("a", 400, 20, 20)
		w.delivers(before+19, &d.destination, time.Minute)
		w.stop()
	})
}
