package gateway

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// regions picks the stream of an event by a field of its user.
type regions struct {
	field   string
	streams map[string]*Stream
	known   string // the values, for whoever sent another
}

func newRegions(rule *RegionRule, streams map[string]Stream) *regions {
	if rule == nil {
		return nil
	}
	r := &regions{field: rule.Field, streams: map[string]*Stream{}}
	for value, name := range rule.Streams {
		stream := streams[name]
		r.streams[value] = &stream
	}
	r.known = strings.Join(slices.Sorted(maps.Keys(r.streams)), ", ")
	return r
}

// sort says where each item goes. Items whose region is not to be told leave
// the list, and a fault in their place.
func (c *caller) sort(call *call, items []item) (kept []item, streams []*Stream) {
	streams = make([]*Stream, 0, len(items))
	if c.region == nil {
		for range items {
			streams = append(streams, &c.stream)
		}
		return items, streams
	}
	kept = items[:0]
	for _, it := range items {
		stream := c.region.pick(&it)
		if last := len(kept) - 1; stream == nil && last >= 0 && kept[last].index == it.index {
			stream = streams[last] // one call of several records: they stay together
		}
		if stream == nil {
			call.faults = append(call.faults, c.region.refuse(it.index))
			continue
		}
		kept, streams = append(kept, it), append(streams, stream)
	}
	return kept, streams
}

// pick returns the stream of an item, nil when its field is absent, names no
// stream, or says different things in different places.
func (r *regions) pick(it *item) *Stream {
	var places [][]byte
	if it.op.ByHeader() {
		body := v1Field(it.value, "body")
		places = [][]byte{body, member(body, "data"), member(body, "attributes")}
	} else {
		places = [][]byte{v1Field(it.value, "attributes"), v1Field(it.value, "identifiers")}
	}
	found := ""
	for _, place := range places {
		value := plainText(member(place, r.field))
		if value == "" {
			continue
		}
		if found != "" && found != value {
			return nil
		}
		found = value
	}
	return r.streams[found]
}

// refuse names the field and what it may say, never what it said.
func (r *regions) refuse(index int) fault {
	return fault{index, reasonInvalid, r.field, fmt.Sprintf("%s must be one of %s: it decides where the event is kept", r.field, r.known)}
}

// member is the value of an object's member; nil when there is none, or no
// object.
func member(object []byte, name string) []byte {
	if len(object) == 0 || object[0] != '{' {
		return nil
	}
	return v1Field(object, name)
}

// plainText is what a string says, or a number or a word as it stands.
func plainText(raw []byte) string {
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' {
		return ""
	}
	if raw[0] == '"' {
		return string(v1Text(raw))
	}
	return string(raw)
}
