package chaos

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// Check plays runs of consecutive seeds from the options' on and holds them, all
// together, to what must hold. The table of the runs lies in the rig's folder.
// An error means that a run could not be carried out; the runs before it are
// judged all the same.
func Check(ctx context.Context, r *suite.Result, g *rig.Rig, o Options, runs int) error {
	var reports []Report
	var wrong error
	for range runs {
		report, err := Run(ctx, g, o)
		if err != nil {
			wrong = err
			break
		}
		reports = append(reports, report)
		o.Seed++
	}
	path := g.Path(g.Name("chaos") + ".txt")
	if err := write(path, reports); err != nil {
		return err
	}
	r.Equal("runs", int64(len(reports)), int64(runs))
	judge(r, reports)
	r.Note("table", path)
	return wrong
}

// judge adds up the reports; what has no sum of its own is told as it is.
func judge(r *suite.Result, reports []Report) {
	sum := func(figure func(Account) int64) (n int64) {
		for _, report := range reports {
			n += report.Sum(figure)
		}
		return n
	}
	faults, held, longest := 0, 0, time.Duration(0)
	for _, report := range reports {
		for _, n := range report.Faults {
			faults += n
		}
		longest = max(longest, report.Stall())
		if report.Held() {
			held++
		} else {
			r.Holds(fmt.Sprintf("seed %d", report.Seed), false, strings.Join(report.Breaches, "; "), "no breach")
		}
	}
	r.Equal("held", int64(held), int64(len(reports)))
	r.AtLeast("faults", float64(faults), float64(10*len(reports)), "")
	r.AtLeast("acknowledged", float64(sum(func(a Account) int64 { return a.Acknowledged })), float64(5_000*len(reports)), "")
	r.Equal("lost", sum(func(a Account) int64 { return a.Lost }), 0)
	r.Equal("order breaks", sum(func(a Account) int64 { return a.OrderBreaks }), 0)
	r.Equal("double effects", sum(func(a Account) int64 { return a.DoubleEffects }), 0)
	r.AtMost("duplicates", float64(sum(func(a Account) int64 { return a.Duplicates })), float64(sum(func(a Account) int64 { return a.Bound })), "")
	r.Note("dead letters", fmt.Sprint(sum(func(a Account) int64 { return a.DeadLetters })))
	r.Note("longest stall", longest.Round(100*time.Millisecond).String())
}

// write writes the table and the details of runs to a file.
func write(path string, reports []Report) error {
	var b strings.Builder
	if err := Table(&b, reports); err != nil {
		return err
	}
	for _, report := range reports {
		report.Detail(&b)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}
