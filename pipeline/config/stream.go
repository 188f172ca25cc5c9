package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sluice/pipeline"
)

// Stream is a named flow of events into one or more workspaces.
type Stream struct {
	Name        string
	Topic       string // of the live tier
	Partitions  int32
	Replication int16
	Retention   time.Duration
	Residency   string // the region that every workspace of the stream must have; empty for any
	Routes      []Route
}

// Route sends the partitions From to To, both included, to one workspace.
type Route struct {
	From, To  int32
	Workspace string
}

// DefaultStream is a stream that sets nothing but its name.
func DefaultStream(name string) Stream {
	return Stream{Name: name, Topic: name, Partitions: 48, Replication: 3, Retention: 7 * day}
}

// DeadTopic is the topic of the stream's dead letters.
func (s Stream) DeadTopic() string { return s.Topic + pipeline.DeadSuffix }

// Route returns the workspace of a partition; a parsed Stream has one for each.
func (s Stream) Route(partition int32) (workspace string, ok bool) {
	for _, r := range s.Routes {
		if r.From <= partition && partition <= r.To {
			return r.Workspace, true
		}
	}
	return "", false
}

// parsePartitions reads a range of partitions: 24-47, or 7 for one alone.
func parsePartitions(text string) (Route, error) {
	wrong := fmt.Errorf("must be a range of partitions, low to high; write it as 0-23, or 7 for one alone")
	low, high, ranged := strings.Cut(text, "-")
	if !ranged {
		high = low
	}
	from, err := strconv.ParseUint(strings.TrimSpace(low), 10, 31)
	if err != nil {
		return Route{}, wrong
	}
	to, err := strconv.ParseUint(strings.TrimSpace(high), 10, 31)
	if err != nil || to < from {
		return Route{}, wrong
	}
	return Route{From: int32(from), To: int32(to)}, nil
}
