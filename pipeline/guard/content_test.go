package guard_test

import (
	"testing"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/guard"
)

func TestContentTwice(t *testing.T) {
	t.Parallel()
	rules := guard.Rules{Content: 5 * time.Second}
	with := func(members string) record {
		return record{key: "42", value: `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"a"` + members + `}`}
	}
	for name, tc := range map[string]struct {
		first, second record
		want          guard.Reason
	}{
		"the same":         {with(`,"attributes":{"a":1,"b":2}`), with(`,"attributes":{"b":2,"a":1}`), guard.SameContent},
		"ids apart":        {with(`,"id":"01HZZZZZZZZZZZZZZZZZZZZZZ1"`), with(`,"id":"01HZZZZZZZZZZZZZZZZZZZZZZ2"`), guard.SameContent},
		"an attribute":     {with(`,"attributes":{"a":1}`), with(`,"attributes":{"a":2}`), guard.None},
		"its own time":     {with(`,"timestamp":1700000000`), with(`,"timestamp":1700000001`), guard.None},
		"identifies":       {identify(`{}`), identify(`{}`), guard.None},
		"nobody's":         {record{value: track("a").value}, record{value: track("a").value}, guard.None},
		"another user's":   {track("a"), record{key: "7", value: track("a").value}, guard.None},
		"page and event":   {track("a"), page(), guard.None},
		"of the same page": {page(), page(), guard.SameContent},
	} {
		s := newScript(t, rules)
		s.want(name+", the first", guard.None, s.send(s.entity(tc.first)))
		s.want(name, tc.want, s.send(s.entity(tc.second)))
	}
	s := newScript(t, rules)
	s.send(s.entity(track("a")))
	s.now = s.now.Add(5 * time.Second)
	s.want("once it is over", guard.None, s.send(s.entity(track("a"))))
	s.send(s.entity(person("delete")))
	s.want("after a delete", guard.None, s.send(s.entity(track("a"))))
}

// TestContentOfRequests: what a webhook sends is the value, and the request that
// it came as.
func TestContentOfRequests(t *testing.T) {
	t.Parallel()
	request := func(s *script, value, header string) *event.Event {
		e := new(event.Event)
		headers, err := event.Carry("POST", []event.Header{{Key: "X-Kind", Value: []byte(header)}})
		if err != nil {
			t.Fatal(err)
		}
		s.offset++
		e.Load(event.Record{Topic: "t", Offset: s.offset, Key: []byte("42"), Value: []byte(value), Headers: headers, Time: born()}, "cluster")
		e.PrepareBytes()
		return e
	}
	for name, tc := range map[string]struct {
		value, header string
		want          guard.Reason
	}{
		"the same":       {"any bytes", "a", guard.SameContent},
		"another body":   {"any  bytes", "a", guard.None},
		"another header": {"any bytes", "b", guard.None},
	} {
		s := newScript(t, guard.Rules{Content: time.Minute})
		s.send(request(s, "any bytes", "a"))
		s.want(name, tc.want, s.send(request(s, tc.value, tc.header)))
	}
}
