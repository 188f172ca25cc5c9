package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"sluice/pipeline/config"
)

type devFlags struct {
	demo      bool
	data      string
	allowReal bool
	kafka     string
	simulator string
	gateway   string // empty: what the configuration says
}

func devCommand(sh *shell) *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything in one process: an embedded Kafka, a simulated Customer.io, all between",
		Long: `Run an embedded Kafka, a simulator of Customer.io, and the pipeline and the gateway
between them in this one process. Without -c there is one stream, events, into one
workspace, demo, and the gateway takes the Track API's calls as demo:demo:

  curl -u demo:demo localhost:8080/api/v1/customers/42/events -d '{"name":"purchase"}'

With -c the streams of the configuration are used, and its Customer.io workspaces are
pointed at the simulator: nothing leaves this machine.

Everything is in memory, unless --data names a folder: then topics, events and commits
are kept there, synced to disk before they are acknowledged, and a restart goes on
where the last process ended, also after kill -9. It stays one process and one disk
without replication. One process at a time uses a folder.

With --allow-real as well, the workspaces are asked for real, as the configuration has
them: the smallest way to run sluice in earnest. A folder keeps to the mode that it
was made with, so that no rehearsed event reaches a real account.

With --demo it plays real purchases of a CD shop, shows how they flow, judges what
arrived as sluice check does, prints the result and ends; its ports are free ones.`,
		Example: `  sluice dev --demo
  sluice dev
  sluice dev -c sluice.yaml
  sluice dev -c sluice.yaml --data rehearsal
  sluice dev -c sluice.yaml --data /var/lib/sluice --allow-real`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.judge(sh.configSet); err != nil {
				return usage(err)
			}
			if f.demo {
				return sh.demo(cmd.Context())
			}
			return sh.dev(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.demo, "demo", false, "play the purchases, check them and end")
	flags.StringVar(&f.data, "data", "", "keep topics, events and commits in this folder: `DIR`")
	flags.BoolVar(&f.allowReal, "allow-real", false, "with --data: ask the configured workspaces for real")
	flags.StringVar(&f.kafka, "kafka", "127.0.0.1:9092", "`ADDR`ess of the embedded Kafka; port 0 picks a free one")
	flags.StringVar(&f.gateway, "gateway", "", "`ADDR`ess of the gateway: off, or port 0 for a free one; by default "+devGateway+", with -c the configuration's")
	flags.StringVar(&f.simulator, "simulator", "127.0.0.1:8090", "`ADDR`ess of the simulator; port 0 picks a free one")
	return cmd
}

// judge refuses flags that contradict each other.
func (f devFlags) judge(configured bool) error {
	switch {
	case f.demo && (f.data != "" || f.allowReal):
		return errors.New("--demo keeps nothing and asks nobody for real; leave out --data and --allow-real")
	case f.demo && f.gateway != "":
		return errors.New("--demo plays its own events; leave out --gateway")
	case f.demo && configured:
		return errors.New("--demo brings its own configuration; leave out -c")
	case f.allowReal && f.data == "":
		return errors.New("--allow-real needs --data DIR: what a real account is owed must outlive this process")
	case f.allowReal && !configured:
		return errors.New("--allow-real needs -c FILE: no real workspace is configured without it")
	}
	return nil
}

// A data folder is made for one of these, and refused for the other: what is
// left of a rehearsal must not reach a real account, nor real events a
// simulator.
const (
	purposeRehearsal = "rehearsal"
	purposeReal      = "real"
)

func (f devFlags) purpose() string {
	if f.allowReal {
		return purposeReal
	}
	return purposeRehearsal
}

// devConfig is what dev runs without -c.
const devConfig = `
kafka: {group: sluice-dev}
workspaces:
  demo: {sink: customerio, region: us, site_id: demo, api_key: demo}
streams:
  events: {workspace: demo, partitions: 12, replication: 1}
gateway:
  listen: ` + devGateway + `
  credentials: [{site_id: demo, api_key: demo, stream: events}]
  open: {metrics: events, push_events: events, unsubscribe: events}
`

// devGateway is where dev's gateway listens without -c.
const devGateway = "127.0.0.1:8080"

func (sh *shell) devConfig() (config.Config, error) {
	if sh.configSet {
		cfg, err := sh.config()
		return sh.located(cfg), err
	}
	cfg, err := config.Parse(strings.NewReader(devConfig), sh.lookup, nil)
	cfg.Listen = config.Listen{Metrics: "127.0.0.1:0", Actions: "127.0.0.1:0"}
	return cfg, err
}

// dev runs until ctx ends.
func (sh *shell) dev(ctx context.Context, f devFlags) error {
	w, err := sh.newWorld(ctx, f, sh.logger(zapcore.InfoLevel))
	if err != nil {
		return err
	}
	defer w.close()
	w.introduce(sh.err, f)
	told := make(chan struct{})
	ctx, stop := context.WithCancel(ctx)
	go func() {
		defer close(told)
		w.introduceGateway(ctx, sh.err, sh.configSet)
	}()
	err = w.run(ctx)
	stop()
	<-told
	return err
}

// introduceGateway says where the gateway listens, once it does, and how to call
// the one that nobody configured.
func (w *world) introduceGateway(ctx context.Context, out io.Writer, configured bool) {
	if w.member.door == nil {
		return
	}
	g := w.member.door.gateway
	select {
	case <-ctx.Done():
		return
	case <-g.Ready():
	}
	for scheme, addr := range map[string]net.Addr{"http": g.Addr(), "https": g.AddrTLS()} {
		if addr != nil {
			_, _ = fmt.Fprintf(out, "gateway at %s://%s\n", scheme, addr)
		}
	}
	if !configured {
		_, _ = fmt.Fprintf(out, "  curl -u demo:demo http://%s/api/v1/customers/42/events -d '{\"name\":\"purchase\"}'\n", g.Addr())
	}
}

// introduce says what runs, what is kept and who is asked.
func (w *world) introduce(out io.Writer, f devFlags) {
	kept := "in memory: nothing is kept"
	if f.data != "" {
		kept = "kept in " + f.data + ", synced, on this one disk"
	}
	broker := w.broker.Addrs()[0]
	_, _ = fmt.Fprintf(out, "one process and one Kafka node, no replication; %s\n  Kafka      %s\n", kept, broker)
	if f.allowReal {
		names := make([]string, len(w.config.Workspaces))
		for i, ws := range w.config.Workspaces {
			names[i] = ws.String()
		}
		_, _ = fmt.Fprintf(out, "  for real   %s\n", strings.Join(names, ", "))
	} else {
		_, _ = fmt.Fprintf(out, "  simulator  %s  (history: curl %[1]s/_sim/history)\n", w.simulatorURL)
	}
	_, _ = fmt.Fprintf(out, "produce with:  sluice produce %s FILE -c CONFIG   where CONFIG has  kafka: {brokers: [%q]}\n",
		w.config.Streams[0].Name, broker)
}
