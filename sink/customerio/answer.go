package customerio

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sluice/sink"
)

const maxReason = 200

// report is the body of an answer, v1's and v2's alike. What is not of the
// expected kind in it is passed over rather than making the rest unreadable.
type report struct {
	Errors jsontext.Value `json:"errors"`
	Meta   jsontext.Value `json:"meta"`
}

// complaint is one entry of errors.
type complaint struct {
	BatchIndex jsontext.Value `json:"batch_index"`
	Reason     jsontext.Value `json:"reason"`
	Field      jsontext.Value `json:"field"`
	Message    jsontext.Value `json:"message"`
	Detail     jsontext.Value `json:"detail"`
}

// result reads the answer to an attempt for that many events.
//
// A 2xx says what became of each event, by errors[] with batch_index: the
// named ones are rejected, the others delivered. Entries without an index are
// ignored beside ones that have it; alone they mean that something is wrong
// with one event, and the batch is split to find it. An answer that cannot be
// read, or that names events which were not sent, says nothing about any: the
// outcome is unknown and all are sent again with the same ids.
func (s *Sink) result(answer sink.Answer, events int) sink.Result {
	r := answer.Result()
	switch r.Verdict {
	case sink.Delivered:
		return s.accepted(r, answer, events)
	case sink.Rejected:
		r.Split = events > 1
	case sink.Refused:
		if r.Status/100 == 3 {
			r.Reason += ", as for an account of the other region"
		}
	case sink.Throttled, sink.Unavailable, sink.Interrupted:
	}
	if answer.Err == nil && !answer.Truncated {
		if text := s.whole(answer.Body); text != "" {
			r.Reason += ": " + text
		}
	}
	return r
}

func (s *Sink) accepted(r sink.Result, answer sink.Answer, events int) sink.Result {
	unknown := func(why string) sink.Result {
		r.Verdict, r.Items, r.Split = sink.Unavailable, nil, false
		r.Reason = fmt.Sprintf("unknown outcome: HTTP %d whose body %s", r.Status, why)
		return r
	}
	if answer.Truncated {
		return unknown("is too long")
	}
	body := bytes.TrimSpace(answer.Body)
	// The usual answer needs no decoder, and neither does an empty one, except
	// that a 207 without its list leaves out what it was sent for.
	if string(body) == "{}" || (len(body) == 0 && r.Status != http.StatusMultiStatus) {
		return r
	}
	complaints, ok := readComplaints(body, r.Status == http.StatusMultiStatus)
	if !ok {
		return unknown("cannot be read")
	}
	named := make(map[int]bool, len(complaints))
	for _, c := range complaints {
		if c.BatchIndex == nil || string(c.BatchIndex) == "null" {
			continue
		}
		index, ok := indexOf(c.BatchIndex)
		if !ok || index >= events {
			return unknown("names an event that was not sent")
		}
		if !named[index] {
			named[index] = true
			r.Items = append(r.Items, sink.Item{Index: index, Verdict: sink.Rejected, Reason: s.text(c)})
		}
	}
	if len(complaints) > 0 && len(r.Items) == 0 {
		r.Verdict, r.Split = sink.Rejected, events > 1
		r.Reason = fmt.Sprintf("HTTP %d with errors: %s", r.Status, s.text(complaints[0]))
	}
	return r
}

// readComplaints returns the entries of errors[]. Strict demands an object.
func readComplaints(body []byte, strict bool) ([]complaint, bool) {
	if !jsontext.Value(body).IsValid(lenient()) {
		return nil, false
	}
	if body[0] != '{' {
		return nil, !strict
	}
	var whole report
	if json.Unmarshal(body, &whole, lenient()) != nil {
		return nil, false
	}
	switch {
	case whole.Errors == nil || string(whole.Errors) == "null":
		return nil, true
	case whole.Errors[0] != '[':
		return nil, false
	}
	var entries []jsontext.Value
	if json.Unmarshal(whole.Errors, &entries, lenient()) != nil {
		return nil, false
	}
	complaints := make([]complaint, len(entries))
	for i, entry := range entries {
		if entry[0] != '{' {
			complaints[i].Message = entry
		} else if json.Unmarshal(entry, &complaints[i], lenient()) != nil {
			return nil, false
		}
	}
	return complaints, true
}

// lenient takes what a server may write although we never would.
func lenient() jsontext.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// indexOf reads a whole number that is not negative.
func indexOf(raw jsontext.Value) (int, bool) {
	index := 0
	for _, c := range raw {
		if c < '0' || c > '9' || index > mostItems {
			return 0, false
		}
		index = index*10 + int(c-'0')
	}
	return index, true
}

// whole is the reason that an answer gives for the request: the first of
// errors[], or v1's meta.errors or meta.error; "" when it gives none.
func (s *Sink) whole(body []byte) string {
	if complaints, ok := readComplaints(bytes.TrimSpace(body), true); ok && len(complaints) > 0 {
		return s.text(complaints[0])
	}
	var outer report
	var meta struct {
		Error  jsontext.Value `json:"error"`
		Errors jsontext.Value `json:"errors"`
	}
	if json.Unmarshal(body, &outer, lenient()) != nil || len(outer.Meta) == 0 ||
		json.Unmarshal(outer.Meta, &meta, lenient()) != nil {
		return ""
	}
	var several []jsontext.Value
	if len(meta.Errors) > 0 && json.Unmarshal(meta.Errors, &several, lenient()) == nil && len(several) > 0 {
		return s.clean(plain(several[0]))
	}
	return s.clean(plain(meta.Error))
}

// text puts an entry into words: reason, field and message, as far as given.
func (s *Sink) text(c complaint) string {
	var parts []string
	for _, raw := range []jsontext.Value{c.Reason, c.Field, c.Message, c.Detail} {
		if part := plain(raw); part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "no reason given"
	}
	return s.clean(strings.Join(parts, ": "))
}

// plain is the text of a JSON string, "" for any other value.
func plain(raw jsontext.Value) string {
	if len(raw) == 0 || raw[0] != '"' {
		return ""
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return ""
	}
	return string(text)
}

// clean makes a server's words fit for a log line and a header: no secret that
// it may have echoed, nothing unprintable, bounded.
func (s *Sink) clean(text string) string {
	text = s.secrets.Replace(strings.ToValidUTF8(text, "?"))
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if len(text) <= maxReason {
		return text
	}
	end := maxReason
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
