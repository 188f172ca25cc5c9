// Chaos plays seeded runs of faults on real parts and prints one row a run. The
// exit code is 0 when all held, 1 when something did not, and 2 when a run could
// not be carried out.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"sluice/scripts/acceptance/chaos"
	"sluice/scripts/acceptance/rig"
)

func main() {
	seed := flag.Uint64("seed", 1, "the first seed")
	minutes := flag.Float64("minutes", 2, "the length of a run; the drain comes after it")
	runs := flag.Int("runs", 1, "how many runs, of consecutive seeds")
	verbose := flag.Bool("v", false, "tell what happens while it does")
	flag.Parse()
	o := chaos.Options{Seed: *seed, Minutes: *minutes}
	if *verbose {
		o.Log = os.Stderr
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := play(ctx, o, *runs)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	os.Exit(code)
}

// play runs them all, also after one in which something did not hold.
func play(ctx context.Context, o chaos.Options, runs int) (code int, err error) {
	r, err := rig.New(".", "chaos", false)
	if err != nil {
		return 2, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	figures, err := os.Create(r.Path("chaos.jsonl"))
	if err != nil {
		return 2, err
	}
	defer func() { _ = figures.Close() }()
	fmt.Fprintf(os.Stderr, "chaos: logs and figures in %s\n", r.Dir)
	var reports []chaos.Report
	for range runs {
		report, wrong := chaos.Run(ctx, r, o)
		if wrong != nil {
			code, err = 2, wrong
			break
		}
		reports = append(reports, report)
		if err := json.NewEncoder(figures).Encode(report); err != nil {
			return 2, err
		}
		fmt.Fprintf(os.Stderr, "chaos: seed %d: %d breaches\n", report.Seed, len(report.Breaches))
		o.Seed++
	}
	if len(reports) > 0 {
		code = max(code, tell(os.Stdout, reports))
	}
	return code, err
}

// tell prints the table and what did not hold.
func tell(out io.Writer, reports []chaos.Report) (code int) {
	if err := chaos.Table(out, reports); err != nil {
		return 2
	}
	held := 0
	for _, report := range reports {
		if report.Held() {
			held++
		} else {
			code = 1
		}
		report.Detail(out)
	}
	fmt.Fprintf(out, "chaos: %d of %d runs held\n", held, len(reports))
	return code
}
