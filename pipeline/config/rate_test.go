package config_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/config"
	"sluice/sink/budget"
)

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]budget.Rate{
		"80/s": 80, "1500/min": 25, "1/10s": 0.1, "3600/h": 1, "86400/d": 1, "5/100ms": 50, " 2 / s ": 2, "0.5/s": 0.5, "unlimited": 0, "30/m": 0.5, "1/second": 1, "60/minute": 1, "7200/hour": 2, "43200/day": 0.5,
	} {
		if have, err := config.ParseRate(text); err != nil || math.Abs(float64(have-want)) > 1e-12 {
			t.Errorf("%q: want %v, have %v, %v", text, want, have, err)
		}
	}
	for _, text := range []string{"", "80", "80/", "/s", "s/80", "-1/s", "+1/s", "1e3/s", "inf/s", "nan/s", "0/s", "1/0s", "1/week", "1//s", "1/s/s", "9999999/s", "1/1e9h", "Unlimited!", "1.2.3/s", ".", "./s"} {
		if have, err := config.ParseRate(text); err == nil {
			t.Errorf("%q: want an error, have %v", text, have)
		} else if !strings.Contains(err.Error(), "write") {
			t.Errorf("%q: want a remedy, have %v", text, err)
		}
	}
}

func TestFormatRate(t *testing.T) {
	t.Parallel()
	for rate, want := range map[budget.Rate]string{0: "unlimited", 80: "80/s", 25: "25/s", 0.1: "6/min", 0.5: "30/min", 10.0 / 3600: "10/h", 1.0 / 86400: "1/d", 2.5: "150/min", 1.0 / 86400 / 3: "0.000003858024691358025/s"} {
		if have := config.FormatRate(rate); have != want {
			t.Errorf("%v: want %s, have %s", float64(rate), want, have)
		}
	}
}

// FuzzRate: what is read is a rate that makes sense, and reads the same once
// written.
func FuzzRate(f *testing.F) {
	for _, text := range []string{"80/s", "1500/min", "1/10s", "unlimited", "0.3/h", "1/366d", "-1/s", "1/1e9s", "NaN/s", "1/."} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rate, err := config.ParseRate(text)
		if err != nil {
			return
		}
		if rate < 0 || math.IsNaN(float64(rate)) || rate > 1e6 {
			t.Fatalf("%q: have %v", text, rate)
		}
		again, err := config.ParseRate(config.FormatRate(rate))
		if err != nil || math.Abs(float64(again-rate)) > 1e-8*float64(rate) {
			t.Fatalf("%q: %v is written %s, which is read as %v, %v", text, rate, config.FormatRate(rate), again, err)
		}
	})
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "500ms": 500 * time.Millisecond, "1h30m": 90 * time.Minute, " 30s ": 30 * time.Second, "0s": 0, "0d": 0,
	} {
		if have, err := config.ParseDuration(text); err != nil || have != want {
			t.Errorf("%q: want %v, have %v, %v", text, want, have, err)
		}
	}
	for _, text := range []string{"", "0", "30", "-1s", "+1s", "d", "1.5d", "-1d", "1d-2h", "1d 2h", "7 d", "1w", "2 sec", "99999999d", "1d1d", "9223372036s1d"} {
		if have, err := config.ParseDuration(text); err == nil {
			t.Errorf("%q: want an error, have %v", text, have)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"4096": 4096, "0": 0, "1B": 1, "256KiB": 256 << 10, "64 MiB": 64 << 20, "1GiB": 1 << 30, "500KB": 500_000, "1kB": 1000, "2MB": 2_000_000, "3GB": 3_000_000_000,
	} {
		if have, err := config.ParseSize(text); err != nil || have != want {
			t.Errorf("%q: want %d, have %d, %v", text, want, have, err)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "1.5MiB", "64MIB", "64mb", "99999999999999999999", "9999999999GiB"} {
		if have, err := config.ParseSize(text); err == nil {
			t.Errorf("%q: want an error, have %d", text, have)
		}
	}
}
