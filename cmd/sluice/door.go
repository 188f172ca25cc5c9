package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/pipeline/gateway"
)

// door is the gateway of a member, with a way to Kafka of its own: what comes
// in and what goes out never wait for each other's buffers.
type door struct {
	gateway  *gateway.Gateway
	appender *partition.Appender
	release  func() // closes the appender, once
	kafka    partition.Config
	topics   []string // those that it appends to
	log      *zap.Logger

	found   atomic.Bool            // Kafka has been reached, and has the topics
	lacks   atomic.Pointer[string] // what it lacked when it was last asked; nil before
	stopped atomic.Bool            // it takes nothing more
}

// newDoor builds the gateway of the configuration; it listens in run.
func newDoor(cfg config.Config, log *zap.Logger, m prometheus.Registerer) (*door, error) {
	appender, err := partition.NewAppender(cfg.Kafka, log.Named("gateway"))
	if err != nil {
		return nil, err
	}
	d := &door{
		appender: appender, release: sync.OnceFunc(appender.Close), kafka: cfg.Kafka,
		topics: gatewayTopics(cfg), log: log.Named("gateway"),
	}
	if d.gateway, err = gateway.New(*cfg.Gateway, gatewayStreams(cfg), appender, log, m); err != nil {
		d.release()
		return nil, err
	}
	return d, nil
}

// gatewayStreams are the streams as the gateway knows them.
func gatewayStreams(cfg config.Config) []gateway.Stream {
	streams := make([]gateway.Stream, len(cfg.Streams))
	for i, s := range cfg.Streams {
		streams[i] = gateway.Stream{Name: s.Name, Topic: s.Topic, Region: cfg.StreamRegion(s)}
	}
	return streams
}

// gatewayTopics are the live topics of the streams that the gateway names.
func gatewayTopics(cfg config.Config) []string {
	var topics []string
	for _, name := range cfg.GatewayStreams() {
		if s, ok := cfg.Stream(name); ok {
			topics = append(topics, s.Topic)
		}
	}
	return topics
}

// located is cfg with the gateway's files named as this process finds them.
func (sh *shell) located(cfg config.Config) config.Config {
	if cfg.Gateway == nil || cfg.Gateway.Cert == "" {
		return cfg
	}
	g := *cfg.Gateway
	g.Cert, g.Key = sh.secretPath(g.Cert), sh.secretPath(g.Key)
	cfg.Gateway = &g
	return cfg
}

// run serves until ctx ends and the requests under way have.
func (d *door) run(ctx context.Context) error {
	defer d.release()
	looking, enough := context.WithCancel(ctx)
	var look sync.WaitGroup
	look.Go(func() { d.find(looking) })
	defer look.Wait()
	defer enough()
	defer context.AfterFunc(ctx, func() { d.stopped.Store(true) })()
	err := d.gateway.Run(ctx)
	d.stopped.Store(true)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("gateway: %w; set gateway.listen (gateway.tls.listen) to another address, or off", err)
	case err != nil:
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}

// findEvery is how often Kafka is asked until it has been found.
const findEvery = time.Second

// find asks Kafka for the topics until it has them all.
func (d *door) find(ctx context.Context) {
	for {
		lack := d.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if lack == "" {
			d.found.Store(true)
			return
		}
		if before := d.lacks.Swap(&lack); before == nil || *before != lack {
			d.log.Warn("not ready yet", zap.String("lacks", lack))
		}
		select {
		case <-ctx.Done():
		case <-time.After(findEvery):
		}
	}
}

// ask says what Kafka lacks; empty is nothing.
func (d *door) ask(ctx context.Context) string {
	var missing []string
	err := ask(ctx, d.kafka, readyTime, func(ctx context.Context, a *partition.Admin) error {
		have, err := a.Partitions(ctx, d.topics...)
		missing = slices.DeleteFunc(slices.Clone(d.topics), func(topic string) bool { return have[topic] > 0 })
		return err
	})
	switch {
	case err != nil:
		if what, remedy := partition.Diagnose(err); what != "" {
			return what + "; " + remedy
		}
		return "Kafka is not reached yet"
	case len(missing) > 0:
		return "Kafka has no topic " + strings.Join(missing, ", ") + "; sluice topics apply makes them"
	}
	return ""
}

// readyTime bounds one question for the topics.
const readyTime = 5 * time.Second

// waits says why the gateway is not ready; empty means that it is. It is once
// it listens and has found Kafka with its topics, until it stops. An outage of
// Kafka does not change that: every gateway would leave the load balancer at
// once, and callers would no longer be told when to come again.
func (d *door) waits() string {
	select {
	case <-d.gateway.Ready():
	default:
		return "the gateway does not listen yet"
	}
	lacks := d.lacks.Load()
	switch {
	case d.stopped.Load():
		return "the gateway is stopping"
	case d.found.Load():
		return ""
	case lacks != nil:
		return *lacks
	}
	return "Kafka is not reached yet"
}
