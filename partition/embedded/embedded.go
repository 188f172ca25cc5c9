// Package embedded is a Kafka in this process, for a first look and for tests:
// one node, no replication, in memory unless it is given a folder.
package embedded

import (
	"fmt"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Options say how to start a Broker.
type Options struct {
	Addr string // host:port on the loopback; port 0 picks a free one
	Dir  string // keeps topics and commits over restarts; "" keeps nothing
}

// Broker is a running embedded Kafka. Topics must be created explicitly.
type Broker struct{ cluster *kfake.Cluster }

// Start listens and serves until Close. It fails when the address is taken.
func Start(o Options) (*Broker, error) {
	port := 0
	if o.Addr != "" {
		host, p, err := net.SplitHostPort(o.Addr)
		if err != nil {
			return nil, fmt.Errorf("embedded broker address %q: %w", o.Addr, err)
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, fmt.Errorf("embedded broker address %q: it listens on the loopback only; use 127.0.0.1", o.Addr)
		}
		if port, err = strconv.Atoi(p); err != nil {
			return nil, fmt.Errorf("embedded broker port %q: %w", p, err)
		}
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.Ports(port),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}),
	}
	if o.Dir != "" {
		opts = append(opts, kfake.DataDir(o.Dir), kfake.SyncWrites())
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("start embedded broker: %w", err)
	}
	return &Broker{cluster: c}, nil
}

// Addrs are the brokers' addresses, host:port.
func (b *Broker) Addrs() []string { return b.cluster.ListenAddrs() }

// Close stops the broker.
func (b *Broker) Close() { b.cluster.Close() }
