package rig

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Config is the part of sluice's file that checks vary. Everything that is
// empty keeps the product's default.
type Config struct {
	Brokers    string // comma-separated
	Group      string
	Kafka      map[string]string // further keys of the kafka section
	Workspaces []Workspace
	Streams    []Stream
	Drain      string
	LogLevel   string
	Door       *Door // its gateway section; nil: none
}

// Workspace is one destination: Customer.io at BaseURL, or a webhook at URL.
type Workspace struct {
	Name     string
	BaseURL  string
	URL      string
	Settings map[string]string // further keys, as YAML
}

// Stream is one stream into one workspace.
type Stream struct {
	Name       string // also its topic
	Workspace  string
	Partitions int
	Copies     int               // replication; 3 when 0
	Settings   map[string]string // further keys, as YAML
}

// Credentials are what every simulator of the rig accepts for a workspace; the
// site id is the workspace's name.
func Credentials(workspace string) string { return workspace + ":key-of-" + workspace }

// Write writes the file for one member, which serves metrics and actions at
// these addresses, and returns its path.
func (c Config) Write(r *Rig, metrics, actions string) (string, error) {
	var b strings.Builder
	group := c.Group
	fmt.Fprintf(&b, "kafka:\n  brokers: [%s]\n  group: %s\n", strings.ReplaceAll(c.Brokers, ",", ", "), group)
	if _, given := c.Kafka["state_topic"]; !given {
		fmt.Fprintf(&b, "  state_topic: sluice.state-%d\n", c.copies())
	}
	writeSettings(&b, "  ", c.Kafka)
	fmt.Fprintf(&b, "listen: {metrics: %q, actions: %q}\n", metrics, actions)
	if c.Drain != "" {
		fmt.Fprintf(&b, "drain: %s\n", c.Drain)
	}
	if c.LogLevel != "" {
		fmt.Fprintf(&b, "log_level: %s\n", c.LogLevel)
	}
	b.WriteString("workspaces:\n")
	for _, w := range c.Workspaces {
		fmt.Fprintf(&b, "  %s:\n", w.Name)
		if w.URL != "" {
			fmt.Fprintf(&b, "    sink: webhook\n    url: %q\n", w.URL)
		} else {
			site, key, _ := strings.Cut(Credentials(w.Name), ":")
			fmt.Fprintf(&b, "    sink: customerio\n    region: us\n    site_id: %s\n    api_key: %s\n    base_url: %q\n", site, key, w.BaseURL)
		}
		writeSettings(&b, "    ", w.Settings)
	}
	b.WriteString("streams:\n")
	for _, s := range c.Streams {
		fmt.Fprintf(&b, "  %s:\n    workspace: %s\n    partitions: %d\n    replication: %d\n", s.Name, s.Workspace, s.Partitions, s.copies())
		writeSettings(&b, "    ", s.Settings)
	}
	if c.Door != nil {
		c.Door.write(&b)
	}
	path := r.Path(r.Name("config") + ".yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return "", fmt.Errorf("write the configuration: %w", err)
	}
	return path, nil
}

func (s Stream) copies() int {
	if s.Copies == 0 {
		return 3
	}
	return s.Copies
}

// copies is the highest replication of the streams, which is that of the topic
// of operator state: checks that differ in it on one cluster need one each.
func (c Config) copies() int {
	most := 1
	for _, s := range c.Streams {
		most = max(most, s.copies())
	}
	return most
}

func writeSettings(b *strings.Builder, indent string, settings map[string]string) {
	keys := make([]string, 0, len(settings))
	for key := range settings {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		fmt.Fprintf(b, "%s%s: %s\n", indent, key, settings[key])
	}
}
