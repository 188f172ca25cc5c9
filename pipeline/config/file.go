package config

import (
	"math"

	"go.yaml.in/yaml/v4"

	"sluice/partition"
)

// file reads the whole document, and tells whether there is anything to judge.
func (d *decoder) file(root *yaml.Node, cfg *Config) bool {
	s := d.section(root, "")
	if !s.readable {
		return false
	}
	// kafka: the brokers, the group, and how a member behaves in it.
	if n, ok := s.take("kafka"); ok {
		d.kafka(n, &cfg.Kafka)
	}
	// listen: the two addresses of a member.
	if n, ok := s.take("listen"); ok {
		d.listen(n, cfg)
	}
	// drain: how long a member that stops waits for attempts in flight.
	s.duration("drain", &cfg.Drain)
	// workspaces: the destinations, by the name that streams use for them.
	s.each("workspaces", "{NAME: {sink: customerio, region: us, site_id: …, api_key: …}}", func(name string, n *yaml.Node) {
		if w, ok := d.workspace(name, n); ok {
			cfg.Workspaces = append(cfg.Workspaces, w)
		}
		d.named = append(d.named, name)
	})
	// streams: the flows of events, by the name that commands use for them.
	s.each("streams", "{NAME: {workspace: NAME}}", func(name string, n *yaml.Node) { cfg.Streams = append(cfg.Streams, d.stream(name, n)) })
	s.done()
	if cfg.Kafka.AdminAddr == "" {
		cfg.Kafka.AdminAddr = cfg.Listen.Actions
	}
	return true
}

func (d *decoder) kafka(n *yaml.Node, cfg *partition.Config) {
	s := d.section(n, "kafka")
	// brokers: host:port of one or more brokers; the rest is found from them.
	s.texts("brokers", &cfg.Brokers)
	// client_id: how this program appears in the brokers' logs and quotas.
	s.text("client_id", &cfg.ClientID)
	// group: the consumer group; every member with this name shares the work.
	s.text("group", &cfg.Group)
	// instance: a static identity, so that a quick restart moves no shard.
	s.text("instance", &cfg.Instance)
	// region: where this member runs; told to the other members.
	s.text("region", &cfg.Region)
	// session_timeout: how long a silent member keeps its shards.
	s.duration("session_timeout", &cfg.SessionTimeout)
	// rebalance_timeout: how long a member may take to rejoin.
	s.duration("rebalance_timeout", &cfg.RebalanceTimeout)
	// heartbeat: how often a member says that it lives.
	s.duration("heartbeat", &cfg.Heartbeat)
	// commit_every: the period of commits, which also renew the lease.
	s.duration("commit_every", &cfg.CommitEvery)
	// lease: how long after its last accepted commit a member may send.
	s.duration("lease", &cfg.Lease)
	// drain: the wait for attempts in flight when a shard moves away.
	s.duration("drain", &cfg.Drain)
	// shard_records: events in hand of one shard at most.
	s.integer("shard_records", &cfg.ShardRecords)
	// max_bytes: bytes in hand over all shards at most.
	s.size("max_bytes", &cfg.MaxBytes)
	// fetch_bytes: bytes of one partition in one fetch.
	s.size("fetch_bytes", &cfg.FetchBytes)
	// fetch_wait: how long a broker may wait for something to fetch.
	s.duration("fetch_wait", &cfg.FetchWait)
	s.done()
}

// off in place of an address means that nothing listens.
const off = "off"

func (d *decoder) listen(n *yaml.Node, cfg *Config) {
	s := d.section(n, "listen")
	// metrics: address of probes and metrics, or off.
	s.text("metrics", &cfg.Listen.Metrics)
	// actions: address of actions such as shard resume, or off.
	s.text("actions", &cfg.Listen.Actions)
	// advertise: where other members and the CLI reach actions; when actions
	// listens on every interface or behind a name.
	s.text("advertise", &cfg.Kafka.AdminAddr)
	s.done()
	for _, address := range []*string{&cfg.Listen.Metrics, &cfg.Listen.Actions} {
		if *address == off {
			*address = ""
		}
	}
}

func (d *decoder) stream(name string, n *yaml.Node) Stream {
	path := "streams." + name
	cfg, s := DefaultStream(name), d.section(n, path)
	// topic: the live topic; the dead one is named after it. Default: the name.
	s.text("topic", &cfg.Topic)
	// partitions: of the topic; they can never be fewer, and more break the
	// order of users once.
	partitions := int(cfg.Partitions)
	s.integer("partitions", &partitions)
	cfg.Partitions = int32(min(max(partitions, 0), math.MaxInt32))
	// replication: copies of each partition.
	replication := int(cfg.Replication)
	s.integer("replication", &replication)
	cfg.Replication = int16(min(max(replication, 0), math.MaxInt16))
	// retention: how long the topic keeps an event; Kafka is the buffer.
	s.duration("retention", &cfg.Retention)
	// residency: the region that every workspace of the stream must have.
	s.text("residency", &cfg.Residency)
	d.routes(s, &cfg)
	s.done()
	return cfg
}

// routes reads either workspace, one for all partitions, or routes, a list of
// ranges. A stream whose routes cannot be read is judged no further.
func (d *decoder) routes(s *section, cfg *Stream) {
	var whole string
	// workspace: the destination of every event of the stream.
	fit := s.text("workspace", &whole)
	// routes: ranges of partitions, each with a workspace.
	s.list("routes", func(path string, n *yaml.Node) {
		r, ok := d.route(path, n)
		if cfg.Routes = append(cfg.Routes, r); !ok {
			d.unjudged[cfg.Name] = true
		}
	})
	switch single, listed := s.given("workspace"), s.given("routes"); {
	case single && listed:
		d.faultAt(s.join("routes"), "stands beside workspace", "keep one of the two")
		d.unjudged[cfg.Name] = true
	case single:
		cfg.Routes = []Route{{To: cfg.Partitions - 1, Workspace: whole}}
		d.unjudged[cfg.Name] = !fit
	case !listed && s.readable:
		d.fault(s.at, s.path, "names no workspace", "add workspace: NAME, or routes: [{partitions: 0-23, workspace: NAME}]")
		d.unjudged[cfg.Name] = true
	}
}

func (d *decoder) route(path string, n *yaml.Node) (Route, bool) {
	s := d.section(n, path)
	var r Route
	var workspace string
	// partitions: a range, both ends included, as 0-23.
	ranged := into(s, "partitions", &r, parsePartitions)
	// workspace: the destination of those partitions.
	named := s.text("workspace", &workspace)
	s.done()
	for _, key := range []string{"partitions", "workspace"} {
		if s.readable && !s.given(key) {
			d.fault(s.at, path, "has no "+key, "write it as {partitions: 0-23, workspace: NAME}")
		}
	}
	r.Workspace = workspace
	return r, ranged && named
}
