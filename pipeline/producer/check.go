package producer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sluice/pipeline/event"
)

// The sizes that the Track API publishes, in bytes where not said otherwise.
const (
	maxIDBytes        = 150
	maxNameBytes      = 100 // an event's name
	maxAttributes     = 300 // of one person, object or relationship
	maxAttributeName  = 150
	maxAttributeValue = 1000
	maxLinkBytes      = 100_000 // a relationship's attributes together
	maxDataBytes      = 100_000 // an event's
	maxEntityBytes    = 32 << 10

	// maxCallBytes bounds an identify that is too large for an entity and goes
	// by a request of its own, which must stay under 500,000 with all of it.
	maxCallBytes = 490_000
)

// over says how much there is and how much there may be.
func over(have, most int) error {
	return fmt.Errorf("may have %d bytes, have %d", most, have)
}

// checker judges records by what the destination would say of them. It is used
// by one goroutine at a time, and again.
type checker struct {
	event   event.Event
	root    object
	decoder jsontext.Decoder
	buffer  bytes.Buffer
}

// check says what a destination of that form would never take about r. Given is
// for a value that the application made itself: whom any other names has been
// judged. An error names places and never quotes a value.
func (k *checker) check(r event.Record, form Form, given bool) error {
	k.event.Load(r, "")
	if form == Object {
		k.event.PrepareObject()
	} else {
		k.event.PrepareEntity()
	}
	if f := k.event.Fault; f != nil {
		return errors.New(f.Detail)
	}
	if form == Object {
		return nil
	}
	if given {
		if err := k.checkIdentities(); err != nil {
			return err
		}
	}
	if err := k.checkContent(); err != nil {
		return err
	}
	return k.checkSize()
}

// checkIdentities judges the texts that name somebody. Which kinds there may
// be is known by now.
func (k *checker) checkIdentities() error {
	for _, f := range []event.Field{event.FieldIdentifiers, event.FieldPrimary, event.FieldSecondary} {
		raw := k.event.Field(f)
		if len(raw) == 0 || raw[0] != '{' || k.event.Op == event.OpDeliveryEvent {
			continue
		}
		if err := k.checkIdentity(raw); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	return nil
}

func (k *checker) checkIdentity(raw []byte) error {
	if len(raw) == 0 || raw[0] != '{' {
		return errNoObject
	}
	if err := k.root.scan(raw); err != nil {
		return err
	}
	for i := range k.root.members {
		m := &k.root.members[i]
		value, err := text(k.root.value(m))
		if err != nil { // a number
			value = string(k.root.value(m))
		}
		kind := event.KindNone
		switch m.name {
		case "email":
			kind = event.KindEmail
		case "phone":
			kind = event.KindPhone
		}
		if len(value) > maxIDBytes {
			return fmt.Errorf("%s: %w", m.name, over(len(value), maxIDBytes))
		}
		if err := wellFormed(kind, value); err != nil {
			return err
		}
	}
	return nil
}

// checkContent judges what is said about them.
func (k *checker) checkContent() error {
	switch k.event.Op {
	case event.OpEvent, event.OpPage, event.OpScreen:
		if size := textSize(k.event.Field(event.FieldName)); size > maxNameBytes {
			return fmt.Errorf("name: %w", over(size, maxNameBytes))
		}
	case event.OpIdentify, event.OpObjectIdentify:
		if err := k.checkAttributes(k.event.Field(event.FieldAttributes)); err != nil {
			return fmt.Errorf("attributes: %w", err)
		}
	default: // no attributes
	}
	if links := k.event.Field(event.FieldRelationships); len(links) > 0 {
		return k.checkLinks(links)
	}
	return nil
}

// checkAttributes judges attributes one by one: the length of a string's text,
// of anything else as it is written.
func (k *checker) checkAttributes(raw []byte) error {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	// The decoder reads the buffer's own bytes and copies none.
	k.buffer = *bytes.NewBuffer(raw)
	k.decoder.Reset(&k.buffer)
	if _, err := k.decoder.ReadToken(); err != nil {
		return notJSON(err)
	}
	count := 0
	for k.decoder.PeekKind() != '}' {
		name, err := k.decoder.ReadValue()
		if err != nil {
			return notJSON(err)
		}
		if err := misplaced(name); err != nil {
			return err
		}
		steering, size := steers(name), textSize(name)
		value, err := k.decoder.ReadValue()
		if err != nil {
			return notJSON(err)
		}
		if steering {
			continue
		}
		if count++; size > maxAttributeName {
			return fmt.Errorf("a name: %w", over(size, maxAttributeName))
		}
		if size = textSize(value); size > maxAttributeValue {
			return fmt.Errorf("a value: %w", over(size, maxAttributeValue))
		}
	}
	if count > maxAttributes {
		return fmt.Errorf("may be %d, have %d", maxAttributes, count)
	}
	return nil
}

// steers tells the attributes that say how to identify from those to set. The
// limits do not hold for them.
func steers(quoted jsontext.Value) bool {
	switch string(quoted) {
	case `"_update"`, `"cio_subscription_preferences"`:
		return true
	default:
		return strings.HasPrefix(string(quoted), `"cio_subscription_preferences.`)
	}
}

// misplaced finds what the older API takes among the attributes and an entity
// beside them: it would be lost there without a word.
func misplaced(quoted jsontext.Value) error {
	switch string(quoted) {
	case `"_timestamp"`:
		return errors.New("_timestamp has no place among them: use At, or an entity's timestamp")
	case `"cio_relationships"`:
		return errors.New("cio_relationships has no place among them: use AddRelationships")
	default:
		return nil
	}
}

// textSize is the length of what a string says, of anything else as written.
func textSize(value jsontext.Value) int {
	if value.Kind() != '"' {
		return len(value)
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return len(value) - len(`""`)
	}
	unquoted, err := text(value)
	if err != nil {
		return len(value)
	}
	return len(unquoted)
}

func (k *checker) checkLinks(raw []byte) error {
	var links []struct {
		With       jsontext.Value `json:"identifiers"`
		Attributes jsontext.Value `json:"relationship_attributes"`
	}
	if err := json.Unmarshal(raw, &links); err != nil {
		return errors.New("cio_relationships: must be an array of objects")
	}
	for i, link := range links {
		if err := k.checkIdentity(link.With); err != nil {
			return fmt.Errorf("relationships[%d]: identifiers: %w", i, err)
		}
		if len(link.Attributes) > 0 && link.Attributes.Kind() != '{' && link.Attributes.Kind() != 'n' {
			return fmt.Errorf("relationships[%d]: attributes: %w", i, errNoObject)
		}
		if len(link.Attributes) > maxLinkBytes {
			return fmt.Errorf("relationships[%d]: attributes: %w", i, over(len(link.Attributes), maxLinkBytes))
		}
		if err := k.checkAttributes(link.Attributes); err != nil {
			return fmt.Errorf("relationships[%d]: attributes: %w", i, err)
		}
	}
	return nil
}

// checkSize judges the whole by how it is sent: as an entity, or where that is
// too small and the older call larger, by that.
func (k *checker) checkSize() error {
	kind, id := k.event.Identifier()
	switch k.event.Op {
	case event.OpEvent, event.OpPage, event.OpScreen:
		if data := len(k.event.Field(event.FieldAttributes)); data > maxDataBytes {
			return fmt.Errorf("data: %w", over(data, maxDataBytes))
		}
	case event.OpIdentify:
		if k.event.Size > maxCallBytes {
			return over(k.event.Size, maxCallBytes)
		}
	default:
		if k.event.Size > maxEntityBytes {
			return over(k.event.Size, maxEntityBytes)
		}
	}
	if k.event.Size <= maxEntityBytes || kind == event.KindAnonymous {
		return nil
	}
	// The older call names a person in its path, where the shape alone tells
	// the kind.
	switch name := string(id); {
	case kind == event.KindPhone, name == ".", name == "..", kind == event.KindID && strings.HasPrefix(name, "cio_"):
		return fmt.Errorf("%w for a person named so; name them by another id", over(k.event.Size, maxEntityBytes))
	}
	return nil
}
