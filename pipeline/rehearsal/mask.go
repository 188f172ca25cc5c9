package rehearsal

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"sluice/pipeline/event"
)

const (
	// mask stands for what is not shown.
	mask = "***"
	// maxMasked bounds the objects and arrays of an event that is shown.
	maxMasked = 10_000
)

// masked is the shape of an event: names that every event may have, those on the
// paths given, and no value. Other names may be data themselves, so they are
// counted.
func masked(value []byte, paths []string) string {
	var root any
	reader := json.NewDecoder(bytes.NewReader(value))
	reader.UseNumber()
	nested := bytes.Count(value, []byte{'{'}) + bytes.Count(value, []byte{'['})
	if nested > maxMasked || reader.Decode(&root) != nil {
		return `"` + mask + `"`
	}
	known := []string{"type", "action", "name", "event", "id", "timestamp", "identifiers", "attributes", "data", "traits", "user", "email"}
	for _, path := range paths {
		known = append(known, strings.Split(path, ".")...)
	}
	shown, err := json.Marshal(shape(root, known))
	if err != nil {
		return `"` + mask + `"`
	}
	return string(shown)
}

func shape(value any, known []string) any {
	switch v := value.(type) {
	case map[string]any:
		object, hidden := map[string]any{}, 0
		for name, inner := range v {
			if slices.Contains(known, name) {
				object[name] = shape(inner, known)
			} else {
				hidden++
			}
		}
		if hidden > 0 {
			object[mask] = hidden
		}
		return object
	case []any:
		list := []any{} // a path may lead into it by a number
		for _, inner := range v[:min(len(v), 3)] {
			list = append(list, shape(inner, known))
		}
		return list
	case nil:
		return nil
	case string:
		if slices.Contains([]string{"person", "object", "delivery"}, v) || slices.ContainsFunc(event.Ops(), func(o event.Op) bool { return o.String() == v }) {
			return v // the API's own words
		}
		return mask
	default:
		return mask
	}
}
