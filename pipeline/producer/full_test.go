package producer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline/producer"
)

// Ten batches await Kafka at most. Then the buffer fills, and calls block until
// there is room again or their context ends.
func TestFullBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &fake{delay: time.Minute}
		p := library(t, a, func(c *producer.Config) { c.BufferEvents = 1100 }).Async(nil)
		for i := range 1100 {
			track(t, p, "u", i)
		}
		synctest.Wait()
		if have := a.count(); have != 1000 {
			t.Errorf("have %d handed over, want 1000", have)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Track(ctx, producer.ID("u"), "x", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("full: have %v, want that the deadline passed", err)
		}
		began := time.Now()
		track(t, p, "u", 1100)
		if waited := time.Since(began); waited != 59*time.Second {
			t.Errorf("full: waited %v, want until the first batch was acknowledged, 59s", waited)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		equal(t, "events", numbers(t, a.values("u")), upTo(1101))
		if have := p.Counts(); have != (producer.Counts{Taken: 1101, Acknowledged: 1101}) {
			t.Errorf("counts: %+v", have)
		}
	})
}

// Under Drop a full buffer refuses at once, whichever bound it meets, and takes
// again when there is room.
func TestFullDrops(t *testing.T) {
	t.Parallel()
	large := map[string]string{"pad": strings.Repeat("x", 90_000)}
	for name, c := range map[string]struct {
		change func(*producer.Config)
		data   any
		fits   uint64
	}{
		"events": {func(c *producer.Config) { c.BufferEvents = 3 }, nil, 3},
		"bytes":  {func(c *producer.Config) { c.BufferBytes = 1 << 20 }, large, 11},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &fake{delay: time.Minute}
				p := library(t, a, func(config *producer.Config) {
					config.WhenFull = producer.Drop
					c.change(config)
				})
				later := p.Async(nil)
				var dropped uint64
				for range 20 {
					switch err := later.Track(t.Context(), producer.ID("u"), "x", c.data); {
					case errors.Is(err, producer.ErrFull):
						dropped++
					case err != nil:
						t.Error(err)
					}
				}
				if err := p.Track(t.Context(), producer.ID("u"), "x", c.data); !errors.Is(err, producer.ErrFull) {
					t.Errorf("a call that waits: have %v, want ErrFull", err)
				}
				want := producer.Counts{Taken: c.fits, InHand: c.fits, Dropped: 21 - c.fits}
				if have := p.Counts(); have != want || dropped != 20-c.fits {
					t.Errorf("have %+v and %d refused, want %+v", have, dropped, want)
				}
				if err := p.Flush(t.Context()); err != nil {
					t.Error(err)
				}
				if err := p.Track(t.Context(), producer.ID("u"), "x", c.data); err != nil {
					t.Errorf("with room again: %v", err)
				}
				if err := p.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// A single event above the whole buffer would wait for ever.
func TestLargerThanTheBuffer(t *testing.T) {
	t.Parallel()
	p := library(t, &fake{}, func(c *producer.Config) { c.Form, c.BufferBytes = producer.Object, 1<<20 })
	err := p.Send(t.Context(), "u", map[string]string{"pad": strings.Repeat("x", 1<<20)})
	if !errors.Is(err, producer.ErrFull) || p.Counts().Dropped != 1 {
		t.Errorf("have %v, %+v, want ErrFull and one dropped", err, p.Counts())
	}
}
