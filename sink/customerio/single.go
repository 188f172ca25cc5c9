package customerio

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sluice/pipeline/event"
	"sluice/sink"
)

// bySingleCall decides whether a prepared event goes by v1. The fault is that
// of one which is too large for v2 and has no v1 form.
func bySingleCall(e *event.Event) (bool, *event.Fault) {
	kind, id := e.Identifier()
	switch {
	case e.Op.ByHeader():
		return true, nil
	case kind == event.KindAnonymous:
		// v2's specification knows no anonymous person; v1 has a path for them.
		return true, nil
	case e.Size <= maxEntity:
		return false, nil
	}
	switch e.Op {
	case event.OpEvent, event.OpPage, event.OpScreen, event.OpIdentify:
		return true, pathFault(kind, string(id))
	default: // v1 has no larger form of it
		return false, tooLarge("an entity", e.Size, maxEntity)
	}
}

// pathFault says why an identifier cannot stand in a path of v1, where the
// shape of the value decides what kind it is of.
func pathFault(kind event.Kind, id string) *event.Fault {
	const large = "over 32 KiB the call goes by v1, where "
	unfit := func(detail string) *event.Fault {
		return &event.Fault{Reason: event.ReasonBadIdentifiers, Detail: large + detail}
	}
	switch kind {
	case event.KindID:
		if strings.HasPrefix(id, "cio_") {
			return unfit("an id that begins with cio_ names somebody else")
		}
	case event.KindEmail:
		if !strings.Contains(id, "@") {
			return unfit("an email without an at sign would be taken for an id")
		}
	case event.KindCioID:
	case event.KindPhone:
		return unfit("a phone number has no path")
	case event.KindNone, event.KindAnonymous, event.KindObject, event.KindCioObject:
		return unfit(kind.String() + " has no path")
	}
	if !sink.FitsSegment(id) {
		return unfit("an id of dots has no path")
	}
	return nil
}

func tooLarge(what string, have, limit int) *event.Fault {
	return &event.Fault{Reason: event.ReasonTooLarge, Detail: fmt.Sprintf("%s may have %d bytes, have %d", what, limit, have)}
}

// checkSingle says why a call that goes by v1 can never succeed.
func (s *Sink) checkSingle(e *event.Event) *event.Fault {
	if e.Size > s.limits.Bytes {
		return tooLarge("a call", e.Size, s.limits.Bytes)
	}
	switch e.Op {
	case event.OpEvent, event.OpPage, event.OpScreen:
		if data := len(e.Field(event.FieldAttributes)); data > maxData {
			return tooLarge("an event's data", data, maxData)
		}
	default: // nothing more to check
	}
	if f := argument(e.Op); f != event.FieldNone && !sink.FitsSegment(string(e.Argument(f))) {
		return &event.Fault{Reason: event.ReasonBadField, Detail: f.String() + " cannot stand in a path"}
	}
	return nil
}

// argument is the field that an operation by header puts into its path,
// FieldNone for one that has none.
func argument(op event.Op) event.Field {
	switch op {
	case event.OpFormSubmit:
		return event.FieldFormID
	case event.OpSegmentAdd, event.OpSegmentRemove:
		return event.FieldSegmentID
	case event.OpUnsubscribe:
		return event.FieldDeliveryID
	default:
		return event.FieldNone
	}
}

// fill makes x the v1 call of a Solo event.
func (s *Sink) fill(x *sink.Exchange, e *event.Event) {
	x.Method = http.MethodPost
	switch e.Op {
	case event.OpIdentify:
		x.Method, x.URL = http.MethodPut, s.at("/api/v1/customers/", pathID(e))
		x.Body = appendPerson(x.Body, e)
		return
	case event.OpEvent, event.OpPage, event.OpScreen:
		if kind, _ := e.Identifier(); kind == event.KindAnonymous {
			x.URL = s.at("/api/v1/events", "")
		} else {
			x.URL = s.at("/api/v1/customers/", pathID(e), "/events")
		}
		x.Body = appendEvent(x.Body, e)
		return
	case event.OpFormSubmit:
		x.URL = s.at("/api/v1/forms/", string(e.Argument(event.FieldFormID)), "/submit")
	case event.OpSegmentAdd:
		x.URL = s.segment(e, "/add_customers")
	case event.OpSegmentRemove:
		x.URL = s.segment(e, "/remove_customers")
	case event.OpMetrics:
		x.URL = s.at("/api/v1/metrics", "")
	case event.OpPushEvent:
		x.URL = s.at("/api/v1/push/events", "")
	case event.OpInvite:
		x.URL = s.at("/api/v1/events", "")
		x.Body = appendInvite(x.Body, e)
		return
	case event.OpUnsubscribe:
		x.URL = s.at("/unsubscribe/", string(e.Argument(event.FieldDeliveryID)))
	default: // never Solo
		x.URL = s.batch
	}
	x.Body = e.AppendEntity(x.Body)
}

// at is the base with a path: what leads, one segment that is encoded here,
// and what follows.
func (s *Sink) at(lead, segment string, rest ...string) *url.URL {
	u := s.base
	tail := strings.Join(rest, "")
	u.RawPath = u.EscapedPath() + lead + string(sink.AppendSegment(nil, segment)) + tail
	u.Path += lead + segment + tail
	return &u
}

func (s *Sink) segment(e *event.Event, act string) *url.URL {
	u := s.at("/api/v1/segments/", string(e.Argument(event.FieldSegmentID)), act)
	if kind := e.Argument(event.FieldIDType); kind != nil {
		u.RawQuery = "id_type=" + string(sink.AppendSegment(nil, string(kind)))
	}
	return u
}

// pathID is a person as v1's paths name one.
func pathID(e *event.Event) string {
	kind, id := e.Identifier()
	if kind == event.KindCioID {
		return "cio_" + string(id)
	}
	return string(id)
}

// appendEvent re-encodes an entity as v1's event: attributes become data.
func appendEvent(dst []byte, e *event.Event) []byte {
	dst = append(dst, `{"name":`...)
	dst = append(dst, e.Field(event.FieldName)...)
	dst = append(dst, `,"type":"`...)
	dst = append(dst, e.Op.String()...)
	dst = append(dst, `","id":"`...)
	dst = append(dst, e.ID.String()...)
	dst = append(dst, `","timestamp":`...)
	dst = strconv.AppendInt(dst, e.Unix(), 10)
	if kind, _ := e.Identifier(); kind == event.KindAnonymous {
		// The identifiers are {"anonymous_id":…} and nothing else.
		who := bytes.TrimSpace(e.Field(event.FieldIdentifiers))
		dst = append(dst, ',')
		dst = append(dst, who[1:len(who)-1]...)
	}
	if data := e.Field(event.FieldAttributes); data != nil {
		dst = append(dst, `,"data":`...)
		dst = append(dst, data...)
	}
	return append(dst, '}')
}

// appendInvite is the body of an event that is about nobody: as it came, with
// the event's id before it unless it names one of its own.
func appendInvite(dst []byte, e *event.Event) []byte {
	body := e.Field(event.FieldBody)
	var named struct {
		ID jsontext.Value `json:"id"`
	}
	if json.Unmarshal(body, &named) == nil && len(named.ID) == 0 {
		dst = append(append(append(dst, `{"id":"`...), e.ID.String()...), `",`...)
		// It has a name at least, so that a member follows.
		body = bytes.TrimSpace(body)[1:]
	}
	return append(dst, body...)
}

// appendPerson re-encodes an identify as v1's flat attributes, with the
// timestamp and the relationships under the names that v1 has for them.
func appendPerson(dst []byte, e *event.Event) []byte {
	dst = append(dst, `{"_timestamp":`...)
	dst = strconv.AppendInt(dst, e.Unix(), 10)
	if list := e.Field(event.FieldRelationships); len(list) > 0 && list[0] == '[' {
		dst = append(dst, `,"cio_relationships":{"action":"add_relationships","relationships":`...)
		dst = append(dst, list...)
		dst = append(dst, '}')
	}
	dst = appendMembers(dst, e.Field(event.FieldAttributes))
	return append(dst, '}')
}

// appendMembers appends the members of a valid object, each led by a comma,
// apart from those whose names appendPerson has taken. It is rare enough to
// decode.
func appendMembers(dst, object []byte) []byte {
	if len(object) == 0 || object[0] != '{' {
		return dst
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.ReadToken(); err != nil {
		return dst
	}
	for decoder.PeekKind() == '"' {
		name, err := decoder.ReadValue()
		if err != nil {
			return dst
		}
		from := len(dst)
		dst = append(append(append(dst, ','), name...), ':')
		plain, _ := jsontext.AppendUnquote(nil, name)
		value, err := decoder.ReadValue()
		if err != nil {
			return dst[:from]
		}
		dst = append(dst, value...)
		if string(plain) == "_timestamp" || string(plain) == "cio_relationships" {
			dst = dst[:from]
		}
	}
	return dst
}
