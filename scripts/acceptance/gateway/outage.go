package gateway

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

const trafficRate = 200 // requests a second

// kafkaAway takes Kafka away in the middle of traffic. Whoever got a 503 sends
// the same again when Kafka is back, as the libraries do.
func (g gateway) kafkaAway(ctx context.Context, r *suite.Result) error {
	before, away, after := 4*time.Second, time.Duration(g.pick(8, 30))*time.Second, time.Duration(g.pick(8, 25))*time.Second
	st, err := g.stage(ctx, "away", plan{})
	if err != nil {
		return err
	}
	member, err := st.run(ctx, "gateway,deliver")
	if err != nil {
		return err
	}
	t := traffic{st.door}
	until := make(chan struct{})
	// A start of Kafka takes as long as it takes.
	load := rig.Load{Rate: trafficRate, N: 300 * trafficRate, Hands: 4096, Client: rig.LoadClient(4096), Make: t.request, Until: until}
	var back time.Time
	shots, err := beside(ctx, load, func(ctx context.Context) error {
		if err := rig.Pause(ctx, before); err != nil {
			return err
		}
		if err := st.kafka.Kill(ctx, 1); err != nil {
			return err
		}
		if err := rig.Pause(ctx, away); err != nil {
			return err
		}
		if err := st.kafka.Start(ctx, 1); err != nil {
			return err
		}
		back = time.Now()
		err := rig.Pause(ctx, after)
		close(until)
		return err
	})
	if err != nil {
		return err
	}
	r.Note("traffic", shots.String())
	other := unanswered(shots, http.StatusOK, http.StatusServiceUnavailable)
	r.Holds("answers", other == "", cmp.Or(other, "200 or 503"), "200 or 503")
	r.AtLeast("answers 503", float64(shots.Count(http.StatusServiceUnavailable)), (away.Seconds()-1)*trafficRate/2, "")
	r.Equal("without Retry-After", withoutRetryAfter(shots), 0)
	// The libraries wait ten seconds for an answer.
	r.AtMost("longest wait for an answer", shots.Quantile(1).Seconds(), 10, " s")
	r.AtMost("after Kafka was back, 200 again within", recovered(shots, back).Seconds(), 10, " s")
	again, err := repeat(ctx, t, shots)
	if err != nil {
		return err
	}
	r.Equal("sent again and taken", again.Count(http.StatusOK), int64(len(again)))
	if _, err := st.settled(ctx, time.Minute); err != nil {
		return err
	}
	arrivals, err := st.sim.History(ctx, 0)
	if err != nil {
		return err
	}
	accountOf(arrivals).judge(r, append(shots, again...))
	return st.end(member)
}

// beside runs something while a load lasts.
func beside(ctx context.Context, load rig.Load, do func(context.Context) error) (rig.Shots, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var wrong error
	wg.Go(func() {
		if wrong = do(ctx); wrong != nil {
			stop()
		}
	})
	shots, err := load.Run(ctx)
	wg.Wait()
	if wrong != nil {
		return shots, wrong
	}
	return shots, err
}

// repeat sends those that got a 503 again, the same to the byte.
func repeat(ctx context.Context, t traffic, shots rig.Shots) (rig.Shots, error) {
	var failed []int
	for _, shot := range shots {
		if shot.Status == http.StatusServiceUnavailable {
			failed = append(failed, shot.N)
		}
	}
	again, err := rig.Load{
		Rate: 2 * trafficRate, N: len(failed), Hands: 256, Client: rig.LoadClient(256),
		Make: func(ctx context.Context, n int) (*http.Request, error) { return t.request(ctx, failed[n]) },
	}.Run(ctx)
	for i := range again {
		again[i].N = failed[i]
	}
	return again, err
}

func withoutRetryAfter(shots rig.Shots) int64 {
	var n int64
	for _, shot := range shots {
		seconds, err := strconv.Atoi(shot.RetryAfter)
		if shot.Status == http.StatusServiceUnavailable && (err != nil || seconds < 1) {
			n++
		}
	}
	return n
}

// recovered is how long after an instant the last request was sent that was
// not answered 200.
func recovered(shots rig.Shots, from time.Time) time.Duration {
	var last time.Duration
	for _, shot := range shots {
		if shot.Status != http.StatusOK {
			last = max(last, shot.Due.Sub(from))
		}
	}
	return last
}

// killed kills the gateway in the middle of traffic, while another member
// delivers.
func (g gateway) killed(ctx context.Context, r *suite.Result) error {
	kills, between := g.pick(2, 8), 4*time.Second
	st, err := g.stage(ctx, "killed", plan{})
	if err != nil {
		return err
	}
	delivering, err := st.run(ctx, "deliver")
	if err != nil {
		return err
	}
	door, err := st.run(ctx, "gateway")
	if err != nil {
		return err
	}
	load := rig.Load{Rate: trafficRate, N: (kills + 1) * int(between.Seconds()) * trafficRate, Hands: 512, Client: rig.LoadClient(512), Make: traffic{st.door}.request}
	shots, err := beside(ctx, load, func(ctx context.Context) error {
		for i := range kills {
			// Not always at the same moment of an append.
			if err := rig.Pause(ctx, between+time.Duration(i*37)*time.Millisecond); err != nil {
				return err
			}
			door.Kill()
			if door, err = st.run(ctx, "gateway"); err != nil {
				return fmt.Errorf("start %d: %w", i+2, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.Note("traffic", shots.String())
	r.AtLeast("requests that a kill left without an answer", float64(shots.Count(0)), 1, "")
	r.AtLeast("requests answered 200", float64(shots.Count(http.StatusOK)), float64(len(shots))/2, "")
	if _, err := st.settled(ctx, time.Minute); err != nil {
		return err
	}
	arrivals, err := st.sim.History(ctx, 0)
	if err != nil {
		return err
	}
	accountOf(arrivals).judge(r, shots)
	return st.end(door, delivering)
}
