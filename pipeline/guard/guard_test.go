package guard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/guard"
)

// script plays one workspace's events to a guard, one attempt after the other.
type script struct {
	t      *testing.T
	guard  *guard.Guard
	now    time.Time
	offset int64
}

func newScript(t *testing.T, r guard.Rules) *script {
	t.Helper()
	s := &script{t: t, guard: guard.New(r), now: time.Now()}
	s.guard.Reassigned(true)
	return s
}

// record is an event as it was produced: its time is the script's beginning and
// at more.
type record struct {
	key, value, id string
	at             time.Duration
	topic          string
}

// born is the time of the records.
func born() time.Time { return time.Unix(1_700_000_000, 0) }

// entity makes an event of a Customer.io workspace.
func (s *script) entity(r record) *event.Event {
	s.t.Helper()
	e := s.load(r)
	if e.PrepareEntity(); e.Fault != nil {
		s.t.Fatalf("%s: %v", r.value, e.Fault)
	}
	return e
}

func (s *script) load(r record) *event.Event {
	s.offset++
	from := event.Record{Topic: "t", Offset: s.offset, Key: []byte(r.key), Value: []byte(r.value), Time: born().Add(r.at)}
	if r.topic != "" {
		from.Topic = r.topic
	}
	if r.key == "" {
		from.Key = nil
	}
	if r.id != "" {
		from.Headers = []event.Header{{Key: event.HeaderID, Value: []byte(r.id)}}
	}
	e := new(event.Event)
	e.Load(from, "cluster")
	return e
}

// take plays an attempt that holds these events, and returns why each was
// dropped.
func (s *script) take(events ...*event.Event) []guard.Reason {
	s.now = s.now.Add(time.Millisecond)
	why := make([]guard.Reason, len(events))
	s.guard.Screen(events, s.now, nil, func(i int, r guard.Reason) { why[i] = r })
	return why
}

func (s *script) delivered(events ...*event.Event) {
	s.now = s.now.Add(time.Millisecond)
	s.guard.Delivered(events, s.now)
}

// send plays an attempt that holds one event and succeeds, unless it is dropped.
func (s *script) send(e *event.Event) guard.Reason {
	why := s.take(e)[0]
	if why == guard.None {
		s.delivered(e)
	}
	return why
}

func (s *script) want(what string, want, have guard.Reason) {
	s.t.Helper()
	if want != have {
		s.t.Errorf("%s: want %v, have %v", what, want, have)
	}
}

func identify(attributes string) record {
	return record{key: "42", value: `{"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":` + attributes + `}`}
}

func track(name string) record {
	return record{key: "42", value: `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"` + name + `"}`}
}

func page() record {
	return record{key: "42", value: strings.Replace(track("a").value, `"event"`, `"page"`, 1)}
}

func person(action string) record {
	return record{key: "42", value: `{"type":"person","action":"` + action + `","identifiers":{"id":"42"}}`}
}

// TestIdentifyTwice: of two identifies one after the other, which second is one
// that need not be sent.
func TestIdentifyTwice(t *testing.T) {
	t.Parallel()
	const same = guard.SameIdentify
	entity := func(members string) record {
		return record{key: "42", value: `{"type":"person","action":"identify",` + members + `}`}
	}
	later := func(r record, at time.Duration) record { r.at = at; return r }
	keyed := func(r record, key string) record { r.key = key; return r }
	for name, tc := range map[string]struct {
		first, second record
		want          guard.Reason
	}{
		"the same":            {identify(`{"a":1,"b":"x"}`), identify(`{"a":1,"b":"x"}`), same},
		"in another order":    {identify(`{"a":1,"b":"x"}`), identify(` { "b":"x", "a":1 }`), same},
		"by email":            {entity(`"identifiers":{"email":"a@b.c"}`), entity(`"identifiers":{"email":"a@b.c"}`), same},
		"no attributes":       {entity(`"identifiers":{"id":"1"}`), entity(`"identifiers":{"id":"1"}`), same},
		"another value":       {identify(`{"a":1}`), identify(`{"a":2}`), guard.None},
		"one attribute less":  {identify(`{"a":1,"b":2}`), identify(`{"a":1}`), guard.None},
		"another person":      {entity(`"identifiers":{"id":"1"}`), entity(`"identifiers":{"id":"2"}`), guard.None},
		"another key":         {identify(`{"a":1}`), keyed(identify(`{"a":1}`), "43"), guard.None},
		"nobody":              {keyed(identify(`{"a":1}`), ""), keyed(identify(`{"a":1}`), ""), guard.None},
		"in the same second":  {identify(`{"a":1}`), later(identify(`{"a":1}`), 900*time.Millisecond), same},
		"a second later":      {identify(`{"a":1}`), later(identify(`{"a":1}`), time.Second), guard.None},
		"a record from early": {later(identify(`{"a":1}`), time.Minute), identify(`{"a":1}`), same},
		"timestamp the same":  {entity(`"identifiers":{"id":"1"},"timestamp":1700000000`), later(entity(`"identifiers":{"id":"1"},"timestamp":1700000000`), time.Hour), same},
		"timestamp later":     {entity(`"identifiers":{"id":"1"},"timestamp":1700000000`), entity(`"identifiers":{"id":"1"},"timestamp":1700000001`), guard.None},
		"timestamp earlier":   {entity(`"identifiers":{"id":"1"},"timestamp":1700000000`), entity(`"identifiers":{"id":"1"},"timestamp":1600000000`), same},
		"timestamp is time":   {identify(`{"a":1}`), record{key: "42", value: `{"type":"person","action":"identify","timestamp":1700000000,"attributes":{"a":1},"identifiers":{"id":"42"}}`}, same},
		"_update":             {identify(`{"a":1,"_update":true}`), identify(`{"a":1,"_update":true}`), guard.None},
		"_update, escaped":    {identify(`{"a":1,"\u005fupdate":true}`), identify(`{"a":1,"\u005fupdate":true}`), guard.None},
		"_update at the root": {entity(`"_update":true,"identifiers":{"id":"1"}`), entity(`"_update":true,"identifiers":{"id":"1"}`), guard.None},
		"_update, nested":     {identify(`{"a":{"_update":true}}`), identify(`{"a":{"_update":true}}`), same},
		"relationships":       {entity(`"identifiers":{"id":"1"},"cio_relationships":[]`), entity(`"identifiers":{"id":"1"},"cio_relationships":[]`), guard.None},
		"as an attribute":     {identify(`{"cio_relationships":[]}`), identify(`{"cio_relationships":[]}`), guard.None},
		"preferences":         {identify(`{"cio_subscription_preferences":{}}`), identify(`{"cio_subscription_preferences":{}}`), guard.None},
		"anonymous_id":        {identify(`{"anonymous_id":"x"}`), identify(`{"anonymous_id":"x"}`), guard.None},
		"by cio_id":           {entity(`"identifiers":{"cio_id":"1"}`), entity(`"identifiers":{"cio_id":"1"}`), guard.None},
		"something unknown":   {entity(`"identifiers":{"id":"1"},"x":1`), entity(`"identifiers":{"id":"1"},"x":1`), guard.None},
		"not an identify":     {track("a"), track("a"), guard.None},
	} {
		s := newScript(t, guard.DefaultRules())
		s.want(name+", the first", guard.None, s.send(s.entity(tc.first)))
		s.want(name, tc.want, s.send(s.entity(tc.second)))
	}
}

// TestIdentifyBetween: what comes between two identifies that say the same.
func TestIdentifyBetween(t *testing.T) {
	t.Parallel()
	plain := func() record { return identify(`{"plan":"pro"}`) }
	for name, tc := range map[string]struct {
		between func(*script)
		want    guard.Reason
	}{
		"nothing":       {func(*script) {}, guard.SameIdentify},
		"its like":      {func(s *script) { s.send(s.entity(plain())) }, guard.SameIdentify},
		"another user":  {func(s *script) { r := identify(`{"plan":"free"}`); r.key = "7"; s.send(s.entity(r)) }, guard.SameIdentify},
		"a minute":      {func(s *script) { s.now = s.now.Add(time.Minute) }, guard.None},
		"half a minute": {func(s *script) { s.now = s.now.Add(30 * time.Second) }, guard.SameIdentify},
		"another":       {func(s *script) { s.send(s.entity(identify(`{"plan":"free"}`))) }, guard.None},
		"an event":      {func(s *script) { s.send(s.entity(track("x"))) }, guard.None},
		"a try":         {func(s *script) { s.take(s.entity(track("x"))) }, guard.None}, // it may have taken effect
		"a delete":      {func(s *script) { s.send(s.entity(person("delete"))) }, guard.None},
		"a suppress":    {func(s *script) { s.send(s.entity(person("suppress"))) }, guard.None},
		"shards moved":  {func(s *script) { s.guard.Reassigned(true) }, guard.None},
		"half is away":  {func(s *script) { s.guard.Reassigned(false); s.send(s.entity(plain())) }, guard.None},
		"another sink":  {func(s *script) { s.guard.Forget() }, guard.None},
		"off and on": {func(s *script) {
			s.guard.Set(guard.Rules{EventID: time.Minute})
			s.send(s.entity(track("x")))
			s.guard.Set(guard.DefaultRules())
		}, guard.None},
		"the same rules": {func(s *script) { s.guard.Set(guard.DefaultRules()) }, guard.SameIdentify},
		"a merge of two others": {func(s *script) {
			s.send(s.entity(record{key: "7", value: `{"type":"person","action":"merge","primary":{"id":"7"},"secondary":{"id":"8"}}`}))
		}, guard.SameIdentify},
		"a merge into another": {func(s *script) {
			s.send(s.entity(record{key: "7", value: `{"type":"person","action":"merge","primary":{"id":"7"},"secondary":{"id":"42"}}`}))
		}, guard.None},
		"a merge that is hard to read": {func(s *script) {
			s.send(s.entity(record{key: "7", value: `{"type":"person","action":"merge","primary":{"id":"7"},"secondary":{"id":"\u0034\u0032"}}`}))
		}, guard.None},
	} {
		s := newScript(t, guard.DefaultRules())
		s.send(s.entity(plain()))
		tc.between(s)
		s.want(name, tc.want, s.send(s.entity(plain())))
	}
}

// TestOnlyWhatWasDelivered: an event never goes because of one that is in
// flight, has failed or was set aside.
func TestOnlyWhatWasDelivered(t *testing.T) {
	t.Parallel()
	rules := guard.Rules{Identify: time.Minute, EventID: time.Minute, Content: time.Minute}
	withID := func(r record) record { r.id = "x"; return r }
	for name, tc := range map[string]struct {
		repeated record
		want     guard.Reason
	}{
		"identify": {identify(`{"a":1}`), guard.SameIdentify},
		"event id": {withID(track("a")), guard.SameEventID},
		"content":  {track("a"), guard.SameContent},
	} {
		s := newScript(t, rules)
		first, second := s.entity(tc.repeated), s.entity(tc.repeated)
		s.want(name+" in one attempt", guard.None, s.take(first, second)[1])
		s.want(name+" in the next one", guard.None, s.take(s.entity(tc.repeated))[0])

		s = newScript(t, rules)
		first, second = s.entity(tc.repeated), s.entity(tc.repeated)
		s.take(first)
		s.want(name+" of one that failed", guard.None, s.take(first)[0])
		s.delivered(first)
		s.want(name+" of one that failed once", tc.want, s.take(second)[0])

		s = newScript(t, rules)
		first, second = s.entity(tc.repeated), s.entity(tc.repeated)
		s.take(first)
		s.guard.Reassigned(true)
		s.delivered(first)
		s.want(name+" of one whose shard had gone", guard.None, s.take(second)[0])
	}
}

// TestLateAnswer: two streams feed one workspace, so a user has a lane in each.
// The answer to the identify comes after another one was sent: which of them the
// destination applied last is not known.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	s := newScript(t, guard.DefaultRules())
	first, other := s.entity(identify(`{"plan":"pro"}`)), s.entity(identify(`{"plan":"free"}`))
	s.take(first)
	s.take(other)
	s.delivered(other)
	s.delivered(first)
	s.want("the first again", guard.None, s.take(s.entity(identify(`{"plan":"pro"}`)))[0])
}

func TestEventIDTwice(t *testing.T) {
	t.Parallel()
	of := func(r record, id string) record { r.id = id; return r }
	by := func(r record, key string) record { r.key = key; return r }
	for name, tc := range map[string]struct {
		first   record
		between func(*script)
		second  record
		want    guard.Reason
	}{
		"the same":          {of(track("a"), "x"), nil, of(track("a"), "x"), guard.SameEventID},
		"others between":    {of(track("a"), "x"), func(s *script) { s.send(s.entity(track("b"))) }, of(track("a"), "x"), guard.SameEventID},
		"another id":        {of(track("a"), "x"), nil, of(track("a"), "y"), guard.None},
		"no id":             {track("a"), nil, track("a"), guard.None},
		"another user":      {of(track("a"), "01HZZZZZZZZZZZZZZZZZZZZZZZ"), nil, by(of(track("a"), "01HZZZZZZZZZZZZZZZZZZZZZZZ"), "7"), guard.None},
		"another operation": {of(identify(`{}`), "x"), nil, of(track("a"), "x"), guard.None},
		"a delete twice":    {of(person("delete"), "x"), func(s *script) { s.send(s.entity(identify(`{}`))) }, of(person("delete"), "x"), guard.SameEventID},
		"after a delete":    {of(track("a"), "x"), func(s *script) { s.send(s.entity(person("delete"))) }, of(track("a"), "x"), guard.None},
		"a delete tried":    {of(track("a"), "x"), func(s *script) { s.take(s.entity(person("delete"))) }, of(track("a"), "x"), guard.None},
		"another's delete":  {of(track("a"), "x"), func(s *script) { s.send(s.entity(by(person("delete"), "7"))) }, of(track("a"), "x"), guard.SameEventID},
		"in four minutes":   {of(track("a"), "x"), func(s *script) { s.now = s.now.Add(4 * time.Minute) }, of(track("a"), "x"), guard.SameEventID},
		"in five minutes":   {of(track("a"), "x"), func(s *script) { s.now = s.now.Add(5 * time.Minute) }, of(track("a"), "x"), guard.None},
		"nobody's":          {by(of(track("a"), "x"), ""), nil, by(of(track("a"), "x"), ""), guard.SameEventID},
	} {
		s := newScript(t, guard.DefaultRules())
		s.want(name+", the first", guard.None, s.send(s.entity(tc.first)))
		if tc.between != nil {
			tc.between(s)
		}
		s.want(name, tc.want, s.send(s.entity(tc.second)))
	}
}

// TestBarrierBesideAnEvent: of two streams, an event and a delete of one user are
// in flight together. Whichever is answered first, the event counts no more.
func TestBarrierBesideAnEvent(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"event", "delete"} {
		s := newScript(t, guard.DefaultRules())
		r := track("a")
		r.id = "x"
		e, d := s.entity(r), s.entity(person("delete"))
		s.take(d)
		s.take(e)
		if first == "event" {
			s.delivered(e)
			s.delivered(d)
		} else {
			s.delivered(d)
			s.delivered(e)
		}
		s.want(first+" answered first", guard.None, s.take(s.entity(r))[0])
	}
}

func TestLaterToo(t *testing.T) {
	t.Parallel()
	s := newScript(t, guard.Rules{Identify: time.Minute, LaterToo: true})
	r := identify(`{"a":1}`)
	s.send(s.entity(r))
	r.at = 20 * time.Second
	s.want("one that is later", guard.SameIdentify, s.send(s.entity(r)))
}

// TestReplayed: what is delivered again on purpose is never dropped, and counts
// like any other.
func TestReplayed(t *testing.T) {
	t.Parallel()
	s := newScript(t, guard.DefaultRules())
	r := identify(`{"a":1}`)
	r.id = "x"
	s.send(s.entity(r))
	again := s.entity(r)
	s.guard.Screen([]*event.Event{again}, s.now, func(e *event.Event) bool { return e != again }, func(_ int, why guard.Reason) {
		t.Errorf("dropped by %v", why)
	})
	s.want("its id", guard.SameEventID, s.take(s.entity(r))[0])
	s.delivered(again)
	s.want("its id, later", guard.SameEventID, s.take(s.entity(r))[0])
	r.id = "y"
	s.want("what it says", guard.SameIdentify, s.take(s.entity(r))[0])
}

// TestMemoryIsBounded: the last ones are known, and no more of them than that.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	s := newScript(t, guard.Rules{Identify: time.Hour, EventID: time.Hour})
	numbered := func(i int) *event.Event {
		r := identify(`{"a":1}`)
		r.key = fmt.Sprint(i)
		return s.entity(r)
	}
	for i := range guard.MaxIdentifies + 1 {
		s.send(numbered(i))
	}
	s.want("the oldest", guard.None, s.take(numbered(0))[0])
	s.want("the next, put out by that", guard.None, s.take(numbered(1))[0])
	s.want("a late one", guard.SameIdentify, s.take(numbered(guard.MaxIdentifies))[0])

	id := func(i int) *event.Event {
		r := track("a")
		r.id = fmt.Sprint("id-", i)
		return s.entity(r)
	}
	for i := range guard.MaxEventIDs + 1 {
		s.send(id(i))
	}
	s.want("the oldest id", guard.None, s.take(id(0))[0])
	s.want("the last id", guard.SameEventID, s.take(id(guard.MaxEventIDs))[0])
}

// TestManyBarriers: of more users than are remembered there was a delete, so it
// is not known any more whose ids are from before it: none counts.
func TestManyBarriers(t *testing.T) {
	t.Parallel()
	s := newScript(t, guard.DefaultRules())
	r := track("a")
	r.id = "x"
	s.send(s.entity(r))
	s.send(s.entity(person("delete")))
	for i := range 10_000 {
		d := person("delete")
		d.key = fmt.Sprint("other-", i)
		s.send(s.entity(d))
	}
	s.want("from before the delete", guard.None, s.send(s.entity(r)))
	s.want("from after it", guard.SameEventID, s.send(s.entity(r)))
}

func TestOff(t *testing.T) {
	t.Parallel()
	s := newScript(t, guard.Rules{})
	r := identify(`{"a":1}`)
	r.id = "x"
	s.send(s.entity(r))
	s.want("with no rule", guard.None, s.send(s.entity(r)))
	if s.guard.On() || !guard.DefaultRules().On() {
		t.Error("On must tell whether any rule is")
	}
	if err := (guard.Rules{Identify: -1, Content: -1}).Validate(); err == nil || !strings.Contains(err.Error(), "dedup.identify") || !strings.Contains(err.Error(), "dedup.content") {
		t.Errorf("want both faults with their paths, have %v", err)
	}
	if err := guard.DefaultRules().Validate(); err != nil {
		t.Error(err)
	}
}
