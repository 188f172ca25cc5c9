package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/errgroup"

	"sluice/partition"
	"sluice/partition/embedded"
	"sluice/pipeline/config"
	"sluice/sink/simulator"
)

type devFlags struct {
	demo      bool
	kafka     string
	simulator string
}

func devCommand(sh *shell) *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Try everything in one process: an embedded Kafka, a simulated Customer.io, the pipeline",
		Long: `Run an embedded Kafka, a simulator of Customer.io and the pipeline between them in
this one process, in memory: nothing is kept and nothing leaves this machine. Without
-c there is one stream, events, into one workspace, demo. With -c the streams of the
configuration are used, their Customer.io workspaces pointed at the simulator.

With --demo it plays real purchases of a CD shop, shows how they flow, judges what
arrived as sluice check does, prints the result and ends; its ports are free ones.`,
		Example: `  sluice dev --demo
  sluice dev
  sluice dev -c sluice.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.demo {
				return sh.demo(cmd.Context())
			}
			return sh.dev(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.demo, "demo", false, "play the purchases, check them and end")
	flags.StringVar(&f.kafka, "kafka", "127.0.0.1:9092", "`ADDR`ess of the embedded Kafka; port 0 picks a free one")
	flags.StringVar(&f.simulator, "simulator", "127.0.0.1:8090", "`ADDR`ess of the simulator; port 0 picks a free one")
	return cmd
}

// devConfig is what dev runs without -c.
const devConfig = `
kafka: {group: sluice-dev}
workspaces:
  demo: {sink: customerio, region: us, site_id: demo, api_key: demo}
streams:
  events: {workspace: demo, partitions: 12, replication: 1}
`

// dev runs until ctx ends.
func (sh *shell) dev(ctx context.Context, f devFlags) error {
	w, err := sh.newWorld(ctx, f, sh.logger(zapcore.InfoLevel))
	if err != nil {
		return err
	}
	defer w.close()
	_, _ = fmt.Fprintf(sh.err, `one process, in memory, nothing is kept
  Kafka      %s
  simulator  %s  (history: curl %[2]s/_sim/history)
produce with:  sluice produce %s FILE -c CONFIG   where CONFIG has  kafka: {brokers: ["%[1]s"]}
`, w.broker.Addrs()[0], w.simulatorURL, w.config.Streams[0].Name)
	return w.run(ctx)
}

// world is everything that dev runs.
type world struct {
	config       config.Config
	broker       *embedded.Broker
	simulator    *simulator.Simulator
	simulatorURL string
	listener     net.Listener
	member       *member
}

// newWorld starts the broker, makes the topics and listens; run does the rest.
func (sh *shell) newWorld(ctx context.Context, f devFlags, log *zap.Logger) (w *world, err error) {
	w = &world{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.config, err = sh.devConfig(); err != nil {
		return w, err
	}
	if w.broker, err = embedded.Start(embedded.Options{Addr: f.kafka}); err != nil {
		return w, fmt.Errorf("%w; choose another address with --kafka", err)
	}
	w.config.Kafka.Brokers = w.broker.Addrs()
	if w.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", f.simulator); err != nil {
		return w, fmt.Errorf("listen on %s: %w; choose another address with --simulator", f.simulator, err)
	}
	w.simulatorURL = "http://" + w.listener.Addr().String()
	if err = w.simulate(log); err != nil {
		return w, err
	}
	if err = createTopics(ctx, w.config); err != nil {
		return w, err
	}
	w.member, err = newMember(ctx, w.config, log)
	return w, err
}

func (sh *shell) devConfig() (config.Config, error) {
	if sh.configSet {
		return sh.config()
	}
	cfg, err := config.Parse(strings.NewReader(devConfig), sh.lookup, nil)
	cfg.Listen = config.Listen{Metrics: "127.0.0.1:0", Actions: "127.0.0.1:0"}
	return cfg, err
}

// simulate points every workspace at the simulator, which takes their keys.
// A workspace that would be asked for real is refused.
func (w *world) simulate(log *zap.Logger) error {
	sim := simulator.DefaultConfig()
	var faults []error
	for i := range w.config.Workspaces {
		ws := &w.config.Workspaces[i]
		switch ws.Kind {
		case config.Customerio:
			ws.Customerio.BaseURL = w.simulatorURL
			sim.Region = ws.Region
			sim.Keys = append(sim.Keys, simulator.Key{Site: ws.Customerio.SiteID, Secret: ws.Customerio.APIKey})
		case config.Webhook:
			if u, err := url.Parse(ws.Webhook.URL); err != nil || !loopback(u.Hostname()) {
				faults = append(faults, fmt.Errorf("workspaces.%s: its URL is not on this machine, and dev asks nobody for real; use sluice run", ws.Name))
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return usage(err)
	}
	var err error
	w.simulator, err = simulator.New(sim, log)
	return err
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// createTopics makes the topics of a cluster of one node.
func createTopics(ctx context.Context, cfg config.Config) error {
	for i := range cfg.Streams {
		cfg.Streams[i].Replication = 1
	}
	return ask(ctx, cfg.Kafka, askTime, func(ctx context.Context, a *partition.Admin) error {
		specs, err := topicSpecs(ctx, a, cfg.Streams)
		if err == nil {
			_, err = a.Apply(ctx, specs, true)
		}
		return err
	})
}

// run serves the simulator and delivers until ctx ends.
func (w *world) run(ctx context.Context) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var g errgroup.Group
	g.Go(func() error { return w.simulator.Serve(serving, w.listener) })
	g.Go(func() error {
		defer stop() // the destination outlives the drain
		return w.member.run(ctx)
	})
	return g.Wait()
}

func (w *world) close() {
	if w.member != nil {
		w.member.close()
	}
	if w.listener != nil {
		_ = w.listener.Close()
	}
	if w.broker != nil {
		w.broker.Close()
	}
}
