package partition

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sluice/pipeline/event"
)

func BenchmarkShardOf(b *testing.B) {
	for _, key := range []string{"4711", "ada.lovelace@example.com", "0b9d2c1e-8f7a-4b63-9d55-3c2f1a0e7d42"} {
		b.Run(fmt.Sprint(len(key), " bytes"), func(b *testing.B) {
			bytes := []byte(key)
			for b.Loop() {
				ShardOf(bytes, 48)
			}
		})
	}
}

// traffic reads shards as fast as their lanes empty: events of users of whom a
// few have most (zipf 1.1), and come back from the queue's pool once settled.
type traffic struct {
	bench  *bench
	shards []*shard
	keys   [][][]byte // by shard
	next   []int64    // offsets to read, by shard
	poll   []*event.Event
}

func newTraffic(shards int) *traffic {
	tr := &traffic{bench: newBench(), keys: make([][][]byte, shards), next: make([]int64, shards)}
	for i := range shards {
		tr.shards = append(tr.shards, tr.bench.shard(int32(i)))
	}
	users := rand.NewZipf(rand.New(rand.NewPCG(1, 1)), 1.1, 1, 100_000)
	for range 1 << 18 {
		key := fmt.Append(nil, "user-", users.Uint64())
		p := ShardOf(key, int32(shards))
		tr.keys[p] = append(tr.keys[p], key)
	}
	return tr
}

// fill reads into every shard that holds little. Events are fitted to their
// place and not loaded anew: what it costs to decode a record is
// pipeline/event's to measure.
func (tr *traffic) fill() {
	const low, poll = 1000, 500
	for i, s := range tr.shards {
		for s.records < low {
			tr.poll = tr.poll[:0]
			for range poll {
				e, _ := s.queue.events.Get().(*event.Event)
				e.Source.Offset, e.Key, e.Size = tr.next[i], tr.keys[i][tr.next[i]%int64(len(tr.keys[i]))], 300
				tr.next[i]++
				tr.poll = append(tr.poll, e)
			}
			s.add(tr.poll, 0, 0)
		}
	}
}

// BenchmarkTakeAndSettle is an event's way through the lanes of 12 shards: read
// into them, taken, settled. An operation is one event, with 15 attempts in
// flight.
func BenchmarkTakeAndSettle(b *testing.B) {
	const shards, inFlight = 12, 15
	for _, items := range []int{1, 100} {
		b.Run(fmt.Sprint(items, " a batch"), func(b *testing.B) {
			tr := newTraffic(shards)
			var flying ring[Batch]
			cycle := func() int {
				tr.fill()
				for flying.len() < inFlight {
					batch := tr.bench.lanes.Take("w", Limit{Items: items, Bytes: 500_000})
					if batch.Empty() {
						break
					}
					flying.push(batch)
				}
				batch := flying.pop()
				tr.bench.lanes.Finish(batch.Picks, Outcome{Kind: Delivered})
				return len(batch.Picks)
			}
			for range 1000 { // the pools fill
				cycle()
			}
			b.ReportAllocs()
			b.ResetTimer()
			settled, batches := 0, 0
			for ; settled < b.N; batches++ {
				settled += cycle()
			}
			b.ReportMetric(float64(settled)/float64(batches), "events/batch")
		})
	}
}

// busyWindow is a typical shard under load: so many offsets above the watermark,
// one in holes of them open, one of those in retry.
func busyWindow(span, holes int64) window {
	w := newWindow(1_000_000)
	random := rand.New(rand.NewPCG(2, 2))
	for i := range span {
		w.see(w.base + i)
	}
	first := w.base
	for i := int64(1); i < span; i++ {
		if random.Int64N(holes) > 0 {
			w.settle(first + i)
		}
	}
	w.high = first + span - 1
	w.fail(first, time.Unix(1_700_000_000, 0))
	return w
}

func BenchmarkEncodeMetadata(b *testing.B) {
	for _, holes := range []int64{4, 40, 400} {
		b.Run(fmt.Sprintf("4000 wide, one in %d open", holes), func(b *testing.B) {
			w := busyWindow(4000, holes)
			b.ReportAllocs()
			length := 0
			for b.Loop() {
				length = len(encodeMetadata(&w, false))
			}
			b.ReportMetric(float64(length), "text-bytes")
		})
	}
}

// BenchmarkWindow reads and settles one offset, with so many open, in the order
// in which they were read or in any.
func BenchmarkWindow(b *testing.B) {
	for _, shuffled := range []bool{false, true} {
		b.Run(fmt.Sprintf("2000 open, shuffled %v", shuffled), func(b *testing.B) {
			const open = 2000
			random := rand.New(rand.NewPCG(3, 3))
			w := newWindow(0)
			held := make([]int64, open)
			for i := range held {
				held[i] = int64(i)
				w.see(int64(i))
			}
			b.ReportAllocs()
			next, at := int64(open), 0
			for b.Loop() {
				if at++; shuffled {
					at = random.IntN(open)
				}
				at %= open
				w.settle(held[at])
				w.see(next)
				held[at] = next
				next++
			}
		})
	}
}
