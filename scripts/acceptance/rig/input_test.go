package rig_test

import (
	"encoding/json"
	"testing"

	"sluice/scripts/acceptance/rig"
)

// TestNewSkewed: by the plain law the heaviest user of 10,000 has 1 of every
// 6.5 events at a power of 1.1, and 1 of 9.8 at a power of 1.
func TestNewSkewed(t *testing.T) {
	t.Parallel()
	const n = 50_000
	for _, tc := range []struct{ power, least, most float64 }{
		{1.1, 0.14, 0.17},
		{1.0001, 0.09, 0.115},
	} {
		lines := rig.NewSkewed(10_000, 1, tc.power)
		users := map[string]int{}
		for range n {
			var line struct{ User string }
			if err := json.Unmarshal(lines.Next(), &line); err != nil {
				t.Fatal(err)
			}
			users[line.User]++
		}
		if share := float64(users["u00000"]) / n; share < tc.least || share > tc.most {
			t.Errorf("power %v: want the first between %v and %v, have %v", tc.power, tc.least, tc.most, share)
		}
	}
}
