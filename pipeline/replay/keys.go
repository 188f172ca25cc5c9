package replay

import (
	"encoding/json"
	"fmt"

	"sluice/pipeline/event"
)

// keysOf are the keys that a prepared event is about: its record's, and that of
// whom it names when it is another.
func keysOf(e *event.Event) [][]byte {
	keys := make([][]byte, 0, 3)
	if len(e.Key) > 0 {
		keys = append(keys, e.Key)
	}
	if named := namedBy(e); len(named) > 0 && string(named) != string(e.Key) {
		keys = append(keys, named)
	}
	return keys
}

// namedBy is the key of whom or what an entity names, nil when it names nobody.
func namedBy(e *event.Event) []byte {
	switch kind, id := e.Identifier(); kind {
	case event.KindID:
		return id
	case event.KindEmail:
		return event.KeyOfEmail(string(id))
	case event.KindPhone:
		return event.KeyOfPhone(string(id))
	case event.KindCioID:
		return event.KeyOfCioID(string(id))
	case event.KindAnonymous:
		return event.KeyOfAnonymous(string(id))
	case event.KindObject, event.KindCioObject:
		key, err := event.EntityKey(e.Value)
		if err != nil {
			return nil
		}
		return key
	default:
		return nil
	}
}

// secondaryOf is the key of the person that a merge makes go, nil for any other
// event.
func secondaryOf(e *event.Event) []byte {
	if e.Op != event.OpMerge {
		return nil
	}
	entity := fmt.Appendf(nil, `{"type":"person","action":"delete","identifiers":%s}`, json.RawMessage(e.Field(event.FieldSecondary)))
	key, err := event.EntityKey(entity)
	if err != nil {
		return nil
	}
	return key
}

// peopleOf are all keys that an event names.
func peopleOf(e *event.Event) [][]byte {
	keys := keysOf(e)
	if other := secondaryOf(e); other != nil {
		keys = append(keys, other)
	}
	return keys
}
