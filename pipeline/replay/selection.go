package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sluice/pipeline/event"
)

// Selection says what is replayed. A window by time runs, in each shard, from
// the first record of From or later to the last one before To; records in
// between whose own time lies outside are left out.
type Selection struct {
	Stream    string    `json:"stream"`              // by name
	Workspace string    `json:"workspace,omitempty"` // only shards routed there; empty: any
	Shards    []int32   `json:"shards,omitempty"`    // empty: all
	From      time.Time `json:"from,omitzero"`       // of the record, included; zero: unbounded
	To        time.Time `json:"to,omitzero"`         // not included; zero: now

	// FromOffset and ToOffset take the place of the times, for exactly one shard:
	// from included, to not. -1 is not set; both 0 is not set either.
	FromOffset int64 `json:"from_offset"`
	ToOffset   int64 `json:"to_offset"`

	User   string            `json:"user,omitempty"`   // the record's key
	Events []string          `json:"events,omitempty"` // names of events; any of them
	Fields map[string]string `json:"fields,omitempty"` // dotted path in the JSON: the text that stands there; all of them
	Target string            `json:"target,omitempty"` // another workspace; empty: where the shards are routed

	// TakeRest takes what is left of a window whose start retention has deleted.
	TakeRest bool `json:"take_rest,omitempty"`
}

// byOffset tells whether the window is one of offsets.
func (s Selection) byOffset() bool {
	return s.FromOffset > 0 || s.ToOffset > 0 || (s.FromOffset == 0 && s.ToOffset < 0)
}

// Validate returns every fault, joined, each with its path.
func (s Selection) Validate() error {
	var faults []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	must(s.Stream != "", "stream: must not be empty")
	must(s.From.IsZero() || s.To.IsZero() || s.From.Before(s.To), "to: must be after from (%s), have %s", s.From.Format(time.RFC3339), s.To.Format(time.RFC3339))
	must(s.FromOffset >= -1, "from_offset: must not be below -1, have %d", s.FromOffset)
	must(s.ToOffset >= -1, "to_offset: must not be below -1, have %d", s.ToOffset)
	if s.byOffset() {
		must(len(s.Shards) == 1, "shards: a window of offsets is one of exactly one shard, have %d", len(s.Shards))
		must(s.From.IsZero() && s.To.IsZero(), "from: a window is one of times or of offsets, not both")
		must(s.ToOffset < 0 || s.FromOffset < s.ToOffset, "to_offset: must be above from_offset (%d), have %d", s.FromOffset, s.ToOffset)
	}
	for _, path := range slices.Sorted(maps.Keys(s.Fields)) {
		must(path != "" && !slices.Contains(strings.Split(path, "."), ""), "fields: %q is no dotted path, such as attributes.plan", path)
	}
	return errors.Join(faults...)
}

// inTime tells whether a record's time lies in the window.
func (s Selection) inTime(at time.Time) bool {
	return (s.From.IsZero() || !at.Before(s.From)) && (s.To.IsZero() || at.Before(s.To))
}

// takes tells whether the selection takes an event, wherever it stands.
func (s Selection) takes(e *event.Event) bool {
	if !s.inTime(e.Time) || (s.User != "" && (e.Key == nil || string(e.Key) != s.User)) {
		return false
	}
	if len(s.Events) == 0 && len(s.Fields) == 0 {
		return true
	}
	var root map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(e.Value)))
	decoder.UseNumber()
	if decoder.Decode(&root) != nil {
		return false
	}
	if len(s.Events) > 0 {
		name, named := nameOf(root)
		if !named || !slices.Contains(s.Events, name) {
			return false
		}
	}
	for path, want := range s.Fields {
		if have, found := at(root, strings.Split(path, ".")); !found || have != want {
			return false
		}
	}
	return true
}

// nameOf is the event's name: name as Customer.io has it, event as most others.
func nameOf(root map[string]any) (string, bool) {
	for _, member := range []string{"name", "event"} {
		if name, ok := root[member].(string); ok {
			return name, true
		}
	}
	return "", false
}

// at is the text of the plain value at a path: a string's own, else the JSON.
func at(root any, path []string) (string, bool) {
	for _, member := range path {
		object, ok := root.(map[string]any)
		if !ok {
			return "", false
		}
		if root, ok = object[member]; !ok {
			return "", false
		}
	}
	switch v := root.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	case nil:
		return "null", true
	}
	return "", false // an object or an array equals no text
}
