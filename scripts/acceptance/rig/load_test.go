package rig_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/scripts/acceptance/rig"
)

// answering is a client without a network: each request takes a time of its own.
type answering func(n int64) (status int, took time.Duration, err error)

func (a answering) client() *http.Client {
	var n atomic.Int64
	return &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		status, took, err := a(n.Add(1) - 1)
		time.Sleep(took) // in a bubble
		if err != nil {
			return nil, err
		}
		return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"2"}}, Body: io.NopCloser(strings.NewReader("said"))}, nil
	})}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func get(ctx context.Context, _ int) (*http.Request, error) {
	return http.NewRequestWithContext(ctx, http.MethodGet, "http://door/", nil)
}

func TestLoadKeepsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		slow := answering(func(n int64) (int, time.Duration, error) {
			if n == 3 {
				return http.StatusServiceUnavailable, 5 * time.Second, nil
			}
			return http.StatusOK, 10 * time.Millisecond, nil
		})
		shots, err := rig.Load{Rate: 100, N: 200, Hands: 8, Client: slow.client(), Make: get}.Run(t.Context())
		if err != nil || len(shots) != 200 {
			t.Fatalf("have %d, %v", len(shots), err)
		}
		for n, shot := range shots {
			if want := began.Add(time.Duration(n) * 10 * time.Millisecond); !shot.Due.Equal(want) || shot.N != n {
				t.Errorf("request %d: due %v after the first, want %v", n, shot.Due.Sub(began), want.Sub(began))
			}
			if n != 3 && shot.Took > 20*time.Millisecond {
				t.Errorf("request %d took %v: one that is slow must hold up no other", n, shot.Took)
			}
		}
		if shots[3].Status != http.StatusServiceUnavailable || shots[3].RetryAfter != "2" || shots[3].Body != "said" || shots[3].Took != 5*time.Second {
			t.Errorf("the slow one: %+v", shots[3])
		}
		if shots.Count(http.StatusOK) != 199 || shots.Quantile(0.95) > 20*time.Millisecond || shots.Quantile(1) != 5*time.Second {
			t.Errorf("have %v", shots)
		}
	})
}

// TestLoadCountsItsWait: with too few hands what waits for one is late, and
// that is told, not hidden.
func TestLoadCountsItsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		second := answering(func(int64) (int, time.Duration, error) { return http.StatusOK, time.Second, nil })
		shots, err := rig.Load{Rate: 10, N: 3, Hands: 1, Client: second.client(), Make: get}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for n, want := range []time.Duration{time.Second, 1900 * time.Millisecond, 2800 * time.Millisecond} {
			if shots[n].Took != want {
				t.Errorf("request %d: want %v, have %v", n, want, shots[n].Took)
			}
		}
	})
}

func TestLoadEndsWhenTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until := make(chan struct{})
		time.AfterFunc(1050*time.Millisecond, func() { close(until) })
		quick := answering(func(int64) (int, time.Duration, error) { return http.StatusOK, time.Millisecond, nil })
		shots, err := rig.Load{Rate: 10, N: 1_000, Hands: 2, Client: quick.client(), Make: get, Until: until}.Run(t.Context())
		if err != nil || len(shots) != 11 || shots.Count(http.StatusOK) != 11 {
			t.Errorf("want the 11 that were due, have %v, %v", shots, err)
		}
	})
}

func TestLoadWithoutAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := answering(func(n int64) (int, time.Duration, error) {
			if n == 0 {
				return 0, time.Millisecond, errors.New("cut")
			}
			return http.StatusOK, time.Millisecond, nil
		})
		shots, err := rig.Load{Rate: 10, N: 4, Hands: 2, Client: broken.client(), Make: get}.Run(t.Context())
		if err != nil || shots.Count(0) != 1 || shots.Count(http.StatusOK) != 3 {
			t.Fatalf("want one without an answer, have %v, %v", shots, err)
		}
		if shots.Quantile(1) < time.Hour || shots.Quantile(0.75) > time.Second {
			t.Errorf("want the one without an answer to take for ever, have %v", shots)
		}
		if have := shots.String(); !strings.HasSuffix(have, "max no answer") {
			t.Errorf("want it told, have %s", have)
		}
		unmade := errors.New("no such thing")
		_, err = rig.Load{Rate: 10, N: 4, Hands: 2, Client: broken.client(), Make: func(context.Context, int) (*http.Request, error) { return nil, unmade }}.Run(t.Context())
		if !errors.Is(err, unmade) {
			t.Errorf("want the reason, have %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := (rig.Load{Rate: 10, N: 4, Hands: 2, Client: broken.client(), Make: get}).Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("want it to end with its context, have %v", err)
		}
	})
}

func TestQuantileOfNothing(t *testing.T) {
	t.Parallel()
	if have := (rig.Shots{}).Quantile(0.95); have != 0 {
		t.Errorf("want 0, have %v", have)
	}
	one := rig.Shots{{Status: 200, Took: time.Second}}
	for _, share := range []float64{0, 0.5, 1} {
		if have := one.Quantile(share); have != time.Second {
			t.Errorf("%v of one: want 1s, have %v", share, have)
		}
	}
}
