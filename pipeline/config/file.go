package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"sluice/partition"
)

// file reads the whole document, and tells whether there is anything to judge.
func (d *decoder) file(root *yaml.Node, cfg *Config) bool {
	s := d.section(root, "")
	if !s.readable {
		return false
	}
	keys := cfg.keys()
	s.read(keys)
	s.require(slices.DeleteFunc(slices.Clone(keys), func(k key) bool { return d.direct && k.name == "streams" }))
	s.done()
	if cfg.Kafka.AdminAddr == "" {
		cfg.Kafka.AdminAddr = cfg.Listen.Actions
	}
	return true
}

// How one entry of the two sections with free names is written.
const (
	workspaceExample = "{NAME: {sink: customerio, region: us, site_id: …, api_key: …}}"
	streamExample    = "{NAME: {workspace: NAME}}"
)

// keys are all keys of the file, bound to c.
func (c *Config) keys() []key {
	return []key{
		{name: "kafka", meaning: "The brokers, the group, and how a member behaves in it.", value: section(append(kafkaKeys(&c.Kafka), stateKey(&c.StateTopic))...)},
		{name: "listen", meaning: "The two addresses of a member.", value: section(listenKeys(c)...)},
		{
			name: "log_level", meaning: "The least that `sluice run` logs; --log-level wins over it.", example: "debug",
			options: logLevels(), live: true, value: choice(&c.LogLevel, logLevels()),
		},
		{
			name: "drain", meaning: "How long a member that stops waits for attempts in flight.", example: "1m",
			value: duration(&c.Drain),
		},
		{
			name: "workspaces", meaning: "The destinations, by the name that streams use for them.", example: workspaceExample,
			required: true, value: c.workspaces(),
		},
		{
			name: "streams", meaning: "The flows of events, by the name that commands use for them.", example: streamExample,
			required: true, value: c.streams(),
		},
		{name: "gateway", meaning: "The door for events that come by HTTP: Customer.io's Track API, as its SDKs speak it, and webhooks. A member with this section opens it, unless --roles says otherwise.", example: gatewayExample, value: c.gateway()},
	}
}

func logLevels() []string { return []string{"debug", "info", "warn", "error"} }

func kafkaKeys(c *partition.Config) []key {
	return []key{
		{name: "brokers", meaning: "HOST:PORT of one or more brokers; the rest is found from them.", example: "[kafka-1:9092, kafka-2:9092]", value: texts(&c.Brokers)},
		{name: "client_id", meaning: "How this program appears in the brokers' logs and quotas.", example: "sluice-blue", value: text(&c.ClientID)},
		{name: "group", meaning: "The consumer group; every member with this name shares the work.", example: "sluice-blue", value: text(&c.Group)},
		{name: "instance", meaning: "A static identity, as a StatefulSet's pod name: a member that crashes and is back within session_timeout has its shards again, without a rebalance. No two members may share one.", example: "sluice-0", value: text(&c.Instance)},
		{name: "remain", meaning: "Whether a member with an instance that is stopped stays in the group: its shards wait for it, up to session_timeout. Without it they move to the others at once.", example: "true", value: boolean(&c.Remain)},
		{name: "region", meaning: "Where this member runs. Workspaces whose region is the same word come to it rather than to others.", example: "eu", value: text(&c.Region)},
		{name: "reach", meaning: "Attempts a second that one member can make for one workspace. A workspace up to it is kept on one member, one above it is split.", example: "2000/s", value: limitedRate(&c.Reach)},
		{name: "session_timeout", meaning: "How long a silent member keeps its shards.", example: "10s", value: duration(&c.SessionTimeout)},
		{name: "rebalance_timeout", meaning: "How long a member may take to rejoin.", example: "20s", value: duration(&c.RebalanceTimeout)},
		{name: "heartbeat", meaning: "How often a member says that it lives; at most a third of session_timeout.", example: "2s", value: duration(&c.Heartbeat)},
		{name: "commit_every", meaning: "The period of commits, which also renew the lease.", example: "500ms", value: duration(&c.CommitEvery)},
		{name: "lease", meaning: "How long after its last accepted commit a member may send; at least four commits.", example: "4s", value: duration(&c.Lease)},
		{name: "drain", meaning: "The wait for attempts in flight when a shard moves away.", example: "2s", value: duration(&c.Drain)},
		{name: "shard_records", meaning: "Events in hand of one shard at most.", example: "2048", low: 16, top: 16_384, value: whole(&c.ShardRecords)},
		{name: "max_bytes", meaning: "Bytes in hand over all shards at most.", example: "128MiB", value: size(&c.MaxBytes)},
		{name: "fetch_bytes", meaning: "Bytes of one partition in one fetch at most; a fetch takes less while destinations set the pace.", example: "128KiB", value: size(&c.FetchBytes)},
		{name: "fetch_wait", meaning: "How long a broker may wait for something to fetch.", example: "100ms", value: duration(&c.FetchWait)},
		{name: "tls", meaning: "Encrypts the connections to the brokers; true is enough for certificates that the system trusts.", example: "true", value: switched(&c.TLS.On, tlsKeys(&c.TLS)...)},
		{name: "sasl", meaning: "Says to the brokers who we are.", example: "{mechanism: SCRAM-SHA-512, username: sluice, password: file:kafka-password}", value: section(saslKeys(&c.SASL)...)},
	}
}

func stateKey(topic *string) key {
	return key{
		name: "state_topic", meaning: "The topic of operator state: replay jobs, pauses and the audit trail. One for all streams; members and commands that share a group must share it.",
		example: "sluice-blue.state", value: text(topic),
	}
}

// off in place of an address means that nothing listens.
const off = "off"

// address is where something listens, or off.
func address(dst *string) value { return orOff(dst) }

// orOff is a text that off leaves empty.
func orOff(dst *string) value {
	parse := func(text string) (string, error) {
		if text == off {
			text = ""
		}
		return text, nil
	}
	return parsed(kindText, dst, parse, func(text string) any {
		if text == "" {
			return off
		}
		return text
	})
}

func listenKeys(c *Config) []key {
	advertised := text(&c.Kafka.AdminAddr)
	advertised.shown = func() any {
		if c.Kafka.AdminAddr == c.Listen.Actions {
			return nil
		}
		return unlessEmpty(c.Kafka.AdminAddr)
	}
	return []key{
		{name: "metrics", meaning: `The address of probes and metrics: ":9090" lets a cluster scrape it, off is none.`, example: `":9090"`, value: address(&c.Listen.Metrics)},
		{name: "actions", meaning: "The address of shard resume and other actions, or off. Keep it where only operators reach it.", example: "127.0.0.1:9191", value: address(&c.Listen.Actions)},
		{
			name: "advertise", meaning: "Where other members and the CLI reach actions, when it listens on every interface or behind a name.",
			example: "10.0.0.7:9091", fallback: "what actions says", value: advertised,
		},
	}
}

// workspaces binds every destination by its name. Which keys one has depends
// on its sink.
func (c *Config) workspaces() value {
	return value{
		kind: kindNamed,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			return d.entries(n, path, workspaceExample, func(name string, n *yaml.Node) {
				if w, ok := d.workspace(name, n); ok {
					c.Workspaces = append(c.Workspaces, w)
				}
				d.named = append(d.named, name)
			})
		},
		entries: func() []entry {
			all := make([]entry, len(c.Workspaces))
			for i := range c.Workspaces {
				w := &c.Workspaces[i]
				all[i] = entry{name: w.Name, identity: w.destination(), keys: workspaceKeys(w)}
			}
			return all
		},
		forms: func() []form {
			var all []form
			for _, kind := range kinds() {
				w := DefaultWorkspace("NAME", kind)
				all = append(all, form{chosenBy: "sink", name: string(kind), keys: workspaceKeys(&w)})
			}
			return all
		},
	}
}

func (c *Config) streams() value {
	return value{
		kind: kindNamed,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			return d.entries(n, path, streamExample, func(name string, n *yaml.Node) {
				c.Streams = append(c.Streams, d.stream(name, n))
			})
		},
		entries: func() []entry {
			all := make([]entry, len(c.Streams))
			for i := range c.Streams {
				all[i] = entry{name: c.Streams[i].Name, keys: streamKeys(&c.Streams[i])}
			}
			return all
		},
		forms: func() []form {
			s := DefaultStream("NAME")
			return []form{{keys: streamKeys(&s), either: []string{"workspace", "routes"}}}
		},
	}
}

// choice is one of a few words.
func choice(dst *string, words []string) value {
	return parsed(kindText, dst, func(text string) (string, error) {
		if slices.Contains(words, text) {
			return text, nil
		}
		return "", unknownWord(text, words)
	}, unlessEmpty)
}

// unknownWord says of a text that it is none of those words, and which was
// probably meant.
func unknownWord(text string, words []string) error {
	remedy := "one of " + strings.Join(words, ", ")
	if word, ok := nearest(text, words); ok {
		remedy = word
	}
	return fmt.Errorf("is not a word that is known here; write %s", remedy)
}
