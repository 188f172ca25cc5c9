package rig_test

import (
	"testing"
	"time"

	"sluice/scripts/acceptance/rig"
)

// every makes moments that far apart, from one time on and before another, in
// milliseconds.
func every(step, from, to int64) []int64 {
	var moments []int64
	for at := from; at < to; at += step {
		moments = append(moments, at*int64(time.Millisecond))
	}
	return moments
}

func at(ms int64) time.Time { return time.Unix(0, ms*int64(time.Millisecond)) }

func TestTimesBusiest(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		moments []int64
		window  time.Duration
		want    int
	}{
		{"none", nil, time.Second, 0},
		{"half-open", every(100, 0, 2_000), time.Second, 10},
		{"a hair more", every(100, 0, 2_000), time.Second + 1, 11},
		{"a burst, unsorted", append(every(100, 0, 2_000), every(1, 555, 560)...), 100 * time.Millisecond, 6},
	}
	for _, tc := range cases {
		if have := rig.NewTimes(tc.moments).Busiest(tc.window); have != tc.want {
			t.Errorf("%s: want %d, have %d", tc.name, tc.want, have)
		}
	}
}

func TestTimesBetween(t *testing.T) {
	t.Parallel()
	times := rig.NewTimes(every(10, 0, 1_000))
	cases := []struct {
		from, to int64
		want     int
	}{
		{0, 1_000, 100}, {0, 10, 1}, {1, 10, 0}, {5, 25, 2}, {990, 5_000, 1}, {2_000, 3_000, 0}, {500, 100, 0},
	}
	for _, tc := range cases {
		if have := len(times.Between(at(tc.from), at(tc.to))); have != tc.want {
			t.Errorf("from %d to %d: want %d, have %d", tc.from, tc.to, tc.want, have)
		}
	}
	if have := times.Rate(at(0), at(500)); have != 100 {
		t.Errorf("rate: want 100, have %v", have)
	}
	if have := times.Rate(at(500), at(500)); have != 0 {
		t.Errorf("rate of no time: want 0, have %v", have)
	}
}

func TestTimesSilence(t *testing.T) {
	t.Parallel()
	times := rig.NewTimes(append(every(10, 0, 1_000), every(10, 2_500, 3_000)...))
	cases := []struct{ from, to, want int64 }{
		{0, 1_000, 10},
		{0, 3_000, 1_510},
		{1_200, 2_000, 800}, // nothing at all
		{2_900, 4_000, 1_010},
		{-700, 500, 700},
	}
	for _, tc := range cases {
		if have := times.Silence(at(tc.from), at(tc.to)); have != time.Duration(tc.want)*time.Millisecond {
			t.Errorf("from %d to %d: want %d ms, have %v", tc.from, tc.to, tc.want, have)
		}
	}
}

func TestTimesBack(t *testing.T) {
	t.Parallel()
	join := func(parts ...[]int64) (all []int64) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	cases := []struct {
		name    string
		moments []int64
		want    time.Duration
		back    bool
	}{
		{"never gone", every(10, 0, 20_000), 0, true},
		{"gone at once", join(every(10, 0, 1_000), every(10, 9_000, 20_000)), 8 * time.Second, true},
		// A zombie sends on for its lease: being well at first is not being back.
		{"gone later", join(every(10, 0, 4_000), every(10, 9_000, 20_000)), 8 * time.Second, true},
		{"gone twice", join(every(10, 0, 1_000), every(10, 4_000, 9_000), every(10, 12_000, 20_000)), 11 * time.Second, true},
		{"a short gap", join(every(10, 0, 9_000), every(10, 9_900, 20_000)), 0, true},
		{"slow for a while", join(every(10, 0, 1_000), every(20, 1_000, 6_000), every(10, 6_000, 20_000)), 4_700 * time.Millisecond, true},
		{"slow for good", join(every(10, 0, 1_000), every(20, 1_000, 20_000)), 0, false},
		{"gone at the end", every(10, 0, 13_000), 0, false},
		{"back too late to tell", join(every(10, 0, 1_000), every(10, 14_000, 20_000)), 0, false},
		{"nothing", nil, 0, false},
	}
	for _, tc := range cases {
		have, back := rig.NewTimes(tc.moments).Back(at(1_000), at(16_000), 95, 3*time.Second)
		if back != tc.back {
			t.Errorf("%s: want back %t, have %t", tc.name, tc.back, back)
		}
		if off := have - tc.want; back && (off < -20*time.Millisecond || off > 20*time.Millisecond) {
			t.Errorf("%s: want %v, have %v", tc.name, tc.want, have)
		}
	}
}
