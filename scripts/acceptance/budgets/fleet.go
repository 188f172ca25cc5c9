package budgets

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"sluice/scripts/acceptance/suite"
)

// fleetBar is what one figure of the fleet's test is held to here, whatever
// the test itself thinks of it.
type fleetBar struct {
	figure, name string // as the test prints it; as it is told here
	bar          float64
	most         bool // the figure must not be above its bar; else not below
	unit         string
}

func fleetBars() []fleetBar {
	return []fleetBar{
		{"utilisation_lowest", "utilisation, lowest", .97, false, ""},
		{"fullest_second", "worst 1 s", 1, true, " R"},
		{"load_spread", "load, highest", 1.3, true, " of the mean"},
		{"duplicates", "duplicates", 0, true, ""},
		{"join_moved", "a join moves", .1, true, ""},
		{"join_duplicates", "and doubles", 0, true, ""},
		{"join_silence_seconds", "longest silence", 2, true, " s"},
		{"join_utilisation_of_others", "others' utilisation", .97, false, ""},
		{"join_load_spread", "load then", 1.3, true, " of the mean"},
		{"leave_moved_of_others", "a leave moves of others", 0, true, ""},
		{"leave_duplicates", "and doubles", 0, true, ""},
		{"leave_silence_seconds", "longest silence", 2, true, " s"},
		{"leave_utilisation_of_others", "others' utilisation", .97, false, ""},
		{"split_workspaces", "workspaces on two members", 0, true, ""},
		{"order_breaks", "out of order", 0, true, ""},
		{"ran_dry", "without backlog", 0, true, ""},
	}
}

// fleet runs 60 workspaces on 12 members of one process, in virtual time on an
// embedded Kafka, lets a member join and another leave, and holds the figures to
// their bars.
func (s budgets) fleet(ctx context.Context, r *suite.Result) error {
	tests, err := s.rig.GoTest(ctx, "-count=1", "-v", "-timeout=9m", "-run=^TestFleet$", "./pipeline")
	ran(r, tests, 1)
	figures := map[string]float64{}
	for _, m := range regexp.MustCompile(`fleet: (\w+)=([-+.\w]+)`).FindAllStringSubmatch(tests.Output, -1) {
		value, bad := strconv.ParseFloat(m[2], 64)
		if bad != nil {
			return fmt.Errorf("read the fleet's %s: %w", m[1], bad)
		}
		figures[m[1]] = value
	}
	for _, b := range fleetBars() {
		have, told := figures[b.figure]
		switch {
		case !told:
			r.Holds(b.name, false, "not told", "a figure")
		case b.most:
			r.AtMost(b.name, have, b.bar, b.unit)
		default:
			r.AtLeast(b.name, have, b.bar, b.unit)
		}
	}
	return err
}
