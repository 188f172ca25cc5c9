package producer_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

// plan is one run of an application: how the buffer is set up, how Kafka
// behaves, and what each of its goroutines does.
type plan struct {
	batch, concurrency, buffer int
	policy                     producer.Policy
	delay                      time.Duration
	failing                    int // each event of a number that this divides
	goroutines                 [][]deed
}

// deed is one call, and the pause before it.
type deed struct {
	pause time.Duration
	waits bool
	flush bool
}

func drawPlan(t *rapid.T) plan {
	deeds := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) deed {
		return deed{
			pause: rapid.SampledFrom([]time.Duration{0, 0, 0, time.Millisecond, 30 * time.Millisecond}).Draw(t, "pause"),
			waits: rapid.IntRange(0, 3).Draw(t, "waits") == 0,
			flush: rapid.IntRange(0, 19).Draw(t, "flush") == 0,
		}
	}), 0, 40)
	return plan{
		batch:       rapid.IntRange(1, 8).Draw(t, "batch"),
		concurrency: rapid.IntRange(1, 3).Draw(t, "concurrency"),
		buffer:      rapid.IntRange(1, 30).Draw(t, "buffer"),
		policy:      rapid.SampledFrom([]producer.Policy{producer.Block, producer.Drop}).Draw(t, "policy"),
		delay:       rapid.SampledFrom([]time.Duration{0, time.Millisecond, 50 * time.Millisecond}).Draw(t, "delay"),
		failing:     rapid.SampledFrom([]int{1000, 7, 2}).Draw(t, "failing"),
		goroutines:  rapid.SliceOfN(deeds, 1, 4).Draw(t, "goroutines"),
	}
}

// tally is what an application saw.
type tally struct {
	mu      sync.Mutex
	told    [][]int // per goroutine, the events that were taken and did not fail
	waited  int     // calls that waited and were acknowledged
	failed  int     // calls that waited and failed
	dropped int
	heard   map[string]int // outcomes that the callback heard of, by error
	later   int            // events that were taken without waiting
	counts  producer.Counts
	closed  error // Close's
}

// Whatever an application does at once, everything taken has one outcome, each
// goroutine's user keeps the order, no bound is passed, and the counts agree
// with what the calls and callbacks said.
func TestBufferAccountsForEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		run := drawPlan(rt)
		var a *fake
		var saw *tally
		synctest.Test(t, func(t *testing.T) { a, saw = run.play(t) })
		total, fine := saw.waited+saw.failed+saw.later, saw.waited+saw.heard["<nil>"]
		want := producer.Counts{
			Taken: uint64(total), Acknowledged: uint64(fine), Failed: uint64(total - fine), Dropped: uint64(saw.dropped),
		}
		if saw.counts != want {
			rt.Errorf("counts: have %+v, want %+v", saw.counts, want)
		}
		lost := saw.heard[errBroker.Error()]
		if saw.later != saw.heard["<nil>"]+lost || (saw.closed != nil) != (lost > 0) {
			rt.Errorf("of %d events not waited for, the callback heard %v, and Close said %v", saw.later, saw.heard, saw.closed)
		}
		if most := min(run.batch*run.concurrency, run.buffer); a.most > most {
			rt.Errorf("%d were at Kafka at once, want at most %d", a.most, most)
		}
		for g, want := range saw.told {
			var have []int
			for _, value := range a.values(fmt.Sprint(g)) {
				have = append(have, numberOf(value))
			}
			if fmt.Sprint(have) != fmt.Sprint(want) {
				rt.Errorf("goroutine %d: have %v, want %v", g, have, want)
			}
		}
	})
}

func (p plan) play(t *testing.T) (*fake, *tally) {
	t.Helper()
	fails := func(i int) bool { return i%p.failing == p.failing-1 }
	a := &fake{delay: p.delay, fail: func(r event.Record) error {
		if fails(numberOf(string(r.Value))) {
			return errBroker
		}
		return nil
	}}
	lib := library(t, a, func(c *producer.Config) {
		c.BatchEvents, c.Concurrency, c.BufferEvents, c.WhenFull = p.batch, p.concurrency, p.buffer, p.policy
		c.BatchWait = 10 * time.Millisecond
	})
	saw := &tally{heard: map[string]int{}, told: make([][]int, len(p.goroutines))}
	later := lib.Async(func(o producer.Outcome) {
		saw.mu.Lock()
		defer saw.mu.Unlock()
		saw.heard[fmt.Sprint(o.Err)]++
	})
	var all sync.WaitGroup
	for g, deeds := range p.goroutines {
		all.Go(func() {
			for i, d := range deeds {
				time.Sleep(d.pause)
				to := later
				if d.waits {
					to = lib
				}
				err := to.Track(t.Context(), producer.ID(fmt.Sprint(g)), "x", map[string]int{"i": i})
				if !saw.add(d, err) {
					t.Errorf("goroutine %d, event %d: %v", g, i, err)
				}
				if err == nil && !fails(i) {
					saw.keep(g, i)
				}
				if d.flush {
					if err := lib.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	saw.closed = lib.Close(t.Context())
	saw.counts = lib.Counts()
	return a, saw
}

// add takes what a call said, and reports false for what no call may say.
func (s *tally) add(d deed, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case errors.Is(err, producer.ErrFull):
		s.dropped++
	case d.waits && errors.Is(err, errBroker):
		s.failed++
	case err != nil:
		return false
	case d.waits:
		s.waited++
	default:
		s.later++
	}
	return true
}

// keep notes an event that must arrive.
func (s *tally) keep(g, i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told[g] = append(s.told[g], i)
}

// numberOf is the number that an event of these tests carries.
func numberOf(value string) int {
	_, rest, _ := strings.Cut(value, `{"i":`)
	var i int
	_, _ = fmt.Sscan(strings.Trim(rest, "}"), &i)
	return i
}
