package outages

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// virtual plays ten minutes without a destination in virtual time, on the
// shipped pipeline and an embedded Kafka, and holds its figures to bars of our
// own, whatever the test itself thinks of them.
func (s outages) virtual(ctx context.Context, r *suite.Result) error {
	tests, err := s.rig.GoTest(ctx, "-count=1", "-v", "-timeout=9m", "-run=^TestOutage$", "./pipeline")
	r.Equal("tests passed", int64(len(rig.Leaves(tests.Passed))), 1)
	figures := map[string]float64{}
	line := regexp.MustCompile(`outage: (.*)`).FindStringSubmatch(tests.Output)
	if line != nil {
		for _, m := range regexp.MustCompile(`(\w+)=([-+.\w]+)`).FindAllStringSubmatch(line[1], -1) {
			value, bad := strconv.ParseFloat(m[2], 64)
			if bad != nil {
				return fmt.Errorf("read the outage's %s: %w", m[1], bad)
			}
			figures[m[1]] = value
		}
	}
	for _, name := range []string{
		"minutes", "produced", "dead_letters", "in_hand_least", "in_hand_most", "tries_spent", "drain_used", "drain_worst_second",
	} {
		if _, told := figures[name]; !told {
			r.Holds(name, false, "not told", "a figure")
			return err
		}
	}
	r.AtLeast("away for", figures["minutes"], 10, " min")
	r.AtLeast("events", figures["produced"], 5_000, "")
	r.AtMost("dead letters", figures["dead_letters"], 0, "")
	r.AtMost("events with tries spent", figures["tries_spent"], 0, "")
	r.AtMost("in hand", figures["in_hand_most"], 200, "")
	r.AtMost("in hand, growth", figures["in_hand_most"]-figures["in_hand_least"], 0, "")
	r.AtLeast("then drained at", figures["drain_used"], 0.97, " R")
	r.AtMost("worst 1 s", figures["drain_worst_second"], 1, " R")
	return err
}
