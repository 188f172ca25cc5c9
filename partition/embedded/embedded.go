// Package embedded is a Kafka in this process: one node, no replication, in
// memory unless it is given a folder.
//
// With a folder, topics, records and committed offsets outlive the process,
// also when it is killed: whatever is acknowledged is on disk and synced. The
// folder belongs to one process at a time. It is still one disk of one machine;
// who needs more needs a Kafka cluster.
package embedded

import (
	"fmt"
	"net"
	"strconv"

	"github.com/oklog/ulid/v2"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Options say how to start a Broker.
type Options struct {
	Addr string // host:port on the loopback; port 0 picks a free one
	Dir  string // keeps topics and commits over restarts; "" keeps nothing
	// Purpose says in a word what the folder's events are for. A folder keeps
	// the purpose it was made with, and another is refused.
	Purpose string
}

// Broker is a running embedded Kafka. Topics must be created explicitly. It is
// safe for concurrent use.
type Broker struct {
	cluster *kfake.Cluster
	folder  *folder // nil: in memory
	// Rewound are the partitions whose log began anew while the group had read
	// further; see Rewound. Written by Start alone.
	rewound []Rewound
}

// Start listens and serves until Close. It fails when the address is taken,
// and with a FolderError when the folder is not to be had.
func Start(o Options) (*Broker, error) {
	port, err := portOf(o.Addr)
	if err != nil {
		return nil, err
	}
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(port)}
	settings := map[string]string{"group.initial.rebalance.delay.ms": "0"}
	b := &Broker{}
	if o.Dir != "" {
		if b.folder, err = claim(o.Dir, o.Purpose); err != nil {
			return nil, err
		}
		// A folder that rested for long must not forget how far its events are delivered.
		settings["offsets.retention.minutes"] = offsetsRetention
		opts = append(opts, kfake.DataDir(b.folder.broker()), kfake.SyncWrites(), kfake.ClusterID(ulid.Make().String()))
	}
	if err := b.serve(append(opts, kfake.BrokerConfigs(settings))); err != nil {
		b.Close()
		return nil, fmt.Errorf("start embedded broker: %w", err)
	}
	return b, nil
}

// offsetsRetention is a hundred years, in minutes: as good as never.
const offsetsRetention = "52560000"

func portOf(addr string) (int, error) {
	if addr == "" {
		return 0, nil
	}
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, fmt.Errorf("embedded broker address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return 0, fmt.Errorf("embedded broker address %q: it listens on the loopback only; use 127.0.0.1", addr)
	}
	port, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("embedded broker port %q: %w", p, err)
	}
	return int(port), nil
}

// serve starts the cluster and, on a folder, mends what a kill left before
// anything is appended.
func (b *Broker) serve(opts []kfake.Opt) error {
	if b.folder != nil {
		// The members of the time before are gone, whatever a clean stop wrote
		// down of them; nobody must wait for their sessions to end.
		if err := b.folder.forget(sessionsFile); err != nil {
			return err
		}
	}
	var err error
	if b.cluster, err = kfake.NewCluster(opts...); err != nil || b.folder == nil {
		return err
	}
	// Written by a clean stop only: after the next kill it would speak of a
	// state long past, and producers that lived on would be refused.
	if err := b.folder.forget(sequencesFile); err != nil {
		return err
	}
	b.rewound, err = rewind(b.cluster)
	return err
}

// The broker's own files that speak of clients, not of topics or commits.
const (
	sessionsFile  = "session_state.json"
	sequencesFile = "seq_windows.json"
)

// Addrs are the brokers' addresses, host:port.
func (b *Broker) Addrs() []string { return b.cluster.ListenAddrs() }

// Rewound tells which commits Start had to set back, if any.
func (b *Broker) Rewound() []Rewound { return b.rewound }

// Close stops the broker and gives up its folder.
func (b *Broker) Close() {
	if b.cluster != nil {
		b.cluster.Close()
	}
	if b.folder != nil {
		b.folder.release()
	}
}
