package deadletters

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/pipeline/event"
)

// View is a letter as it is shown.
type View struct {
	Partition int32           `json:"partition"`
	Offset    int64           `json:"offset"`
	ID        string          `json:"id"`
	User      string          `json:"user,omitempty"`
	State     State           `json:"state"`
	Reason    string          `json:"reason"`
	Detail    string          `json:"detail,omitempty"`
	Verdict   string          `json:"verdict"`
	Status    int             `json:"status"`
	Attempts  int             `json:"attempts"`
	Workspace string          `json:"workspace"`
	Time      time.Time       `json:"time,omitzero"` // the event's own
	First     time.Time       `json:"first,omitzero"`
	Died      time.Time       `json:"died"`
	Source    string          `json:"source"`
	Bytes     int             `json:"bytes"`
	Headers   []HeaderView    `json:"headers,omitempty"`
	Masked    bool            `json:"masked"`
	Payload   json.RawMessage `json:"payload,omitempty"` // JSON; a value that is none is a string
}

// HeaderView is a header as it is shown.
type HeaderView struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// mask stands for what is not shown.
const mask = "***"

// Brief is the letter without headers and payload.
func (l Letter) Brief() View {
	return View{
		Partition: l.Partition, Offset: l.Offset, ID: l.Death.ID.String(), User: text(l.Record.Key), State: l.State,
		Reason: l.Death.Reason, Detail: l.Death.Detail, Verdict: l.Death.Verdict, Status: l.Death.Status, Attempts: l.Death.Attempts,
		Workspace: l.Death.Workspace, Time: l.Death.Time, First: l.Death.First, Died: l.DiedAt(), Source: l.Source.String(),
		Bytes: l.Bytes, Masked: true,
	}
}

// View is the whole letter. Unless payload is asked for, the payload is masked:
// its shape is shown, with the names that every payload shares and no value;
// and so is a header that by its name is a credential.
func (l Letter) View(payload bool) View {
	v := l.Brief()
	v.Masked = !payload
	for _, h := range l.Record.Headers {
		value := text(h.Value)
		if !payload && credential(h.Key) {
			value = mask
		}
		v.Headers = append(v.Headers, HeaderView{Name: text([]byte(h.Key)), Value: value})
	}
	if l.Record.Value == nil {
		return v
	}
	if payload {
		v.Payload = whole(l.Record.Value)
	} else {
		v.Payload = shape(l.Record.Value)
	}
	return v
}

// text is bytes that somebody else wrote as JSON may hold them.
func text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// credential reports whether a header's name says that its value is a secret,
// as those of an HTTP request that was carried may be.
func credential(name string) bool {
	name = strings.ToLower(name)
	if strings.HasPrefix(name, internalPrefix) {
		return false
	}
	for _, word := range []string{"auth", "cookie", "token", "secret", "key", "signature", "password", "session", "credential"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// whole is a value as JSON: itself on one line, else as a string.
func whole(value []byte) json.RawMessage {
	var line bytes.Buffer
	if !utf8.Valid(value) || json.Compact(&line, value) != nil {
		return quote(text(value))
	}
	return line.Bytes()
}

func quote(s string) json.RawMessage {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always can be
		return json.RawMessage(`""`)
	}
	return quoted
}

// shape is a value with everything masked that is of one payload alone. Names
// outside the list may be data themselves, so they are counted, not shown.
func shape(value []byte) json.RawMessage {
	var root any
	depth := json.NewDecoder(bytes.NewReader(value))
	depth.UseNumber()
	if bytes.Count(value, []byte{'{'})+bytes.Count(value, []byte{'['}) > maxShaped || !json.Valid(value) || depth.Decode(&root) != nil {
		return quote(mask)
	}
	shown, err := json.Marshal(shaped("", root))
	if err != nil {
		return quote(mask)
	}
	return shown
}

// maxShaped bounds the objects and arrays of a value whose shape is shown.
const maxShaped = 10_000

func shaped(name string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		object, hidden := map[string]any{}, 0
		for inner, value := range v {
			if !shared(inner) {
				hidden++
				continue
			}
			object[inner] = shaped(inner, value)
		}
		if hidden > 0 {
			object[mask] = hidden
		}
		return object
	case string:
		if (name == "type" || name == "action") && contract(v) {
			return v
		}
		return mask
	case nil:
		return nil
	default: // arrays too: how many there are says enough
		return mask
	}
}

// shared reports whether every payload may have a member of that name.
func shared(name string) bool {
	switch name {
	case "type", "action", "name", "event", "id", "timestamp", "identifiers", "primary", "secondary", "attributes", "data", "traits",
		"device", "cio_relationships", "body", "user", "email", "phone", "cio_id", "anonymous_id",
		"object_type_id", "object_id", "cio_object_id":
		return true
	}
	return false
}

// contract reports whether a type or action is one of the API's own words.
func contract(word string) bool {
	switch word {
	case "person", "object", "delivery", "identify", "identify_anonymous", "event", "page", "screen", "delete", "suppress",
		"unsuppress", "merge", "add_device", "delete_device", "add_relationships", "delete_relationships":
		return true
	}
	return false
}

// carries reports whether a line of NDJSON would lose what the letter's headers
// say: that it is a call by name, or came as an HTTP request.
func (l Letter) carries() bool {
	for _, h := range l.Record.Headers {
		if len(h.Value) > 0 && (h.Key == event.HeaderOp || h.Key == event.HeaderHTTPMethod || strings.HasPrefix(h.Key, event.HeaderHTTPPrefix)) {
			return true
		}
	}
	return false
}
