package partition

import (
	"fmt"
	"testing"

	"sluice/pipeline/event"
)

// BenchmarkTakeOfClasses is BenchmarkTakeAndSettle in a workspace with rules: so
// many classes in turn, or one of two shut while 20,000 lanes wait for it.
func BenchmarkTakeOfClasses(b *testing.B) {
	const shards, inFlight, items = 12, 15, 100
	for _, bench := range []struct{ classes, waiting int }{{1, 0}, {2, 0}, {2, 20_000}, {8, 0}, {64, 0}} {
		b.Run(fmt.Sprintf("%d classes, %d lanes wait", bench.classes, bench.waiting), func(b *testing.B) {
			tr := newTraffic(shards)
			classes := make([]Class, bench.classes)
			for i := range classes {
				classes[i] = Class{Name: fmt.Sprint(i), Priority: int8(i%3 - 1), Weight: float64(1 + i), Floor: 0.01}
			}
			tr.bench.lanes.Classes("w", classes)
			limit := Limit{Items: items, Bytes: 500_000}
			if bench.classes > 1 {
				limit.Classes = make([]int, bench.classes)
				for i := range limit.Classes {
					limit.Classes[i] = 1 << 30
				}
			}
			open := bench.classes
			if bench.waiting > 0 {
				open--
				limit.Classes[open] = 0
				waits := tr.bench.shard(shards)
				for i := range bench.waiting {
					waits.add([]*event.Event{{Source: event.Source{Offset: int64(i)}, Size: 300, Lot: uint8(open)}}, 0, 0)
				}
			}
			lot := 0
			var flying ring[Batch]
			cycle := func() int {
				tr.fill()
				for flying.len() < inFlight {
					batch := tr.bench.lanes.Take("w", limit)
					if batch.Empty() {
						break
					}
					flying.push(batch)
				}
				batch := flying.pop()
				for _, e := range batch.Events { // as it comes back from the pool
					lot++
					e.Lot = uint8(lot % open)
				}
				tr.bench.lanes.Finish(batch.Picks, Outcome{Kind: Delivered})
				n := len(batch.Picks)
				tr.bench.lanes.Recycle("w", batch)
				return n
			}
			for range 1000 { // the pools fill
				cycle()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for settled := 0; settled < b.N; {
				settled += cycle()
			}
		})
	}
}
