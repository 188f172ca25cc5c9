package spread

import (
	"context"
	"fmt"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// A burst of the document's case is 4,500 events over three minutes: 25 a
// second. The short form has fewer at the same pace.
const pace = 25

// The most events of any second, by how they are spread.
const (
	mostEven   = 32
	mostRandom = 55
)

// tolerance is how far from the end of its window the last event may arrive.
const tolerance = 3 * time.Second

func (s spread) even(ctx context.Context, r *suite.Result) error {
	_, err := s.window(ctx, r, burst{by: "even", over: time.Duration(s.pick(30, 180)) * time.Second, most: mostEven})
	return err
}

func (s spread) random(ctx context.Context, r *suite.Result) error {
	_, err := s.window(ctx, r, burst{by: "random", over: time.Duration(s.pick(30, 180)) * time.Second, most: mostRandom})
	return err
}

// killed is even with a kill half-way of the member that sends.
func (s spread) killed(ctx context.Context, r *suite.Result) error {
	_, err := s.window(ctx, r, burst{by: "even", over: time.Duration(s.pick(100, 180)) * time.Second, most: mostEven + s.pick(8, 0), kill: true})
	return err
}

// burst is one case.
type burst struct {
	by   string
	over time.Duration
	most int // events in any second
	kill bool
}

// window produces a burst at once and looks at how it arrives.
func (s spread) window(ctx context.Context, r *suite.Result, b burst) (*stage, error) {
	st, err := s.stage(ctx, 2, map[string]string{
		"rules": fmt.Sprintf("[{name: promo, match: {event: promo}, spread: {over: %v, by: %s}}]", b.over, b.by),
	})
	if err != nil {
		return nil, err
	}
	if err := st.warm(ctx); err != nil {
		return nil, err
	}
	n := pace * int(b.over/time.Second)
	begin := time.Now()
	err = st.produce(ctx, n, func(i int) string {
		return fmt.Sprintf(`{"user":"u%05d","event":"promo","data":{"campaign_id":42}}`, i)
	})
	if err != nil {
		return nil, err
	}
	produced := time.Since(begin)
	if b.kill {
		if err := st.killOwner(ctx, time.Until(begin.Add(b.over/2))); err != nil {
			return nil, err
		}
	}
	if err := st.arrived(ctx, "promo", n, time.Until(begin.Add(b.over+time.Minute))); err != nil {
		return nil, err
	}
	times := st.times("promo")
	first, last := time.Unix(0, times[0]), time.Unix(0, times[len(times)-1])
	r.Note("events", fmt.Sprintf("%d, produced in %.1f s", n, produced.Seconds()))
	r.AtMost("first after", first.Sub(begin).Seconds(), tolerance.Seconds(), " s")
	r.AtLeast("last after", last.Sub(begin).Seconds(), (b.over - tolerance).Seconds(), " s")
	r.AtMost("and", last.Sub(begin).Seconds(), (b.over + tolerance).Seconds(), " s")
	r.AtMost("busiest second", float64(times.Busiest(time.Second)), float64(b.most), "")
	st.once(r, "promo", n)
	if err := st.plot(b, times, begin); err != nil {
		return nil, err
	}
	return st, st.stop()
}

// killOwner waits and kills the member that sends.
func (st *stage) killOwner(ctx context.Context, wait time.Duration) error {
	if err := rig.Pause(ctx, wait); err != nil {
		return err
	}
	m, err := st.owner(ctx)
	if err != nil {
		return err
	}
	m.Kill()
	return nil
}
