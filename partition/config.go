package partition

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// Config says how to reach Kafka and how a member behaves in its group.
type Config struct {
	Brokers  []string
	ClientID string
	Group    string // consumer group of all members
	Instance string // static group identity; empty for a dynamic member
	Remain   bool   // a static member that stops stays in the group, for it comes back
	// Reach is how many attempts a second one member can make for a workspace; a
	// workspace with a higher rate is split among several.
	Reach float64

	// Region and AdminAddr go into the member's user data, so that any member
	// and the CLI can find the owner of a shard.
	Region    string
	AdminAddr string

	SessionTimeout   time.Duration // until a silent member's shards move
	RebalanceTimeout time.Duration // for a member to rejoin
	Heartbeat        time.Duration
	CommitEvery      time.Duration // period of commits, which renew the lease
	Lease            time.Duration // how long after its last accepted commit was sent a member may send
	Drain            time.Duration // bound on the wait for attempts in flight when a shard is revoked

	ShardRecords int // records in hand of one shard at most
	MaxBytes     int // bytes in hand over all shards at most
	FetchBytes   int // of one partition in one fetch at most; less while destinations set the pace
	FetchWait    time.Duration

	TLS  TLS  // off unless it says so
	SASL SASL // none unless it names a mechanism

	// Dial replaces how brokers are reached; nil is the network's own way. TLS
	// is spoken over it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// DefaultConfig is right for most; its numbers come from measurements on a
// real broker: fetch size and wait bound what pausing reads again, the lease must
// cover four commits, and a crash repeats what a commit period and a slow commit
// let pass, which together should stay within half a second.
func DefaultConfig() Config {
	return Config{
		Brokers: []string{"localhost:9092"}, ClientID: "sluice", Group: "sluice",
		SessionTimeout: 6 * time.Second, RebalanceTimeout: 15 * time.Second, Heartbeat: 500 * time.Millisecond, Reach: 1000,
		CommitEvery: 250 * time.Millisecond, Lease: 3 * time.Second, Drain: 1500 * time.Millisecond,
		ShardRecords: 4096, MaxBytes: 64 << 20, FetchBytes: 512 << 10, FetchWait: 250 * time.Millisecond,
	}
}

// Validate returns every fault, joined, each with its path.
func (c Config) Validate() error {
	var faults []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	must(len(c.Brokers) > 0, "kafka.brokers: must name at least one broker")
	must(c.Group != "", "kafka.group: must not be empty")
	must(c.SessionTimeout >= 6*time.Second, "kafka.session_timeout: must be at least 6s (the broker's minimum), have %v", c.SessionTimeout)
	must(c.Heartbeat > 0 && c.Heartbeat <= c.SessionTimeout/3, "kafka.heartbeat: must be above 0 and at most a third of the session timeout, have %v", c.Heartbeat)
	must(c.CommitEvery > 0 && c.Lease >= 4*c.CommitEvery, "kafka.lease: must be at least four times the commit period (%v), have %v", c.CommitEvery, c.Lease)
	must(c.Drain > 0 && c.Drain < c.Lease, "kafka.drain: must be above 0 and below the lease (%v), have %v", c.Lease, c.Drain)
	must(c.RebalanceTimeout > c.Drain+c.Lease+c.Heartbeat, "kafka.rebalance_timeout: must exceed drain + lease + heartbeat, have %v", c.RebalanceTimeout)
	must(c.Reach > 0, "kafka.reach: must be above 0, have %v", c.Reach)
	must(c.ShardRecords >= 16 && c.ShardRecords <= maxSpan, "kafka.shard_records: must be 16 to %d, have %d", maxSpan, c.ShardRecords)
	must(c.MaxBytes >= 1<<20, "kafka.max_bytes: must be at least 1 MiB, have %d", c.MaxBytes)
	must(c.FetchBytes >= 4<<10, "kafka.fetch_bytes: must be at least 4 KiB, have %d", c.FetchBytes)
	c.validateSecurity(must)
	return errors.Join(faults...)
}
