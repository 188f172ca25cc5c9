package producer

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"sluice/pipeline/event"
)

// Item is one event in record form.
type Item struct {
	Record event.Record // without a topic; the key decides the partition
	N      int          // as Line.N
	Seq    int          // the event's place among its user's, from 1; 0 when not asked for
	ID     string       // the event's own id, "" when it has none or a number
	HasID  bool         // the event has an id of its own that tells it from others
}

// Converter turns lines into records. It is used by one goroutine, and the
// lines are given in their order.
type Converter struct {
	form Form
	next map[string]int // per key, the last sequence number; nil without
	root object

	headers []event.Header // of the line under way
}

// NewConverter returns a converter to a form. With seq, every event carries
// _seq (1, 2, … among its user's) and _n (Line.N) in its attributes, in the
// data or traits of an object, else in the object itself. A line that fails
// takes no number. A number for each user is kept.
func NewConverter(form Form, seq bool) *Converter {
	c := &Converter{form: form}
	if seq {
		c.next = map[string]int{}
	}
	return c
}

// Convert returns the record of a line. An object that needs no change is the
// record's value as it is, so line.Object must stay untouched from now on. An
// error says what is wrong with the line and never quotes a value.
func (c *Converter) Convert(line Line) (Item, error) {
	if err := c.root.scan(bytes.TrimSpace(line.Object)); err != nil {
		return Item{}, err
	}
	c.headers = nil
	value, attributes, err := c.shape()
	if err != nil {
		return Item{}, err
	}
	key, err := c.key(value)
	if err != nil {
		return Item{}, err
	}
	item := Item{N: line.N}
	item.ID, item.HasID = c.id()
	if c.next != nil {
		item.Seq = c.next[string(key)] + 1
		if value, err = c.stamp(value, attributes, item); err != nil {
			return Item{}, err
		}
		c.next[string(key)] = item.Seq
	}
	item.Record = event.Record{Partition: byKey, Key: key, Value: value, Headers: c.headers}
	return item, nil
}

// shape returns the event as its destination takes it, and where its
// attributes stand, if it has any.
func (c *Converter) shape() (value []byte, attributes *member, err error) {
	if c.form == Entity && !isEntity(&c.root) {
		s, err := readShort(&c.root)
		if err != nil {
			return nil, nil, err
		}
		if c.headers, err = s.headers(); err != nil {
			return nil, nil, err
		}
		return s.entity()
	}
	holders := []string{"attributes"}
	if c.form == Object {
		holders = []string{"attributes", "data", "traits"}
	}
	for _, holder := range holders {
		if attributes = c.root.find(holder); attributes != nil {
			break
		}
	}
	return c.root.text, attributes, nil
}

// key is the user that an event is kept in order for. An object may name it
// plainly; an entity does it in ways that only package event decides.
func (c *Converter) key(value []byte) ([]byte, error) {
	if c.form == Object {
		for _, name := range []string{"user", "email", "anonymous_id"} {
			who := c.root.value(c.root.find(name))
			if who == nil {
				continue
			}
			id, err := identifier(name, who)
			if err != nil {
				return nil, err
			}
			plain, err := text(id)
			switch name {
			case "email":
				return event.KeyOfEmail(plain), err
			case "anonymous_id":
				return event.KeyOfAnonymous(plain), err
			default:
				return event.KeyOfID(plain), err
			}
		}
		if !isEntity(&c.root) {
			return nil, errNobody
		}
	}
	key, err := event.EntityKey(value)
	if err != nil {
		return nil, fmt.Errorf("find the user: %w", err)
	}
	return key, nil
}

// id is the event's own id, and whether it has one. The id of an object is that
// of some thing in the user's world, and left alone.
func (c *Converter) id() (string, bool) {
	if c.form == Object {
		return "", false
	}
	raw := c.root.value(c.root.find("id"))
	id, _ := text(raw)
	return id, id != "" || raw.Kind() == '0'
}

// stamp returns value with the event's numbers in its attributes.
func (c *Converter) stamp(value []byte, attributes *member, item Item) ([]byte, error) {
	stamped := make([]byte, 0, len(value)+80)
	numbers := append(make([]byte, 0, 64), `"_seq":`...)
	numbers = strconv.AppendInt(numbers, int64(item.Seq), 10)
	numbers = strconv.AppendInt(append(numbers, `,"_n":`...), int64(item.N), 10)
	root := member{end: len(value)}
	switch {
	case attributes == nil && c.form == Entity:
		numbers = append(append([]byte(`"attributes":{`), numbers...), '}')
		return splice(stamped, value, root, numbers), nil
	case attributes == nil:
		attributes = &root
	}
	holder := jsontext.Value(value[attributes.start:attributes.end])
	switch holder.Kind() {
	case '{':
		if has(holder, "_seq") || has(holder, "_n") {
			return nil, errStamped
		}
	case 'n':
	default:
		return nil, errors.New("its attributes must be an object to take _seq and _n")
	}
	return splice(stamped, value, *attributes, numbers), nil
}
