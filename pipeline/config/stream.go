package config

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
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

	OrderByClass bool // order holds only among a user's events of one class
	// Deferral gives it the delay tiers: an event may be sent later than it comes.
	// A parsed Stream has it also when a rule of one of its workspaces needs it.
	Deferral bool
	// Overflow gives it that tier: in a parsed Stream, because a class of one of
	// its workspaces has a rate of its own.
	Overflow bool
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
	wrong := errors.New("must be a range of partitions, low to high; write it as 0-23, or 7 for one alone")
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

// streamKeys are the keys of a stream, bound to s.
func streamKeys(s *Stream) []key {
	return []key{
		{name: "workspace", meaning: "The destination of every event of the stream. Either this or routes.", example: "NAME", value: workspaceOf(s)},
		{name: "routes", meaning: "Ranges of partitions, each with a workspace: a user always lands in the same one.", example: "[{partitions: 0-31, workspace: NAME}, {partitions: 32-47, workspace: NAME}]", value: routes(s)},
		{name: "topic", meaning: "The live topic. The stream's other topics are named after it: .held for what waits for a later attempt, .replay for what is sent again on purpose, .dead for dead letters; with rules that limit or defer, .overflow and three of .delay-.", example: "volume", fallback: "the stream's name", value: text(&s.Topic)},
		{name: "partitions", meaning: "Of the topic: a bound on how far the work can be spread. A change moves users to other partitions.", example: "96", low: 1, top: maxPartitions, value: whole(&s.Partitions)},
		{name: "replication", meaning: "Copies of each partition; 1 only for a single broker.", example: "1", low: 1, value: whole(&s.Replication)},
		{name: "retention", meaning: "How long the topic keeps an event. Kafka is the only buffer, so this bounds the outage that is survived.", example: "14d", value: duration(&s.Retention)},
		{name: "residency", meaning: "The region that every workspace of the stream must have; a route elsewhere is refused.", example: "eu", options: regions(), value: text(&s.Residency)},
		{
			name: "order", meaning: "What order is kept. key: that of all events of a user. class: only that of a user's events of one class, as the rules of its workspaces tell them apart; then a class that has to wait does not hold up the user's other events, which may be delivered before older ones of that class.",
			example: "class", options: orders(), value: parsed(kindText, &s.OrderByClass, parseOrder, showOrder),
		},
		{
			name: "deferral", meaning: "Whether events may be sent later than they come, by their headers deliver_at and spread or by a rule with spread, at or quiet: it gives the stream the topics .delay-10s, .delay-10m and .delay-6h. What waits there is delivered only while it is true: take it back once they are empty.",
			example: "true", fallback: "`true` when a rule of one of its workspaces needs it, else `false`", value: boolean(&s.Deferral),
		},
	}
}

const orderKey, orderClass = "key", "class"

func orders() []string { return []string{orderKey, orderClass} }

func parseOrder(text string) (byClass bool, err error) {
	if !slices.Contains(orders(), text) {
		return false, errors.New("is not an order; write key, or class")
	}
	return text == orderClass, nil
}

func showOrder(byClass bool) any {
	if byClass {
		return orderClass
	}
	return orderKey
}

// single tells whether one workspace takes all of the stream.
func (s Stream) single() bool {
	return len(s.Routes) == 1 && s.Routes[0].From == 0 && s.Routes[0].To == s.Partitions-1
}

// workspaceOf is the one workspace of all partitions; how many those are is
// known when the whole stream is read.
func workspaceOf(s *Stream) value {
	return value{
		kind: kindText,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			name, ok := d.scalar(n, path)
			s.Routes = []Route{{Workspace: name}}
			return ok
		},
		shown: func() any {
			if s.single() {
				return s.Routes[0].Workspace
			}
			return nil
		},
	}
}

// routes are ranges of partitions, each with its workspace.
func routes(s *Stream) value {
	var none Route
	item := section(routeKeys(&none)...)
	return value{
		kind: kindList,
		item: &item,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			s.Routes = nil
			fit := true
			listed := d.items(n, path, func(path string, n *yaml.Node) {
				r, ok := d.route(path, n)
				s.Routes = append(s.Routes, r)
				fit = fit && ok
			})
			return listed && fit
		},
		shown: func() any {
			if s.single() {
				return nil
			}
			all := make([]any, len(s.Routes))
			for i, r := range s.Routes {
				all[i] = map[string]any{"partitions": span(r.From, r.To), "workspace": r.Workspace}
			}
			return all
		},
	}
}

func routeKeys(r *Route) []key {
	return []key{
		{name: "partitions", meaning: "A range, both ends included, or one partition alone.", example: "0-23", required: true, value: parsed(kindRange, r, func(text string) (Route, error) {
			read, err := parsePartitions(text)
			return Route{From: read.From, To: read.To, Workspace: r.Workspace}, err
		}, func(r Route) any { return span(r.From, r.To) })},
		{name: "workspace", meaning: "The destination of those partitions.", example: "NAME", required: true, value: text(&r.Workspace)},
	}
}

// stream reads one stream: either workspace, one for all partitions, or
// routes. A stream whose routes cannot be read is judged no further.
func (d *decoder) stream(name string, n *yaml.Node) Stream {
	cfg := DefaultStream(name)
	s := d.section(n, "streams."+name)
	s.read(streamKeys(&cfg))
	s.done()
	switch single, listed := s.given("workspace"), s.given("routes"); {
	case single && listed:
		d.faultAt(s.join("routes"), "stands beside workspace", "keep one of the two")
		d.unjudged[name] = true
	case single && !s.fit("workspace"):
		d.unjudged[name] = true
	case single:
		cfg.Routes[0].To = cfg.Partitions - 1
	case listed:
		d.unjudged[name] = !s.fit("routes")
	case s.readable:
		d.fault(s.at, s.path, "names no workspace", "add workspace: NAME, or routes: [{partitions: 0-23, workspace: NAME}]")
		d.unjudged[name] = true
	}
	return cfg
}

func (d *decoder) route(path string, n *yaml.Node) (Route, bool) {
	var r Route
	s := d.section(n, path)
	s.read(routeKeys(&r))
	s.done()
	for _, key := range []string{"partitions", "workspace"} {
		if s.readable && !s.given(key) {
			d.fault(s.at, path, "has no "+key, "write it as {partitions: 0-23, workspace: NAME}")
		}
	}
	return r, s.fit("partitions") && s.fit("workspace")
}
