package rules

import (
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"

	"sluice/pipeline/event"
)

// from is where in an event a field is read, the cheapest first.
type from uint8

const (
	fromStream from = iota
	fromOp
	fromUser
	fromEvent
	fromHeader
	fromPath
)

// field is a key made ready. Equal keys of a Set share one.
type field struct {
	from    from
	header  string
	carried string      // the header of a record that came as an HTTP request with that header
	path    string      // escaped for gjson
	root    event.Field // what its first name is at the root of an entity
	rest    string      // the path below its first name
	short   bool        // its first name is data or traits: what an entity calls attributes
	slot    int         // where a lookup remembers it
}

// fields are the keys of a Set.
type fields struct {
	byKey map[string]*field
	paths int
}

// ourHeaders leads the headers that events keep to themselves.
const ourHeaders = "sluice-"

// compile makes a key ready, or notes what is wrong with it.
func (x *fields) compile(c *checker, name, key string) *field {
	if f, ok := x.byKey[key]; ok {
		return f
	}
	f := x.read(c, name, key)
	if f == nil {
		return nil
	}
	if x.byKey == nil {
		x.byKey = map[string]*field{}
	}
	x.byKey[key] = f
	return f
}

func (x *fields) read(c *checker, name, key string) *field {
	plain := map[string]from{"stream": fromStream, "op": fromOp, "user": fromUser, "event": fromEvent}
	if where, ok := plain[key]; ok {
		return &field{from: where}
	}
	if header, ok := strings.CutPrefix(key, "header."); ok {
		if header == "" {
			c.fault(name, "%q names no header: write its name after the dot", key)
			return nil
		}
		if strings.HasPrefix(header, ourHeaders) {
			c.fault(name, "%q is a header of our own, which no event has to show: match another", key)
			return nil
		}
		return &field{from: fromHeader, header: header, carried: event.HeaderHTTPPrefix + strings.ToLower(header)}
	}
	parts := strings.Split(key, ".")
	for i, part := range parts {
		if part == "" || strings.ContainsFunc(part, func(r rune) bool { return r < ' ' }) {
			c.fault(name, "%q is no path: write names and indexes joined by dots, such as data.items.0.sku", key)
			return nil
		}
		parts[i] = gjson.Escape(part)
	}
	f := &field{from: fromPath, path: strings.Join(parts, "."), rest: strings.Join(parts[1:], "."), slot: x.paths}
	x.paths++
	first, _, _ := strings.Cut(key, ".")
	f.short = first == "data" || first == "traits"
	for known := event.FieldType; known.String() != ""; known++ {
		if known.String() == first {
			f.root = known
		}
	}
	return f
}

// kind is what stands at a field.
type kind uint8

const (
	unread  kind = iota
	nothing      // or null
	plain        // a string, a number, true or false: something with a text
	nested       // an object or an array
)

// value is what an event has at a field. Its text may be a part of the event's
// own bytes, and is valid as long as they are.
type value struct {
	text string
	kind kind
}

// remembered is how many paths a lookup reads at most once.
const remembered = 16

// lookup reads one event's fields and remembers them while it is judged.
type lookup struct {
	place Place
	named value
	paths [remembered]value
}

// at is what an event has at a field.
func (l *lookup) at(f *field, e *event.Event) value {
	switch f.from {
	case fromStream:
		return value{l.place.Stream, plain}
	case fromOp:
		return value{e.Op.String(), plain}
	case fromUser:
		return textOf(e.Key)
	case fromEvent:
		return l.name(e)
	case fromHeader:
		if own := textOf(e.Header(f.header)); own.kind != nothing {
			return own
		}
		return textOf(e.Header(f.carried))
	case fromPath:
	}
	if f.slot >= remembered {
		return f.read(e)
	}
	if l.paths[f.slot].kind == unread {
		l.paths[f.slot] = f.read(e)
	}
	return l.paths[f.slot]
}

// name is an event's name: what its entity says; of other JSON the text at
// name, as Customer.io has it, or else at event, as most others do.
func (l *lookup) name(e *event.Event) value {
	if l.named.kind == unread {
		l.named = nameOf(e)
	}
	return l.named
}

func nameOf(e *event.Event) value {
	switch e.Op {
	case event.OpEvent, event.OpPage, event.OpScreen:
		return rawOf(e.Field(event.FieldName))
	case event.OpSend:
		for _, member := range [...]string{"name", "event"} {
			if found := get(e.Value, member); found.Type == gjson.String {
				return valueOf(found)
			}
		}
	default:
	}
	return value{kind: nothing}
}

// read reads a path in an event's JSON.
func (f *field) read(e *event.Event) value {
	if e.Op == event.OpSend || e.Op == event.OpNone {
		return valueOf(get(e.Value, f.path))
	}
	if f.root != event.FieldNone {
		if v := below(e.Field(f.root), f.rest); v.kind != nothing {
			return v
		}
	} else if v := valueOf(get(e.Value, f.path)); v.kind != nothing {
		return v
	}
	attributes := e.Field(event.FieldAttributes)
	v := valueOf(get(attributes, f.path))
	if v.kind == nothing && f.short {
		v = below(attributes, f.rest)
	}
	return v
}

// below reads a path in JSON that stands at a field, itself when it is empty.
func below(raw []byte, path string) value {
	if path == "" {
		return rawOf(raw)
	}
	return valueOf(get(raw, path))
}

// get reads a path in JSON. It takes any bytes: gjson promises not to panic,
// and what it finds in something that is no JSON only chooses a class.
func get(json []byte, path string) gjson.Result {
	start := 0
	for start < len(json) && json[start] <= ' ' {
		start++
	}
	// It would look for the first brace anywhere.
	if start == len(json) || (json[start] != '{' && json[start] != '[') {
		return gjson.Result{}
	}
	return gjson.Get(view(json[start:]), path)
}

// rawOf is what a JSON value says.
func rawOf(raw []byte) value {
	if n := len(raw); n >= 2 && raw[0] == '"' && strings.IndexByte(view(raw), '\\') < 0 {
		return value{view(raw[1 : n-1]), plain}
	}
	return valueOf(gjson.Parse(view(raw)))
}

func valueOf(r gjson.Result) value {
	switch r.Type {
	case gjson.String:
		return value{r.Str, plain}
	case gjson.Number, gjson.True, gjson.False:
		return value{r.Raw, plain}
	case gjson.JSON:
		return value{kind: nested}
	case gjson.Null:
	}
	return value{kind: nothing}
}

func textOf(b []byte) value {
	if b == nil {
		return value{kind: nothing}
	}
	return value{view(b), plain}
}

// view is b as a text, without a copy: of an event's bytes, which do not change
// while it is judged.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) // #nosec G103 -- see above
}
