package guard

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"sluice/pipeline/event"
)

// crowd makes events of so many users, each with an id of its own.
func crowd(tb testing.TB, n int, value string) []*event.Event {
	tb.Helper()
	all := make([]*event.Event, n)
	for i := range all {
		all[i] = new(event.Event)
		all[i].Load(event.Record{
			Topic: "t", Offset: int64(i), Key: fmt.Append(nil, "user-", i), Value: []byte(value), Time: time.Unix(1_700_000_000, 0),
		}, "cluster")
		if all[i].PrepareEntity(); all[i].Fault != nil {
			tb.Fatal(all[i].Fault)
		}
	}
	return all
}

const (
	purchase = `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"purchase","attributes":{"total":12.5,"currency":"EUR","items":[{"sku":"a-1","n":2},{"sku":"b-2","n":1}],"coupon":null,"channel":"web"}}`
	profile  = `{"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"email":"ann@example.com","plan":"pro","created_at":1600000000,"city":"Bern","visits":12,"tags":["a","b"],"consent":true}}`
)

// BenchmarkEvent is what the guard costs an event that is sent: judged when an
// attempt takes it and confirmed when it is delivered, 100 an attempt, with all
// that may be known known.
func BenchmarkEvent(b *testing.B) {
	withContent := DefaultRules()
	withContent.Content = 5 * time.Second
	for _, bc := range []struct {
		name, value string
		rules       Rules
	}{{"event", purchase, DefaultRules()}, {"identify", profile, DefaultRules()}, {"event by content", purchase, withContent}} {
		b.Run(bc.name, func(b *testing.B) {
			const batch = 100
			events := crowd(b, 2*MaxEventIDs, bc.value)
			g, now := New(bc.rules), time.Now()
			g.Reassigned(true)
			at := 0
			attempt := func() {
				run := events[at : at+batch]
				at = (at + batch) % len(events)
				now = now.Add(time.Millisecond)
				g.Screen(run, now, nil, func(int, Reason) {})
				g.Delivered(run, now)
			}
			for range len(events) / batch { // each is put out again before it comes again
				attempt()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for left := b.N; left > 0; left -= batch {
				attempt()
			}
		})
	}
}

// TestMemory: what a guard holds at most is what its documentation says, and
// what comes when it is full costs no more.
func TestMemory(t *testing.T) { //nolint:paralleltest // measures the heap
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	rules := Rules{Identify: time.Hour, EventID: time.Hour, Content: time.Hour}
	const more = 1000
	people, happenings := crowd(t, MaxIdentifies+more, profile), crowd(t, MaxEventIDs+more, purchase)
	before := heap()
	g, now := New(rules), time.Now()
	for _, run := range [][]*event.Event{happenings, people} {
		g.Screen(run, now, nil, func(int, Reason) {})
		g.Delivered(run, now)
	}
	held := heap() - before
	if g.said.len() != MaxIdentifies || g.ids.len() != MaxEventIDs || g.contents.len() != MaxContents {
		t.Errorf("want it full, have %d, %d and %d", g.said.len(), g.ids.len(), g.contents.len())
	}
	if held > 30<<20 {
		t.Errorf("want at most 30 MiB, have %d", held)
	}
	t.Logf("%.1f MiB", float64(held)/(1<<20))
	allocated := testing.AllocsPerRun(2, func() {
		run := happenings[:more] // those that are put out already
		g.Screen(run, now, nil, func(_ int, why Reason) { t.Errorf("dropped by %v", why) })
		g.Delivered(run, now)
		happenings = happenings[more:]
	})
	if perEvent := allocated / more; perEvent > 0.01 {
		t.Errorf("want no allocation an event, have %v", perEvent)
	}
	runtime.KeepAlive(g)
	runtime.KeepAlive(people)
}

// TestTogether: attempts of many workers, settings and rebalances at once.
func TestTogether(t *testing.T) {
	t.Parallel()
	g := New(DefaultRules())
	var workers sync.WaitGroup
	for range 8 {
		events := crowd(t, 500, profile)
		workers.Go(func() {
			for range 20 {
				g.Screen(events, time.Now(), nil, func(int, Reason) {})
				g.Delivered(events, time.Now())
			}
		})
	}
	workers.Go(func() {
		for i := range 200 {
			g.Reassigned(i%2 == 0)
			g.Set(Rules{Identify: time.Duration(i) * time.Second, Content: time.Second})
			g.Forget()
			_ = g.On()
		}
	})
	workers.Wait()
}
