package sink_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sluice/sink"
)

func must(t *testing.T, b *sink.Breaker, wantProbe bool) sink.Pass {
	t.Helper()
	pass, ok := b.Allow()
	if !ok || pass.Probe() != wantProbe {
		t.Fatalf("want a pass, probe %t; have %t, probe %t", wantProbe, ok, pass.Probe())
	}
	return pass
}

func refused(t *testing.T, b *sink.Breaker, when string) {
	t.Helper()
	if pass, ok := b.Allow(); ok {
		t.Fatalf("a pass %s, probe %t", when, pass.Probe())
	}
}

func fail(t *testing.T, b *sink.Breaker, times int) {
	t.Helper()
	for range times {
		must(t, b, false).Done(sink.Failure)
	}
}

// waitForProbe waits exactly until NextProbe, as the pipeline does.
func waitForProbe(b *sink.Breaker) { time.Sleep(time.Until(b.NextProbe())) }

func TestBreakerLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var changes []string
		b := sink.NewBreaker(sink.DefaultBreakerConfig(), func(from, to sink.State) {
			changes = append(changes, from.String()+">"+to.String())
		})
		if !b.NextProbe().IsZero() {
			t.Errorf("a closed breaker probes at %v", b.NextProbe())
		}
		fail(t, b, 4)
		must(t, b, false).Done(sink.Success) // only consecutive ones count
		fail(t, b, 4)
		must(t, b, false).Done(sink.Neutral) // neither does this end the row
		fail(t, b, 1)
		opened := time.Now()
		refused(t, b, "while open")
		if have := b.Health(); have != (sink.Health{State: sink.Open, Failures: 5, LastFailure: opened}) {
			t.Errorf("health %+v", have)
		}
		waitForProbe(b)
		if waited := time.Since(opened); waited < 30*time.Second || waited > 30*time.Second+time.Millisecond {
			t.Errorf("the first probe after %v", waited)
		}
		for range 3 {
			probe := must(t, b, true)
			refused(t, b, "beside a probe")
			probe.Done(sink.Success)
		}
		must(t, b, false).Done(sink.Success)
		if have := b.Health(); have.State != sink.Closed || have.Failures != 0 || !have.LastFailure.Equal(opened) {
			t.Errorf("health %+v", have)
		}
		want := []string{"closed>open", "open>half-open", "half-open>closed"}
		if !slices.Equal(changes, want) {
			t.Errorf("want %v, have %v", want, changes)
		}
	})
}

func TestBreakerProbeFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := sink.NewBreaker(sink.DefaultBreakerConfig(), nil)
		fail(t, b, 5)
		for round := range 3 {
			waitForProbe(b)
			must(t, b, true).Done(sink.Success)
			must(t, b, true).Done(sink.Lost)
			refused(t, b, "after a failed probe")
			if have := b.Health(); have.State != sink.Open || have.Failures != 6+round {
				t.Errorf("round %d: health %+v", round, have)
			}
		}
	})
}

// In gobreaker a probe whose result never comes holds its place for good.
func TestBreakerForgottenProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := sink.DefaultBreakerConfig()
		b := sink.NewBreaker(cfg, nil)
		fail(t, b, 5)
		waitForProbe(b)
		for range 2 * cfg.Successes { // more than gobreaker has places
			forgotten := must(t, b, true)
			if until := time.Until(b.NextProbe()); until != cfg.ProbeTimeout {
				t.Fatalf("its place frees after %v", until)
			}
			refused(t, b, "beside a probe")
			waitForProbe(b)
			defer forgotten.Done(sink.Failure) // far too late to count
		}
		forgotten := must(t, b, true)
		waitForProbe(b)
		for range cfg.Successes {
			probe := must(t, b, true)
			forgotten.Done(sink.Failure) // not the probe that is out
			probe.Done(sink.Success)
		}
		if have := b.Health().State; have != sink.Closed {
			t.Errorf("want closed, have %v", have)
		}
	})
}

func TestBreakerNeutralProbeGivesItsPlaceBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := sink.NewBreaker(sink.DefaultBreakerConfig(), nil)
		fail(t, b, 5)
		waitForProbe(b)
		for range 10 {
			must(t, b, true).Done(sink.Neutral)
			if b.NextProbe().After(time.Now()) {
				t.Fatal("the next probe has to wait")
			}
		}
		for range 3 {
			must(t, b, true).Done(sink.Success)
		}
		must(t, b, false)
	})
}

// One cut connection that carried many attempts is one failure.
func TestBreakerCountsALostConnectionOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := sink.NewBreaker(sink.DefaultBreakerConfig(), nil)
		for wave := range 5 {
			if have := b.Health(); have.State != sink.Closed || have.Failures != wave {
				t.Fatalf("before wave %d: %+v", wave, have)
			}
			passes := make([]sink.Pass, 20)
			for i := range passes {
				passes[i] = must(t, b, false)
			}
			for _, pass := range passes {
				pass.Done(sink.Lost)
			}
		}
		refused(t, b, "after five lost connections")
	})
}

func TestPassCountsOnce(t *testing.T) {
	t.Parallel()
	b := sink.NewBreaker(sink.DefaultBreakerConfig(), nil)
	pass := must(t, b, false)
	for range 10 {
		pass.Done(sink.Failure)
	}
	if have := b.Health(); have.State != sink.Closed || have.Failures != 1 {
		t.Errorf("health %+v", have)
	}
	sink.Pass{}.Done(sink.Failure) // reports to nobody
	if (sink.Pass{}).Probe() {
		t.Error("a zero pass is a probe")
	}
}

// A late answer of the time before must not count for or against a probe.
func TestBreakerIgnoresLateOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := sink.NewBreaker(sink.DefaultBreakerConfig(), nil)
		late := make([]sink.Pass, 20)
		for i := range late {
			late[i] = must(t, b, false)
		}
		fail(t, b, 5)
		waitForProbe(b)
		probe := must(t, b, true)
		for i, pass := range late {
			pass.Done([]sink.Outcome{sink.Success, sink.Failure, sink.Lost, sink.Neutral}[i%4])
		}
		if have := b.Health(); have.State != sink.HalfOpen || have.Failures != 5 {
			t.Errorf("health %+v", have)
		}
		refused(t, b, "beside a probe")
		probe.Done(sink.Success)
		must(t, b, true)
	})
}

// OnChange may call back, also into what changes the state again; it still
// hears every change in order.
func TestBreakerCallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b *sink.Breaker
		var changes []sink.State
		b = sink.NewBreaker(sink.BreakerConfig{Failures: 1, Successes: 1, ProbeAfter: time.Second}, func(from, to sink.State) {
			if len(changes) > 0 && from != changes[len(changes)-1] {
				t.Errorf("from %v after %v", from, changes)
			}
			changes = append(changes, to)
			b.NextProbe()
			if have := b.Health().State; have != to {
				t.Errorf("told of %v while it is %v", to, have)
			}
			if pass, ok := b.Allow(); ok {
				pass.Done(sink.Failure)
			}
		})
		must(t, b, false).Done(sink.Failure)
		waitForProbe(b)
		must(t, b, true).Done(sink.Success) // closes it, upon which the callback fails
		want := []sink.State{sink.Open, sink.HalfOpen, sink.Closed, sink.Open}
		if !slices.Equal(changes, want) {
			t.Errorf("want %v, have %v", want, changes)
		}
	})
}

// Whatever the order of outcomes: never two probes at once, and once nothing
// is out the breaker lets something pass within ProbeAfter and ProbeTimeout.
func TestBreakerNeverWedges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 6), 1, 200).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) {
			b := sink.NewBreaker(sink.DefaultBreakerConfig(), nil)
			var out []sink.Pass
			for _, step := range steps {
				switch {
				case step < 4 && len(out) > 0:
					out[0].Done(sink.Outcome(step))
					out = out[1:]
				case step == 4 && len(out) > 0:
					out = out[1:] // forgotten
				case step == 5:
					time.Sleep(10 * time.Second)
				default:
					if pass, ok := b.Allow(); ok {
						if pass.Probe() {
							if _, second := b.Allow(); second {
								t.Error("two probes at once")
							}
						}
						out = append(out, pass)
					}
				}
			}
			if next := b.NextProbe(); time.Until(next) > 31*time.Second {
				t.Errorf("the next probe is in %v", time.Until(next))
			}
			waitForProbe(b)
			if _, ok := b.Allow(); !ok {
				t.Errorf("wedged: %+v", b.Health())
			}
		})
	})
}

func TestBreakerConcurrent(t *testing.T) {
	t.Parallel()
	b := sink.NewBreaker(sink.BreakerConfig{Failures: 3, Successes: 2, ProbeAfter: time.Microsecond}, func(_, _ sink.State) {})
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 500 {
				if pass, ok := b.Allow(); ok {
					pass.Done(sink.Outcome((i * worker) % 4))
				}
				b.Health()
				b.NextProbe()
			}
		})
	}
	group.Wait()
}

func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		result sink.Result
		want   sink.Outcome
	}{
		{sink.Result{Verdict: sink.Delivered, Status: 200}, sink.Success},
		{sink.Result{Verdict: sink.Rejected, Status: 400}, sink.Success},
		{sink.Result{Verdict: sink.Rejected}, sink.Neutral},
		{sink.Result{Verdict: sink.Unavailable, Status: 503}, sink.Failure},
		{sink.Result{Verdict: sink.Unavailable, Lost: true}, sink.Lost},
		{sink.Result{Verdict: sink.Throttled, Status: 429, Lost: true}, sink.Neutral},
		{sink.Result{Verdict: sink.Refused, Status: 401}, sink.Neutral},
		{sink.Result{Verdict: sink.Interrupted}, sink.Neutral},
		{sink.Result{}, sink.Neutral},
	} {
		if have := sink.OutcomeOf(c.result); have != c.want {
			t.Errorf("%+v: want %d, have %d", c.result, c.want, have)
		}
	}
}

func TestBreakerConfigValidate(t *testing.T) {
	t.Parallel()
	if err := sink.DefaultBreakerConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	err := (sink.BreakerConfig{ProbeTimeout: -1}).Validate()
	want := "breaker.failures: must be 1 to 1048576, have 0\nbreaker.successes: must be 1 to 1048576, have 0\n" +
		"breaker.probe_after: must be above 0, have 0s\nbreaker.probe_timeout: must not be negative, have -1ns"
	if err == nil || err.Error() != want {
		t.Errorf("want %q, have %v", want, err)
	}
}
