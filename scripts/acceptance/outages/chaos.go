package outages

import (
	"context"

	"sluice/scripts/acceptance/chaos"
	"sluice/scripts/acceptance/suite"
)

// chaos plays seeded runs of faults on a Kafka of three nodes of its own. A seed
// that fails reproduces with make chaos.
func (s outages) chaos(ctx context.Context, r *suite.Result) error {
	o := chaos.Options{Seed: 1, Minutes: 1}
	runs := 1
	if s.rig.Long {
		o.Minutes, runs = 2, 20
	}
	return chaos.Check(ctx, r, s.rig, o, runs)
}

// chaosCheck is its line in the list: a run is followed by its drain, which may
// take as long as what was set aside may wait.
func (s outages) chaosCheck() suite.Check {
	return suite.Check{Name: "chaos", What: "faults drawn from a seed: nothing lost, out of order or over budget", Limit: s.limit(8, 150), Run: s.chaos}
}
