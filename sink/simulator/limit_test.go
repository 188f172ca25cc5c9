package simulator_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sluice/sink/simulator"
)

func limited(limit string, burst int, on simulator.OnLimit) func(*simulator.Config) {
	return func(cfg *simulator.Config) {
		cfg.Limit, _ = simulator.ParseLimit(limit)
		cfg.Burst, cfg.OnLimit = burst, on
	}
}

// TestLimitWindows: whatever the times of arrival, no window of any length
// holds more taken requests than its share of the limit and the burst; and a
// request that waits as long as it is told to is taken.
func TestLimitWindows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 500).Draw(rt, "limit")
		burst := rapid.IntRange(1, 50).Draw(rt, "burst")
		gaps := rapid.SliceOfN(rapid.IntRange(0, 30_000), 50, 300).Draw(rt, "gaps in µs")
		synctest.Test(t, func(t *testing.T) {
			sim := start(t, limited(strconv.Itoa(limit)+"/s", burst, simulator.Answer429))
			for _, gap := range gaps {
				time.Sleep(time.Duration(gap) * time.Microsecond)
				w := serve(sim, request(t, "POST", "/api/v1/customers/5/events", trackBody))
				if w.Code == 200 {
					continue
				}
				wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
				if w.Code != 429 || err != nil || wait < 1 {
					t.Fatalf("want 429 with Retry-After in seconds, have %d %q", w.Code, w.Header())
				}
			}
			checkWindows(t, sim, limit, burst)
		})
	})
}

// checkWindows looks at every window that begins and ends with a taken request.
func checkWindows(t *testing.T, sim *simulator.Simulator, limit, burst int) {
	t.Helper()
	var taken []int64
	for a := range sim.Arrivals(0) {
		if a.Status == 200 {
			taken = append(taken, a.Time)
		} else if a.Effect {
			t.Fatalf("want no effect above the limit, have %+v", a)
		}
	}
	for i := range taken {
		for j := i; j < len(taken); j++ {
			seconds := float64(taken[j]-taken[i]) / 1e9
			if most := float64(burst) + float64(limit)*seconds; float64(j-i+1) > most+1e-6 {
				t.Fatalf("want at most %.3f in %.6fs, have %d", most, seconds, j-i+1)
			}
		}
	}
}

// TestLimitFull: nothing below the limit is refused, and each workspace has
// its own; a batch counts once.
func TestLimitFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := start(t, limited("100/s", 10, simulator.Answer429))
		for range 300 {
			must(t, sim, 200, "POST /api/v2/batch", `{"batch":[`+sized(200)+`,`+sized(200)+`]}`)
			r := request(t, "POST", "/api/v1/customers/5/events", trackBody)
			r.Header.Set("Authorization", basic("other:key"))
			if have := serve(sim, r).Code; have != 200 {
				t.Fatalf("want 200, have %d", have)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// TestRetryAfter says when a token is there.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := start(t, limited("1/10s", 1, simulator.Answer429))
		must(t, sim, 200, trackLine, trackBody)
		time.Sleep(4500 * time.Millisecond)
		w := serve(sim, request(t, "POST", "/api/v1/customers/5/events", trackBody))
		if have := w.Header().Get("Retry-After"); w.Code != 429 || have != "6" {
			t.Fatalf("want 429 and 6 s, have %d and %q", w.Code, have)
		}
		time.Sleep(6 * time.Second)
		must(t, sim, 200, trackLine, trackBody)
	})
}

// TestDegrade: a flood is answered 200, later and later, and lost; the account
// recovers when the debt is worked off, and not when the flood ends.
func TestDegrade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := start(t, limited("10/s", 5, simulator.Degrade))
		slowest := make(chan time.Duration, 25)
		began := time.Now()
		for range cap(slowest) {
			go func() {
				if have := serve(sim, request(t, "POST", "/api/v1/customers/5/events", trackBody)).Code; have != 200 {
					t.Errorf("want 200, have %d", have)
				}
				slowest <- time.Since(began)
			}()
		}
		var late time.Duration
		for range cap(slowest) {
			late = max(late, <-slowest)
		}
		if want := 2 * time.Second; late != want { // 20 above the limit, at 10/s
			t.Errorf("want the slowest after %s, have %s", want, late)
		}
		stats := sim.Stats()
		if stats.Effects != 5 || stats.Degraded != 20 || person(t, sim, "5").Events != 5 {
			t.Errorf("want 5 with effect and 20 lost, have %+v", stats)
		}
		if a := last(t, sim); a.Status != 200 || a.Effect {
			t.Errorf("want a lost event recorded as 200 without effect, have %+v", a)
		}
		must(t, sim, 200, trackLine, trackBody) // at 2 s the debt is 0, and no token is there yet
		if last(t, sim).Effect {
			t.Error("want it still lost")
		}
		time.Sleep(10 * time.Second)
		must(t, sim, 200, trackLine, trackBody)
		if !last(t, sim).Effect {
			t.Error("want the account well again")
		}
	})
}
