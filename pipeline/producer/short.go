package producer

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"sluice/pipeline/event"
)

var (
	errNobody = errors.New("names no user: give user, email or anonymous_id (or an entity's identifiers)")
	errMany   = errors.New("an event names one person: give only one of user, email and anonymous_id")
)

// short is the short form of one event. Values are JSON as they stand in the
// line, nil when absent or null.
type short struct {
	user, email, anonymous jsontext.Value
	kind, name             string
	id, timestamp          jsontext.Value
	data, traits           jsontext.Value
	class                  string
	deliverAt              jsontext.Value
	spread                 string
}

// isEntity says whether an object is a full Track v2 entity: those name a
// person, an object or a delivery in members that the short form has not.
func isEntity(o *object) bool {
	if o.find("identifiers") != nil || o.find("primary") != nil {
		return true
	}
	switch kind, _ := text(o.value(o.find("type"))); kind {
	case "person", "object", "delivery":
		return true
	default:
		return false
	}
}

// readShort takes the short form apart. A member that it does not know is an
// error, since dropping it would lose data in silence.
func readShort(o *object) (short, error) {
	var s short
	var err error
	for i := range o.members {
		m := &o.members[i]
		value := o.value(m)
		switch m.name {
		case "user":
			s.user = value
		case "email":
			s.email = value
		case "anonymous_id":
			s.anonymous = value
		case "type":
			s.kind, err = words(m.name, value)
		case "event", "name":
			if s.name != "" {
				return s, errors.New("event and name exclude each other")
			}
			s.name, err = words(m.name, value)
		case "id":
			s.id = value
		case "timestamp":
			s.timestamp = value
		case "data":
			s.data = value
		case "traits":
			s.traits = value
		case "class":
			s.class, err = words(m.name, value)
		case "deliver_at":
			s.deliverAt = value
		case "spread":
			s.spread, err = words(m.name, value)
		default:
			return s, fmt.Errorf("unknown field %q: put it into data or traits", m.name)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// headers are the record's: what it says to sluice and not to the destination.
func (s *short) headers() ([]event.Header, error) {
	var headers []event.Header
	if s.class != "" {
		headers = append(headers, event.Header{Key: event.HeaderClass, Value: []byte(s.class)})
	}
	if s.spread != "" {
		if !event.ValidSpread([]byte(s.spread)) {
			return nil, errors.New("spread: must be a time above 0 and of at most 90 days, such as 3m or 1h30m")
		}
		headers = append(headers, event.Header{Key: event.HeaderSpread, Value: []byte(s.spread)})
	}
	if s.deliverAt == nil {
		return headers, nil
	}
	at := []byte(s.deliverAt)
	if s.deliverAt.Kind() == '"' {
		plain, err := text(s.deliverAt)
		if err != nil {
			return nil, err
		}
		at = []byte(plain)
	}
	if !event.ValidDeliverAt(at) {
		return nil, errors.New("deliver_at: must be RFC 3339 or unix seconds")
	}
	return append(headers, event.Header{Key: event.HeaderDeliverAt, Value: at}), nil
}

// action decides what the destination is asked.
func (s *short) action() (string, error) {
	switch s.kind {
	case "":
		if s.name == "" && s.traits == nil {
			return "", errors.New("needs event (a name) or traits")
		}
		if s.name == "" {
			return "identify", nil
		}
		return "event", nil
	case "identify":
		return "identify", nil
	case "event", "track":
		return "event", nil
	case "page", "screen":
		return s.kind, nil
	default:
		return "", errors.New("type: must be event, page, screen or identify")
	}
}

// entity writes the Track v2 entity that the short form stands for, and says
// where its attributes stand, nil when it has none.
func (s *short) entity() (value []byte, attributes *member, err error) {
	action, err := s.action()
	if err != nil {
		return nil, nil, err
	}
	who, id, err := s.person()
	if err != nil {
		return nil, nil, err
	}
	own, err := s.holder(action)
	if err != nil {
		return nil, nil, err
	}
	value = make([]byte, 0, len(own)+len(id)+len(s.name)+len(s.id)+len(s.email)+len(s.anonymous)+200)
	value = append(value, `{"type":"person","action":"`+action+`","identifiers":{"`+who+`":`...)
	value = append(append(value, id...), '}')
	if value, err = s.about(value, action); err != nil {
		return nil, nil, err
	}
	if own, err = s.contacts(own, action, who); err != nil {
		return nil, nil, err
	}
	if own != nil {
		value = append(value, `,"attributes":`...)
		attributes = &member{start: len(value), end: len(value) + len(own)}
		value = append(value, own...)
	}
	return append(value, '}'), attributes, nil
}

// holder returns the data of an event or the traits of an identify.
func (s *short) holder(action string) (jsontext.Value, error) {
	name, own, otherName, other := "data", s.data, "traits", s.traits
	if action == "identify" {
		name, own, otherName, other = otherName, other, name, own
	}
	if other != nil {
		return nil, fmt.Errorf("type %s has no %s: use %s", action, otherName, name)
	}
	if own != nil && own.Kind() != '{' {
		return nil, fmt.Errorf("%s: must be an object", name)
	}
	return own, nil
}

// person returns the identifier's kind and its JSON.
func (s *short) person() (who string, id []byte, err error) {
	switch {
	case s.user != nil:
		id, err = identifier("user", s.user)
		return "id", id, err
	case s.email != nil:
		id, err = identifier("email", s.email)
		return "email", id, err
	case s.anonymous != nil:
		id, err = identifier("anonymous_id", s.anonymous)
		return "anonymous_id", id, err
	default:
		return "", nil, errNobody
	}
}

// about appends name, id and timestamp, each where the action has it.
func (s *short) about(value []byte, action string) ([]byte, error) {
	var err error
	switch {
	case action != "identify" && s.name == "":
		return nil, fmt.Errorf("event: a %s needs a name", action)
	case action != "identify":
		if value, err = jsontext.AppendQuote(append(value, `,"name":`...), s.name); err != nil {
			return nil, fmt.Errorf("event: %w", err)
		}
	case s.name != "":
		return nil, errors.New("an identify has no event")
	}
	if s.id != nil && action == "identify" {
		return nil, errors.New("id: only events, pages and screens have one")
	}
	if s.id != nil {
		id, err := identifier("id", s.id)
		if err != nil {
			return nil, err
		}
		value = append(append(value, `,"id":`...), id...)
	}
	if s.timestamp != nil {
		unix, err := s.unix()
		if err != nil {
			return nil, err
		}
		value = strconv.AppendInt(append(value, `,"timestamp":`...), unix, 10)
	}
	return value, nil
}

func (s *short) unix() (int64, error) {
	switch s.timestamp.Kind() {
	case '0':
		// Exponents and signs are JSON, but nothing that a moment is written as.
		return parseTime(string(s.timestamp))
	case '"':
		moment, err := text(s.timestamp)
		if err != nil {
			return 0, errTimestamp
		}
		return parseTime(moment)
	default:
		return 0, errTimestamp
	}
}

// contacts deals with an email or anonymous id beside the identifier: an
// identify takes them as attributes, an event has no place for them.
func (s *short) contacts(own jsontext.Value, action, who string) (jsontext.Value, error) {
	var beside []byte
	for _, c := range []struct {
		name  string
		value jsontext.Value
	}{{"email", s.email}, {"anonymous_id", s.anonymous}} {
		if c.value == nil || c.name == who {
			continue
		}
		if action != "identify" {
			return nil, errMany
		}
		if own != nil && has(own, c.name) {
			continue
		}
		if len(beside) > 0 {
			beside = append(beside, ',')
		}
		beside = append(append(beside, `"`+c.name+`":`...), c.value...)
	}
	switch {
	case len(beside) == 0:
		return own, nil
	case own == nil:
		return append(append([]byte{'{'}, beside...), '}'), nil
	default:
		return splice(nil, own, member{end: len(own)}, beside), nil
	}
}
