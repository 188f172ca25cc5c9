package producer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Mapping says what the columns of a CSV file mean.
type Mapping struct {
	// Columns maps a target to a column's name. The targets user, event,
	// timestamp and id are parts of the event; so are email and anonymous_id
	// when no user is mapped. Any other target is the name that the column
	// gets in the event's data, or in the traits when there is no event.
	// An event target that names no column is the name of every event.
	Columns map[string]string
	// Event is the name of every event, for a file without a column of names.
	// Without it and without an event target each row is an identify.
	Event string
}

// ParseMapping reads "target=column,…" as flags carry it. Spaces around names
// do not count; an empty text is an empty mapping.
func ParseMapping(text string) (Mapping, error) {
	m := Mapping{Columns: map[string]string{}}
	if strings.TrimSpace(text) == "" {
		return m, nil
	}
	var faults []error
	for part := range strings.SplitSeq(text, ",") {
		target, column, found := strings.Cut(part, "=")
		target, column = strings.TrimSpace(target), strings.TrimSpace(column)
		_, twice := m.Columns[target]
		switch {
		case !found || target == "" || column == "":
			faults = append(faults, fmt.Errorf("map: %q must be target=column", part))
		case twice:
			faults = append(faults, fmt.Errorf("map: %s is mapped twice", target))
		default:
			m.Columns[target] = column
		}
	}
	return m, errors.Join(faults...)
}

// layout is a mapping applied to a file's header: a column index for each part
// of an event, -1 for a part that the file does not have.
type layout struct {
	person, event, timestamp, id int
	personAs                     string   // user, email or anonymous_id
	constant                     string   // the name of every event, when event is -1
	fields                       []string // name in data or traits; "" for a part of the event
}

// apply finds the mapping's columns in a header. All faults are joined.
func (m Mapping) apply(header []string) (layout, error) {
	l := layout{person: -1, event: -1, timestamp: -1, id: -1, constant: m.Event, fields: slices.Clone(header)}
	var faults []error
	for i, name := range header {
		if name == "" {
			faults = append(faults, fmt.Errorf("column %d has no name in the header", i+1))
		}
		if slices.Index(header, name) < i {
			faults = append(faults, fmt.Errorf("column %q stands twice in the header", name))
		}
	}
	l.personAs = m.person()
	taken := map[string]string{}
	for target, column := range m.Columns {
		i := slices.Index(header, column)
		switch {
		case i < 0 && target == "event" && m.Event == "":
			l.constant = column
		case i < 0:
			faults = append(faults, fmt.Errorf("map: %s=%s: no such column; the file has %s", target, column, strings.Join(header, ", ")))
		case taken[column] != "":
			faults = append(faults, fmt.Errorf("map: column %q is mapped to %s and to %s", column, taken[column], target))
		default:
			taken[column] = target
			l.place(target, i)
		}
	}
	if l.personAs == "" {
		faults = append(faults, fmt.Errorf("map: nothing names the user; add user=COLUMN, one of %s", strings.Join(header, ", ")))
	}
	if l.event >= 0 && m.Event != "" {
		faults = append(faults, fmt.Errorf("map: event=%s and the constant event %q exclude each other", m.Columns["event"], m.Event))
	}
	return l, errors.Join(append(faults, l.distinct())...)
}

// person returns the target that names the person, "" when none does.
func (m Mapping) person() string {
	for _, target := range []string{"user", "email", "anonymous_id"} {
		if m.Columns[target] != "" {
			return target
		}
	}
	return ""
}

func (l *layout) place(target string, column int) {
	name := ""
	switch target {
	case l.personAs:
		l.person = column
	case "event":
		l.event = column
	case "timestamp":
		l.timestamp = column
	case "id":
		l.id = column
	default:
		name = target
	}
	l.fields[column] = name
}

// distinct refuses two columns under one name, which no JSON object can hold.
func (l *layout) distinct() error {
	for i, name := range l.fields {
		if name != "" && slices.Index(l.fields, name) < i {
			return fmt.Errorf("map: two columns would be called %q in the data", name)
		}
	}
	return nil
}
