package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"sluice/partition"
	"sluice/partition/embedded"
	"sluice/pipeline/config"
	"sluice/sink/simulator"
)

// world is everything that dev runs.
type world struct {
	config       config.Config
	broker       *embedded.Broker
	simulator    *simulator.Simulator // nil: workspaces are asked for real
	simulatorURL string
	listener     net.Listener // of the simulator
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
	if err = w.serveKafka(f, log); err != nil {
		return w, err
	}
	if !f.allowReal {
		if err = w.simulate(ctx, f.simulator, log); err != nil {
			return w, err
		}
	}
	if err = createTopics(ctx, w.config); err != nil {
		return w, err
	}
	if err = w.placeGateway(f.gateway); err != nil {
		return w, err
	}
	w.member, err = newMember(ctx, w.config, roles{deliver: true, gateway: w.config.Gateway != nil}, log)
	return w, err
}

// placeGateway makes the gateway listen where a flag says, without TLS; an empty
// flag says nothing.
func (w *world) placeGateway(address string) error {
	switch {
	case address == "":
	case address == gatewayOff:
		w.config.Gateway = nil
	case w.config.Gateway == nil:
		return usage(errors.New("--gateway: the configuration has none, so nobody could come in; add gateway: {credentials: …} to it"))
	default:
		g := *w.config.Gateway
		g.Listen, g.ListenTLS = address, ""
		w.config.Gateway = &g
	}
	return nil
}

// gatewayOff in place of the gateway's address means that there is none.
const gatewayOff = "off"

// serveKafka starts the broker and makes it the one that is configured.
func (w *world) serveKafka(f devFlags, log *zap.Logger) error {
	var err error
	w.broker, err = embedded.Start(embedded.Options{Addr: f.kafka, Dir: f.data, Purpose: f.purpose()})
	if _, ok := errors.AsType[*embedded.FolderError](err); ok {
		return usage(fmt.Errorf("--data: %w", err))
	}
	if err != nil {
		return fmt.Errorf("%w; choose another address with --kafka", err)
	}
	for _, r := range w.broker.Rewound() {
		log.Warn("retention had emptied a partition, whose offsets begin anew: its commit was set to its end",
			zap.String("group", r.Group), zap.String("topic", r.Topic), zap.Int32("partition", r.Partition),
			zap.Int64("from", r.From), zap.Int64("to", r.To))
	}
	kafka := &w.config.Kafka
	kafka.Brokers = w.broker.Addrs()
	// It speaks plain Kafka over the loopback, whatever the configured cluster asks for.
	kafka.TLS, kafka.SASL = partition.TLS{}, partition.SASL{}
	return nil
}

// simulate points every workspace at a simulator, which takes their keys. A
// workspace that would be asked for real is refused.
func (w *world) simulate(ctx context.Context, addr string, log *zap.Logger) error {
	var err error
	if w.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", addr); err != nil {
		return fmt.Errorf("listen on %s: %w; choose another address with --simulator", addr, err)
	}
	w.simulatorURL = "http://" + w.listener.Addr().String()
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
				faults = append(faults, fmt.Errorf("workspaces.%s: its URL is not on this machine; ask it for real with --data DIR --allow-real, or with sluice run", ws.Name))
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return usage(err)
	}
	w.simulator, err = simulator.New(sim, log)
	return err
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// createTopics makes the topics of a cluster of one node.
func createTopics(ctx context.Context, cfg config.Config) error {
	cfg.Streams = slices.Clone(cfg.Streams)
	for i := range cfg.Streams {
		cfg.Streams[i].Replication = 1
	}
	return ask(ctx, cfg.Kafka, askTime, func(ctx context.Context, a *partition.Admin) error {
		_, err := applyTopics(ctx, a, cfg, true)
		return err
	})
}

// run serves the simulator and delivers until ctx ends.
func (w *world) run(ctx context.Context) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var g errgroup.Group
	if w.simulator != nil {
		g.Go(func() error { return w.simulator.Serve(serving, w.listener) })
	}
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
