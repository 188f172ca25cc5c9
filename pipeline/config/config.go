// Package config reads the one YAML file that a user writes.
//
// Parse reports everything that is wrong at once, each fault with its line,
// its column, the path of its key and what to write instead. Secrets come from
// the environment (${NAME}) or from files (file:PATH) and never appear in a
// fault or in a printed Config. The package reads no environment and no file by
// itself: both are given to Parse. Defaults are those of the packages whose
// settings it fills; only what no other package owns has its default here.
package config

//go:generate go run ../../cmd/sluice config schema --to ../../deploy/sluice.schema.json
//go:generate go run ../../cmd/sluice config docs --to ../../deploy/CONFIG.md

import (
	"fmt"
	"io"
	"strings"
	"time"

	"sluice/partition"
	"sluice/pipeline"
	"sluice/pipeline/gateway"
	"sluice/pipeline/guard"
	"sluice/pipeline/rules"
	"sluice/sink"
	"sluice/sink/budget"
	"sluice/sink/customerio"
	"sluice/sink/webhook"
)

// Config is a whole file: what a member needs to run.
type Config struct {
	Kafka      partition.Config
	StateTopic string // of operator state: one for all streams
	Listen     Listen
	LogLevel   string        // the least that is logged while serving
	Drain      time.Duration // bound on the wait for attempts in flight when a member stops
	Workspaces []Workspace   // in the file's order
	Streams    []Stream      // in the file's order

	// Gateway is nil when the file has no such section. Its certificate files are
	// named as the file names them: a relative path begins at the file's folder.
	Gateway *gateway.Config

	// references are the values that the file takes wholly from outside, by the
	// path of their key and as the file has them: ${NAME} or file:PATH.
	references map[string]string
}

// Listen holds the two addresses of a member; empty means none.
type Listen struct {
	Metrics string // probes and metrics: safe to show inside a cluster
	Actions string // shard resume and other actions: loopback unless told otherwise
}

// Kind is the API behind a workspace.
type Kind string

// The kinds of workspace.
const (
	Customerio Kind = "customerio"
	Webhook    Kind = "webhook"
)

// Workspace is one destination with its own budget. Of Customerio and Webhook
// only the one that Kind names is filled.
type Workspace struct {
	Name        string
	Kind        Kind
	Region      string // us, eu, or empty for a webhook that does not say
	Customerio  customerio.Config
	Webhook     webhook.Config
	Budget      budget.Config
	InFlight    int // attempts at once to begin with
	MaxInFlight int // attempts at once at most
	BatchItems  int // events in one attempt at most; the destination may allow fewer
	Breaker     sink.BreakerConfig
	Retry       sink.RetryConfig
	Tries       pipeline.Tries
	Dedup       guard.Rules
	Rules       rules.Config // its classes, and when their events are sent
}

// Default is a file that sets nothing.
func Default() Config {
	return Config{
		Kafka: partition.DefaultConfig(), StateTopic: "sluice.state",
		Listen: Listen{Metrics: "127.0.0.1:9090", Actions: "127.0.0.1:9091"},
		Drain:  pipeline.DefaultDrain, LogLevel: "info",
	}
}

// Parse reads one YAML document from r. Its error is an *Error that holds all
// faults at once; when r has a Name, as an *os.File has, the faults begin with
// it. lookup finds environment variables, read the files that file: names.
func Parse(r io.Reader, lookup LookupFunc, read ReadFunc) (Config, error) {
	return newDecoder(lookup, read).parse(r)
}

// ParseDirect is Parse for who sends without Kafka: the file may leave streams
// out. What it does hold is judged alike.
func ParseDirect(r io.Reader, lookup LookupFunc, read ReadFunc) (Config, error) {
	d := newDecoder(lookup, read)
	d.direct = true
	return d.parse(r)
}

func newDecoder(lookup LookupFunc, read ReadFunc) *decoder {
	return &decoder{
		lookup: lookup, read: read, faults: Error{File: "config"},
		places: map[string]position{}, unjudged: map[string]bool{}, references: map[string]string{}, examples: map[string]string{},
	}
}

func (d *decoder) parse(r io.Reader) (Config, error) {
	cfg := Default()
	if root, ok := d.document(r); ok && d.file(root, &cfg) {
		d.imply(&cfg)
		d.misread = len(d.faults.List)
		d.check(cfg)
	}
	cfg.references = d.references
	return cfg, d.faults.settle(d.secrets)
}

// Workspace returns the workspace of that name.
func (c Config) Workspace(name string) (Workspace, bool) {
	for _, w := range c.Workspaces {
		if w.Name == name {
			return w, true
		}
	}
	return Workspace{}, false
}

// Stream returns the stream of that name.
func (c Config) Stream(name string) (Stream, bool) {
	for _, s := range c.Streams {
		if s.Name == name {
			return s, true
		}
	}
	return Stream{}, false
}

// String is an outline of the file without any secret.
func (c Config) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kafka %s", strings.Join(c.Kafka.Brokers, ","))
	for _, w := range c.Workspaces {
		fmt.Fprintf(&b, "; workspace %v", w)
	}
	for _, s := range c.Streams {
		fmt.Fprintf(&b, "; stream %s on %s", s.Name, s.Topic)
	}
	return b.String()
}

// GoString is String, so that no way of printing shows a secret.
func (c Config) GoString() string { return c.String() }

// String names the workspace, its API and its region, and no secret.
func (w Workspace) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s (%s %s", w.Name, w.Kind, w.Region)) + ")"
}

// GoString is String, so that no way of printing shows a secret.
func (w Workspace) GoString() string { return w.String() }
