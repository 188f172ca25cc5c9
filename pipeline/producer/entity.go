package producer

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"sluice/pipeline/event"
)

var (
	errNoObject   = errors.New("must be a JSON object")
	errNoLinks    = errors.New("relationships: must not be empty")
	errAttributes = errors.New("a deletion has no attributes")
)

// call is one call of an application, on its way to be a record.
type call struct {
	method     string // for errors
	action     event.Op
	who, other Identity
	name       string
	attributes any // data, traits or the whole object
	device     Device
	links      []Relationship

	whole    bool // attributes are all of the record's value
	personal bool // about people only
	named    bool // takes an EventID
	timed    bool // takes an At

	id      string
	at      int64 // unix seconds, when hasTime
	hasTime bool
	headers []event.Header
}

// value makes the record's value.
func (c *call) value() ([]byte, error) {
	if c.whole {
		raw, _, err := jsonOf(c.attributes)
		return raw, err
	}
	if c.personal && c.who.isObject() {
		return nil, errNotAPerson
	}
	var own []byte
	if c.attributes != nil {
		var err error
		if own, err = objectOf(c.attributes); err != nil {
			return nil, err
		}
	}
	dst := make([]byte, 0, len(own)+len(c.name)+len(c.who.value)+200)
	dst, err := c.appendAbout(c.appendHead(dst))
	if err != nil {
		return nil, err
	}
	if own != nil {
		dst = append(append(dst, `,"attributes":`...), own...)
	}
	return append(dst, '}'), nil
}

func (c *call) appendHead(dst []byte) []byte {
	kind := "person"
	if c.who.isObject() {
		kind = "object"
	}
	dst = append(append(dst, `{"type":"`...), kind...)
	dst = append(append(dst, `","action":"`...), c.action.String()...)
	return append(dst, '"')
}

// appendAbout appends whom the call is about and what it says beside
// attributes.
func (c *call) appendAbout(dst []byte) ([]byte, error) {
	var err error
	if c.action == event.OpMerge {
		if dst, err = c.who.appendTo(append(dst, `,"primary":`...)); err != nil {
			return nil, fmt.Errorf("primary: %w", err)
		}
		if dst, err = c.other.appendTo(append(dst, `,"secondary":`...)); err != nil {
			return nil, fmt.Errorf("secondary: %w", err)
		}
		return dst, nil
	}
	if dst, err = c.who.appendTo(append(dst, `,"identifiers":`...)); err != nil {
		return nil, err
	}
	switch c.action {
	case event.OpEvent, event.OpPage, event.OpScreen:
		dst, err = c.appendEvent(dst)
	case event.OpAddDevice, event.OpDeleteDevice:
		dst, err = c.appendDevice(append(dst, `,"device":`...))
	case event.OpAddRelationships, event.OpDeleteRelationships:
		dst, err = c.appendLinks(append(dst, `,"cio_relationships":`...))
	default: // no more to say
	}
	if err == nil && c.hasTime {
		dst = strconv.AppendInt(append(dst, `,"timestamp":`...), c.at, 10)
	}
	return dst, err
}

func (c *call) appendEvent(dst []byte) ([]byte, error) {
	dst, err := appendText(append(dst, `,"name":`...), "name", c.name)
	if err == nil && c.id != "" {
		dst, err = appendText(append(dst, `,"id":`...), "event id", c.id)
	}
	return dst, err
}

func (c *call) appendDevice(dst []byte) ([]byte, error) {
	dst, err := appendText(append(dst, `{"token":`...), "device token", c.device.Token)
	if err != nil || c.action == event.OpDeleteDevice {
		return append(dst, '}'), err
	}
	if c.device.Platform != "ios" && c.device.Platform != "android" {
		return nil, errors.New("device platform: must be ios or android")
	}
	dst = append(append(append(dst, `,"platform":"`...), c.device.Platform...), '"')
	if used := c.device.LastUsed; !used.IsZero() {
		if used.Unix() < 0 || used.Unix() > lastSecond {
			return nil, fmt.Errorf("device %w", errAtRange)
		}
		dst = strconv.AppendInt(append(dst, `,"last_used":`...), used.Unix(), 10)
	}
	if c.device.Attributes != nil {
		own, err := objectOf(c.device.Attributes)
		if err != nil {
			return nil, fmt.Errorf("device %w", err)
		}
		if own != nil {
			dst = append(append(dst, `,"attributes":`...), own...)
		}
	}
	return append(dst, '}'), nil
}

func (c *call) appendLinks(dst []byte) ([]byte, error) {
	if len(c.links) == 0 {
		return nil, errNoLinks
	}
	for i, link := range c.links {
		dst = append(dst, "[,"[min(i, 1)])
		var err error
		if dst, err = c.appendLink(dst, link); err != nil {
			return nil, fmt.Errorf("relationships[%d]: %w", i, err)
		}
	}
	return append(dst, ']'), nil
}

func (c *call) appendLink(dst []byte, link Relationship) ([]byte, error) {
	if c.who.isObject() && link.With.kind == event.KindAnonymous {
		return nil, errNotDirectly
	}
	dst, err := link.With.appendTo(append(dst, `{"identifiers":`...))
	if err != nil {
		return nil, err
	}
	if link.Attributes == nil {
		return append(dst, '}'), nil
	}
	if c.action == event.OpDeleteRelationships {
		return nil, errAttributes
	}
	own, err := objectOf(link.Attributes)
	if err != nil {
		return nil, err
	}
	if own != nil {
		dst = append(append(dst, `,"relationship_attributes":`...), own...)
	}
	return append(dst, '}'), nil
}

// appendText appends a string that must have something in it.
func appendText(dst []byte, field, value string) ([]byte, error) {
	if value == "" {
		return nil, fmt.Errorf("%s: %w", field, errEmpty)
	}
	quoted, err := jsontext.AppendQuote(dst, value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, errBadUTF8)
	}
	return quoted, nil
}

// jsonOf returns what the application's own value marshals to, or a copy of
// JSON text, which was not looked at and may be none.
func jsonOf(v any) (raw []byte, verbatim bool, err error) {
	switch given := v.(type) {
	case []byte:
		return bytes.Clone(bytes.TrimSpace(given)), true, nil
	case stdjson.RawMessage:
		return bytes.Clone(bytes.TrimSpace(given)), true, nil
	}
	raw, err = marshal(v)
	return raw, false, err
}

// objectOf returns attributes as one JSON object, nil for a null.
func objectOf(v any) ([]byte, error) {
	raw, verbatim, err := jsonOf(v)
	switch {
	case err != nil:
		return nil, fmt.Errorf("attributes: %w", err)
	case len(raw) == 0 || string(raw) == "null":
		return nil, nil
	// Text that were two values would say more about the entity around it.
	case raw[0] != '{' || verbatim && !jsontext.Value(raw).IsValid():
		return nil, fmt.Errorf("attributes: %w", errNoObject)
	}
	return raw, nil
}

// marshal makes JSON as encoding/json does, which is what the tags and methods
// of an application's types are written for, but refuses text that is not
// UTF-8 rather than changing it. A method of such a type that panics must not
// take the application down for the sake of an event.
func marshal(v any) (raw []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			raw, err = nil, fmt.Errorf("marshal %T: it panicked: %v", v, r)
		}
	}()
	raw, err = json.Marshal(v,
		jsonv1.DefaultOptionsV1(), jsontext.AllowInvalidUTF8(false), jsontext.AllowDuplicateNames(false),
		jsontext.EscapeForHTML(false), jsontext.EscapeForJS(false))
	if err != nil {
		return nil, fmt.Errorf("marshal %T: %w", v, err)
	}
	return raw, nil
}

// keyOf is the record key of a value that the application made itself.
func (c *call) keyOf(value []byte) ([]byte, error) {
	if c.action != event.OpSend {
		key, err := event.EntityKey(value)
		if err != nil {
			return nil, err
		}
		return key, nil
	}
	if c.who.value == "" {
		return nil, fmt.Errorf("user: %w", errEmpty)
	}
	return c.who.key(), nil
}
