// Acceptance runs a suite of checks on real parts: the built binary, a real
// Kafka of three nodes, simulators, processes that are killed. It prints one
// line a check and ends with the suite's closing count; the exit code is 0 when
// none failed, 1 when one did, and 2 when the call was wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"sluice/scripts/acceptance/budgets"
	"sluice/scripts/acceptance/gateway"
	"sluice/scripts/acceptance/outages"
	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/spine"
	"sluice/scripts/acceptance/spread"
	"sluice/scripts/acceptance/suite"
	"sluice/scripts/acceptance/ways"
)

func main() {
	name := flag.String("suite", "spine", "the suite: spine, ways, budgets, gateway, outages or spread")
	only := flag.String("only", "", "names of checks, comma-separated; empty: all")
	long := flag.Bool("long", false, "the full numbers instead of the short form")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, *name, *only, *long)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "acceptance:", err)
	}
	os.Exit(code)
}

func run(ctx context.Context, name, only string, long bool) (code int, err error) {
	r, err := rig.New(".", filepath.Join("acceptance", name), long)
	if err != nil {
		return 2, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var chosen suite.Suite
	switch name {
	case "spine":
		chosen = spine.Suite(r)
	case "ways":
		chosen = ways.Suite(r)
	case "budgets":
		chosen = budgets.Suite(r)
	case "gateway":
		chosen = gateway.Suite(r)
	case "spread":
		chosen = spread.Suite(r)
	case "outages":
		chosen = outages.Suite(r)
	default:
		return 2, fmt.Errorf("no suite %q; there are spine, ways, budgets, gateway, outages and spread", name)
	}
	figures, err := os.Create(r.Path("figures.jsonl"))
	if err != nil {
		return 2, err
	}
	defer func() { _ = figures.Close() }()
	o := suite.Options{Out: os.Stdout, JSON: figures}
	if only != "" {
		o.Only = strings.Split(only, ",")
	}
	fmt.Fprintf(os.Stderr, "acceptance: logs and figures in %s\n", r.Dir)
	totals, err := suite.Run(ctx, chosen, o)
	if err != nil {
		return 2, err
	}
	if totals.Failed > 0 || ctx.Err() != nil {
		return 1, nil
	}
	return 0, nil
}
