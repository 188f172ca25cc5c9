// Bench measures the whole path on a real Kafka of one node: events of 300
// bytes from twelve partitions to a destination that counts, beside a reference
// that does about the least that such a program must; and the gateway beside a
// bare handler that reads and produces. It prints a table, or
// JSON lines with -json, and keeps those in .work/bench. A bar that is not met
// is told and does not change the exit code: the acceptance suite judges.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"sluice/scripts/acceptance/rig"
)

func main() {
	only := flag.String("only", "", "steps, comma-separated: single, batch, latency, down-workspace, bad-user, gateway-track, gateway-batch; empty: those of delivery; all: each")
	short := flag.Bool("short", false, "fewer events")
	lines := flag.Bool("json", false, "print JSON lines")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, *only, *short, *lines)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, only string, short, lines bool) (err error) {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	if err := needProc(); err != nil {
		return err
	}
	r, err := rig.New(".", "bench", !short)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	b, err := setUp(ctx, r, short)
	if err != nil {
		return err
	}
	kept, err := os.Create(r.Path("results.jsonl"))
	if err != nil {
		return err
	}
	defer func() { _ = kept.Close() }()
	for _, s := range chosen {
		row, err := s.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		show := row.table
		if lines {
			show = row.json
		}
		if err := errors.Join(row.json(kept), show(out)); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stderr, "bench: figures in", kept.Name())
	return nil
}

func choose(only string) ([]step, error) {
	delivery, doors := steps(), doorSteps()
	all := slices.Concat(delivery, doors)
	switch only {
	case "":
		return delivery, nil
	case "all":
		return all, nil
	}
	var chosen []step
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(s step) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no step %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// setUp builds the programs and brings up the broker and the target.
func setUp(ctx context.Context, r *rig.Rig, short bool) (*bench, error) {
	b := &bench{rig: r, ref: r.Program("ref"), short: short}
	for out, pkg := range map[string]string{b.ref: "./scripts/bench/ref", r.Program("target"): "./scripts/bench/target", r.Program("floor"): "./scripts/bench/floor"} {
		if _, err := rig.Command(ctx, r.Root, nil, "go", "build", "-o", out, pkg); err != nil {
			return nil, err
		}
	}
	if _, err := r.Sluice(); err != nil {
		return nil, err
	}
	var err error
	if b.kafka, err = r.Kafka(ctx, 1); err != nil {
		return nil, err
	}
	addr, err := rig.FreeAddr()
	if err != nil {
		return nil, err
	}
	b.url = "http://" + addr
	if b.target, err = r.Start("target", rig.Pipes{}, r.Program("target"), "-addr", addr); err != nil {
		return nil, err
	}
	err = rig.Await(ctx, 10*time.Second, "the target to answer", func(ctx context.Context) bool {
		status, _, err := rig.Get(ctx, b.url+"/_stats?w=none")
		return err == nil && status == http.StatusOK
	})
	return b, err
}
