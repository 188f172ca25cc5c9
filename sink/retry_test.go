package sink_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/sink"
)

func TestDelay(t *testing.T) {
	t.Parallel()
	cfg := sink.RetryConfig{Base: time.Second, Cap: 15 * time.Minute}
	for _, c := range []struct {
		attempt int
		rnd     float64
		want    time.Duration
	}{
		{0, 0.5, 500 * time.Millisecond},
		{0, 1, time.Second},
		{3, 0.5, 4 * time.Second},
		{9, 1, 512 * time.Second},
		{10, 1, 15 * time.Minute},
		{63, 1, 15 * time.Minute},
		{math.MaxInt, 1, 15 * time.Minute},
		{-4, 1, time.Second},
		{5, 0, 0},
		{5, -1, 0},
		{5, 2, 32 * time.Second},
		{5, math.NaN(), 0},
	} {
		if have := cfg.Delay(c.attempt, c.rnd); have != c.want {
			t.Errorf("Delay(%d, %v): want %v, have %v", c.attempt, c.rnd, c.want, have)
		}
	}
}

func TestDelayStaysInBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cfg := sink.RetryConfig{
			Base: time.Duration(rapid.Int64().Draw(t, "base")),
			Cap:  time.Duration(rapid.Int64().Draw(t, "cap")),
		}
		attempt := rapid.Int().Draw(t, "attempt")
		have := cfg.Delay(attempt, rapid.Float64().Draw(t, "rnd"))
		if have < 0 || have > max(cfg.Cap, 0) {
			t.Fatalf("%+v, attempt %d: %v", cfg, attempt, have)
		}
	})
}

func TestRetryConfigValidate(t *testing.T) {
	t.Parallel()
	if err := sink.DefaultRetryConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	want := "retry.base: must be above 0, have 0s\nretry.cap: must be at least the base (0s), have -1ns"
	if err := (sink.RetryConfig{Cap: -1}).Validate(); err == nil || err.Error() != want {
		t.Errorf("want %q, have %v", want, err)
	}
}

func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, seed := range []string{"", "1", "3600", "3601", "Sun, 22 Nov 2026 12:00:05 GMT", "Sunday, 22-Nov-26 12:00:05 GMT", "-1", "\x00", "１"} {
		f.Add(seed, "")
	}
	f.Add("Sun, 22 Nov 2026 12:00:05 GMT", "Sun, 22 Nov 2026 12:00:00 GMT")
	f.Fuzz(func(t *testing.T, value, date string) {
		have := sink.RetryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, now)
		if have < 0 || have > sink.MaxRetryAfter {
			t.Fatalf("%q: %v", value, have)
		}
	})
}

func TestRetryAfterWithoutDate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	header := http.Header{"Retry-After": {"Sun, 22 Nov 2026 12:00:05 GMT"}}
	if have := sink.RetryAfter(header, now); have != 5*time.Second {
		t.Errorf("want 5s, have %v", have)
	}
}

// The longest cap there is rounds up as a float, and its conversion back
// wrapped to a negative delay.
func TestDelayAtTheTopOfItsRange(t *testing.T) {
	t.Parallel()
	cfg := sink.RetryConfig{Base: 1, Cap: math.MaxInt64}
	if have := cfg.Delay(63, 1); have != math.MaxInt64 {
		t.Errorf("have %v, want the cap", have)
	}
}
