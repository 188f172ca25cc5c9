package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"sluice/sink/simulator"
)

// simulateFlags are the flags of simulate as they are written.
type simulateFlags struct {
	listen, region, latency, limit, onLimit, errors string
	burst                                           int
	keys                                            []string
}

func simulateCommand(sh *shell) *cobra.Command {
	var f simulateFlags
	usual := simulator.DefaultConfig()
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Play Customer.io's Track API for tests and rehearsals",
		Long: `Play Customer.io's Track API, v1 and v2, of one region. The API is at /, the
controls at /_sim/: POST config changes any setting or causes faults (down, hang,
cut, reject_key, fail_user), GET stats, history and people/ID tell what arrived,
DELETE state forgets it. Everything is kept in memory.

It records and does not judge: sluice check does that. Without --key every key is
accepted. A --key may end in @us or @eu: an account of the other region is
answered with a redirect, as the real service does.

It runs until it is stopped, and then prints what it counted.`,
		Example: `  sluice simulate
  sluice simulate --listen 127.0.0.1:8090 --latency lognormal:20ms,200ms --key site:key
  sluice simulate --limit 100/s --burst 10 --on-limit degrade --errors 1%
  curl -XPOST localhost:8090/_sim/config -d '{"down":"60s"}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return sh.simulate(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8090", "`ADDR`ess to answer on; port 0 picks a free one")
	flags.StringVar(&f.region, "region", usual.Region, "whose host this plays: `us|eu`")
	flags.StringVar(&f.latency, "latency", usual.Latency.String(), "of every answer: `20ms`, or lognormal:MEDIAN,P99")
	flags.StringVar(&f.limit, "limit", usual.Limit.String(), "requests of one workspace, as `100/s`")
	flags.IntVar(&f.burst, "burst", usual.Burst, "requests that may come at once; 0 is a tenth of a second of the limit")
	flags.StringVar(&f.onLimit, "on-limit", string(usual.OnLimit), "above the limit: `429|degrade`")
	flags.StringVar(&f.errors, "errors", usual.Errors.String(), "share of requests answered 500, as `1%`")
	flags.StringArrayVar(&f.keys, "key", nil, "`SITE:KEY` that is accepted; may be repeated")
	return cmd
}

// config turns the flags into the simulator's, all faults at once.
func (f simulateFlags) config() (simulator.Config, error) {
	cfg := simulator.DefaultConfig()
	var faults [4]error
	cfg.Region, cfg.Burst = f.region, f.burst
	cfg.Latency, faults[0] = simulator.ParseLatency(f.latency)
	cfg.Limit, faults[1] = simulator.ParseLimit(f.limit)
	cfg.OnLimit, faults[2] = simulator.ParseOnLimit(f.onLimit)
	cfg.Errors, faults[3] = simulator.ParseShare(f.errors)
	err := errors.Join(faults[:]...)
	for _, text := range f.keys {
		key, keyErr := simulator.ParseKey(text)
		cfg.Keys, err = append(cfg.Keys, key), errors.Join(err, keyErr)
	}
	if err == nil {
		err = cfg.Validate()
	}
	return cfg, err
}

func (sh *shell) simulate(ctx context.Context, f simulateFlags) error {
	cfg, err := f.config()
	if err != nil {
		return usage(err)
	}
	sim, err := simulator.New(cfg, sh.logger(zapcore.InfoLevel))
	if err != nil {
		return usage(err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; choose another address with --listen", f.listen, err)
	}
	_, _ = fmt.Fprintf(sh.err, "simulator of region %s answers on http://%s, controls on http://%[2]s/_sim/\n", cfg.Region, listener.Addr())
	if err := sim.Serve(ctx, listener); err != nil {
		return err
	}
	stats := sim.Stats()
	return sh.answer(stats, func(w io.Writer) {
		c := stats.Counts
		_, _ = fmt.Fprintf(w, "%d requests, %d events: %d took effect, %d repeats, %d ignored, %d degraded, %d rejected, %d failed\n",
			c.Requests, c.Events, c.Effects, c.Repeats, c.Ignored, c.Degraded, c.Rejected, c.Failed)
	})
}
