package event_test

import (
	"strings"
	"testing"

	"sluice/pipeline/event"
)

// golden is one good record of an operation, as the API documents it, and
// exactly what goes out for it.
type golden struct {
	op      event.Op
	header  string // header op
	value   string
	want    string // "": the value as it is
	barrier bool
}

const (
	idIn   = `"id":"` + derived + `",`
	timeIn = `"timestamp":1700000000,`
)

func goldens() []golden {
	person := func(action, rest string) string {
		return `{"type":"person","action":"` + action + `","identifiers":{"id":"42"}` + rest + `}`
	}
	object := func(action, rest string) string {
		return `{"type":"object","action":"` + action + `","identifiers":{"object_type_id":"1","object_id":"acme"}` + rest + `}`
	}
	const toObject = `,"cio_relationships":[{"identifiers":{"object_type_id":"1","object_id":"acme"}},{"identifiers":{"cio_object_id":"ob1"},"relationship_attributes":{"role":"x"}}]`
	const toPerson = `,"cio_relationships":[{"identifiers":{"email":"a@b.example"}}]`
	const body = `{"data":{"id":"42"}}`
	return []golden{
		{op: event.OpIdentify, value: person("identify", `,"attributes":{"plan":"pro"}`), want: "{" + timeIn + person("identify", `,"attributes":{"plan":"pro"}`)[1:]},
		{op: event.OpDelete, value: person("delete", ""), barrier: true},
		{op: event.OpSuppress, value: person("suppress", ""), barrier: true},
		{op: event.OpUnsuppress, value: person("unsuppress", "")},
		{op: event.OpEvent, value: person("event", `,"name":"buy"`), want: "{" + idIn + timeIn + person("event", `,"name":"buy"`)[1:]},
		{op: event.OpPage, value: person("page", `,"name":"/home"`), want: "{" + idIn + timeIn + person("page", `,"name":"/home"`)[1:]},
		{op: event.OpScreen, value: person("screen", `,"name":"Home"`), want: "{" + idIn + timeIn + person("screen", `,"name":"Home"`)[1:]},
		{op: event.OpAddDevice, value: person("add_device", `,"device":{"token":"t","platform":"ios"}`)},
		{op: event.OpDeleteDevice, value: person("delete_device", `,"device":{"token":"t"}`)},
		{op: event.OpAddRelationships, value: person("add_relationships", toObject)},
		{op: event.OpDeleteRelationships, value: person("delete_relationships", toObject)},
		{op: event.OpMerge, value: `{"type":"person","action":"merge","primary":{"id":"42"},"secondary":{"email":"a@b.example"}}`, barrier: true},
		{op: event.OpObjectIdentify, value: object("identify", `,"attributes":{"name":"Acme"}`)},
		{op: event.OpObjectIdentifyAnonymous, value: object("identify_anonymous", `,"cio_relationships":[{"identifiers":{"anonymous_id":"x"}}]`)},
		{op: event.OpObjectDelete, value: object("delete", ""), barrier: true},
		{op: event.OpObjectAddRelationships, value: object("add_relationships", toPerson)},
		{op: event.OpObjectDeleteRelationships, value: object("delete_relationships", toPerson)},
		{op: event.OpDeliveryEvent, value: `{"type":"delivery","action":"event","identifiers":{"id":"d1"},"name":"opened","attributes":{"device_token":"t"}}`},
		{op: event.OpFormSubmit, header: "form_submit", value: `{"form_id":"f1","body":` + body + `}`, want: body},
		{op: event.OpSegmentAdd, header: "segment_add", value: `{"segment_id":7,"id_type":"email","body":{"ids":["a@b.example"]}}`, want: `{"ids":["a@b.example"]}`},
		{op: event.OpSegmentRemove, header: "segment_remove", value: `{"segment_id":"7","body":{"ids":["42"]}}`, want: `{"ids":["42"]}`},
		{op: event.OpMetrics, header: "metrics", value: `{"body":{"delivery_id":"d1","metric":"opened"}}`, want: `{"delivery_id":"d1","metric":"opened"}`},
		{op: event.OpPushEvent, header: "push_event", value: `{"body":{"delivery_id":"d1","event":"opened"}}`, want: `{"delivery_id":"d1","event":"opened"}`},
		{op: event.OpInvite, header: "invite", value: `{"body":{"name":"invited","data":{"recipient":"a@b.io"}}}`, want: `{"name":"invited","data":{"recipient":"a@b.io"}}`},
		{op: event.OpUnsubscribe, header: "unsubscribe", value: ` {"delivery_id":"d1","body":{"unsubscribe":true}}`, want: `{"unsubscribe":true}`},
	}
}

func (g golden) record() event.Record {
	if g.header == "" {
		return record(g.value)
	}
	return record(g.value, header("op", g.header))
}

func TestEveryOperation(t *testing.T) {
	t.Parallel()
	covered := map[event.Op]bool{event.OpSend: true} // PrepareObject's
	for _, g := range goldens() {
		covered[g.op] = true
		t.Run(g.op.String(), func(t *testing.T) {
			t.Parallel()
			e := entity(g.record())
			if e.Fault != nil {
				t.Fatalf("fault: %+v", *e.Fault)
			}
			want := g.want
			if want == "" {
				want = g.value
			}
			if have := string(e.AppendEntity([]byte("lead"))); have != "lead"+want {
				t.Errorf("entity:\nwant %s\nhave %s", want, have)
			}
			if e.Op != g.op || e.Size != len(want) || e.Barrier != g.barrier || e.Solo != (g.header != "") {
				t.Errorf("want op %s size %d barrier %v, have %s %d %v, solo %v", g.op, len(want), g.barrier, e.Op, e.Size, e.Barrier, e.Solo)
			}
			if e.ID.String() != derived {
				t.Errorf("id: want %s, have %s", derived, e.ID)
			}
		})
	}
	for _, op := range event.Ops() {
		if !covered[op] {
			t.Errorf("operation %s is not among the goldens", op)
		}
	}
}

// Each case breaks a golden in one place.
func TestWhatAnOperationRequires(t *testing.T) {
	t.Parallel()
	tests := []struct {
		op           event.Op
		old, new     string
		want, detail string
	}{
		{event.OpEvent, `"type":"person",`, ``, event.ReasonMissingField, "type is required"},
		{event.OpEvent, `"person"`, `null`, event.ReasonMissingField, "type is required"},
		{event.OpEvent, `"person"`, `"people"`, event.ReasonUnknownType, "type is none"},
		{event.OpEvent, `"person"`, `["person"]`, event.ReasonUnknownType, "type is none"},
		{event.OpEvent, `"person"`, `"Person"`, event.ReasonUnknownType, "type is none"},
		{event.OpEvent, `"person"`, `"object"`, event.ReasonUnknownAction, "action is none"},
		{event.OpEvent, `"person"`, `"delivery"`, event.ReasonBadField, "name must be one of"},
		{event.OpEvent, `"action":"event",`, ``, event.ReasonMissingField, "action is required"},
		{event.OpEvent, `"event"`, `"track"`, event.ReasonUnknownAction, "action is none"},
		{event.OpEvent, `"event"`, `""`, event.ReasonUnknownAction, "action is none"},
		{event.OpEvent, `"name":"buy"`, `"name":""`, event.ReasonMissingField, "name is required"},
		{event.OpEvent, `"name":"buy"`, `"nom":"buy"`, event.ReasonMissingField, "name is required"},
		{event.OpEvent, `"name":"buy"`, `"name":5`, event.ReasonBadField, "name must be a string"},
		{event.OpPage, `"name":"/home"`, `"name":null`, event.ReasonMissingField, "name is required"},
		{event.OpIdentify, `"attributes":{"plan":"pro"}`, `"attributes":"pro"`, event.ReasonBadField, "attributes must be an object"},
		{event.OpIdentify, `"identifiers":{"id":"42"},`, ``, event.ReasonMissingField, "identifiers is required"},
		{event.OpIdentify, `{"id":"42"}`, `{}`, event.ReasonBadIdentifiers, "identifiers must be exactly id or email or phone or cio_id"},
		{event.OpIdentify, `{"id":"42"}`, `{"id":""}`, event.ReasonBadIdentifiers, ""},
		{event.OpIdentify, `{"id":"42"}`, `{"id":4.2}`, event.ReasonBadIdentifiers, ""},
		{event.OpIdentify, `{"id":"42"}`, `{"email":5}`, event.ReasonBadIdentifiers, ""},
		{event.OpIdentify, `{"id":"42"}`, `{"id":"42","email":"a"}`, event.ReasonBadIdentifiers, ""},
		{event.OpIdentify, `{"id":"42"}`, `{"id":"42","other":"a"}`, event.ReasonBadIdentifiers, ""},
		{event.OpIdentify, `{"id":"42"}`, `{"anonymous_id":"a"}`, event.ReasonBadIdentifiers, ""},
		{event.OpIdentify, `{"id":"42"}`, `["id"]`, event.ReasonBadIdentifiers, ""},
		{event.OpDelete, `{"id":"42"}`, `{"cio_object_id":"a"}`, event.ReasonBadIdentifiers, ""},
		{event.OpAddDevice, `,"device":{"token":"t","platform":"ios"}`, ``, event.ReasonMissingField, "device is required"},
		{event.OpAddDevice, `{"token":"t","platform":"ios"}`, `"t"`, event.ReasonBadField, "device must be an object"},
		{event.OpAddDevice, `"token":"t",`, ``, event.ReasonMissingField, "device.token is required"},
		{event.OpAddDevice, `,"platform":"ios"`, ``, event.ReasonMissingField, "device.platform is required"},
		{event.OpDeleteDevice, `"t"`, `7`, event.ReasonBadField, "device.token must be a string"},
		{event.OpAddRelationships, `"cio_relationships"`, `"relationships"`, event.ReasonMissingField, "cio_relationships is required"},
		{event.OpAddRelationships, `"cio_object_id":"ob1"`, `"id":"ob1"`, event.ReasonBadIdentifiers, "cio_relationships[1].identifiers must be"},
		{event.OpAddRelationships, `{"cio_object_id":"ob1"}`, `null`, event.ReasonBadIdentifiers, "cio_relationships[1]"},
		{event.OpObjectAddRelationships, `[{"identifiers":{"email":"a@b.example"}}]`, `[]`, event.ReasonMissingField, "cio_relationships is required"},
		{event.OpObjectAddRelationships, `[{"identifiers":{"email":"a@b.example"}}]`, `{}`, event.ReasonBadField, "cio_relationships must be an array"},
		{event.OpObjectAddRelationships, `{"identifiers":{"email":"a@b.example"}}`, `7`, event.ReasonBadIdentifiers, "cio_relationships[0]"},
		{event.OpObjectAddRelationships, `"email"`, `"phone"`, event.ReasonBadIdentifiers, "cio_relationships[0]"},
		{event.OpMerge, `"primary":{"id":"42"},`, ``, event.ReasonMissingField, "primary is required"},
		{event.OpMerge, `"secondary"`, `"third"`, event.ReasonMissingField, "secondary is required"},
		{event.OpMerge, `"email"`, `"phone"`, event.ReasonBadIdentifiers, "secondary must be exactly id or email or cio_id"},
		{event.OpMerge, `"primary"`, `"identifiers":{"id":"42"},"primary"`, event.ReasonBadIdentifiers, "a merge has"},
		{event.OpObjectDelete, `"object_type_id":"1",`, ``, event.ReasonBadIdentifiers, "identifiers must be exactly object_type_id with object_id or cio_object_id"},
		{event.OpObjectDelete, `,"object_id":"acme"`, ``, event.ReasonBadIdentifiers, ""},
		{event.OpObjectDelete, `"object_id"`, `"cio_object_id"`, event.ReasonBadIdentifiers, ""},
		{event.OpObjectDelete, `"object_id":"acme"`, `"object_id":"acme","cio_object_id":"x"`, event.ReasonBadIdentifiers, ""},
		{event.OpDeliveryEvent, `"opened"`, `"clicked"`, event.ReasonBadField, "name must be one of opened, converted, delivered"},
		{event.OpDeliveryEvent, `{"id":"d1"}`, `{"email":"d1"}`, event.ReasonBadIdentifiers, "identifiers must be exactly id"},
		{event.OpDeliveryEvent, `{"device_token":"t"}`, `{}`, event.ReasonMissingField, "attributes.device_token is required"},
		{event.OpDeliveryEvent, `,"attributes":{"device_token":"t"}`, ``, event.ReasonMissingField, "attributes is required"},
		{event.OpFormSubmit, `"form_id":"f1",`, ``, event.ReasonMissingField, "form_id is required"},
		{event.OpFormSubmit, `"f1"`, `["f1"]`, event.ReasonBadField, "form_id must be a string"},
		{event.OpFormSubmit, `{"data":{"id":"42"}}`, `null`, event.ReasonMissingField, "body is required"},
		{event.OpFormSubmit, `{"data":{"id":"42"}}`, `[]`, event.ReasonBadField, "body must be an object"},
		{event.OpSegmentAdd, `"segment_id":7,`, ``, event.ReasonMissingField, "segment_id is required"},
		{event.OpSegmentAdd, `"segment_id":7`, `"segment_id":7.5`, event.ReasonBadField, "segment_id must be a string"},
		{event.OpSegmentAdd, `"email"`, `"phone"`, event.ReasonBadField, "id_type must be one of"},
		{event.OpSegmentAdd, `["a@b.example"]`, `[]`, event.ReasonMissingField, "body.ids is required"},
		{event.OpSegmentRemove, `["42"]`, `"42"`, event.ReasonBadField, "body.ids must be an array"},
		{event.OpSegmentRemove, `"ids"`, `"id"`, event.ReasonMissingField, "body.ids is required"},
		{event.OpMetrics, `"delivery_id":"d1",`, ``, event.ReasonMissingField, "body.delivery_id is required"},
		{event.OpMetrics, `"opened"`, `1`, event.ReasonBadField, "body.metric must be a string"},
		{event.OpInvite, `"name":"invited",`, ``, event.ReasonMissingField, "body.name is required"},
		{event.OpUnsubscribe, `"delivery_id":"d1",`, ``, event.ReasonMissingField, "delivery_id is required"},
	}
	whole := make(map[event.Op]golden)
	for _, g := range goldens() {
		whole[g.op] = g
	}
	for _, test := range tests {
		t.Run(test.op.String()+" "+test.new, func(t *testing.T) {
			t.Parallel()
			g := whole[test.op]
			value := strings.Replace(g.value, test.old, test.new, 1)
			if value == g.value {
				t.Fatalf("%q is not in %s", test.old, g.value)
			}
			g.value = value
			e := entity(g.record())
			if e.Fault == nil {
				t.Fatalf("no fault for %s", value)
			}
			if e.Fault.Reason != test.want || !strings.Contains(e.Fault.Detail, test.detail) {
				t.Errorf("want %s, %q; have %s, %q", test.want, test.detail, e.Fault.Reason, e.Fault.Detail)
			}
			if e.Op != event.OpNone || len(e.AppendEntity(nil)) != 0 {
				t.Errorf("a faulty event has operation %s and sends something", e.Op)
			}
		})
	}
}

// What an operation may leave out, or say in another way.
func TestWhatAnOperationAllows(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`{"type":"person","action":"identify","identifiers":{"phone":"+31612345678"},"attributes":null}`,
		`{"type":"person","action":"delete","identifiers":{"cio_id":"a1"}}`,
		`{"type":"person","action":"event","identifiers":{"anonymous_id":"x"},"name":"n"}`,
		`{"type":"person","action":"merge","identifiers":null,"primary":{"cio_id":"a"},"secondary":{"id":7}}`,
		`{"type":"object","action":"identify","identifiers":{"cio_object_id":"ob1"}}`,
		`{"type":"object","action":"delete","identifiers":{"object_id":12,"object_type_id":1}}`,
		"\n{ \"t\\u0079pe\" : \"pers\\u006fn\" ,\t\"action\":\"del\\u0065te\",\"identifiers\" : { \"i\\u0064\":\"\\\"\" } }\r\n",
	} {
		if e := entity(record(value)); e.Fault != nil {
			t.Errorf("%s: %+v", value, *e.Fault)
		}
	}
}

func TestIdentifierAndArgument(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value string
		kind  event.Kind
		text  string
	}{
		{`{"type":"person","action":"delete","identifiers":{"id":"a\"\u00e9/b"}}`, event.KindID, `a"é/b`},
		{`{"type":"person","action":"delete","identifiers":{"id":42}}`, event.KindID, `42`},
		{`{"type":"person","action":"delete","identifiers":{"email":"A@b.example"}}`, event.KindEmail, "A@b.example"},
		{`{"type":"person","action":"delete","identifiers":{"phone":"+31"}}`, event.KindPhone, "+31"},
		{`{"type":"person","action":"delete","identifiers":{"cio_id":"a1"}}`, event.KindCioID, "a1"},
		{`{"type":"person","action":"page","name":"n","identifiers":{"anonymous_id":"x"}}`, event.KindAnonymous, "x"},
		{`{"type":"object","action":"delete","identifiers":{"object_type_id":"1","object_id":"acme"}}`, event.KindObject, "acme"},
		{`{"type":"object","action":"delete","identifiers":{"cio_object_id":"ob1"}}`, event.KindCioObject, "ob1"},
		{`{"type":"person","action":"merge","secondary":{"id":"2"},"primary":{"id":"1"}}`, event.KindID, "1"},
		{`{"type":"person"}`, event.KindNone, ""},
	} {
		kind, text := entity(record(test.value)).Identifier()
		if kind != test.kind || string(text) != test.text {
			t.Errorf("%s: want %s %q, have %s %q", test.value, test.kind, test.text, kind, text)
		}
	}
	e := entity(record(`{"form_id":"a\/b","segment_id":12,"id_type":null,"body":{}}`, header("op", "form_submit")))
	for field, want := range map[event.Field]string{event.FieldFormID: "a/b", event.FieldSegmentID: "12", event.FieldIDType: "", event.FieldDeliveryID: ""} {
		if have := string(e.Argument(field)); have != want {
			t.Errorf("%s: want %q, have %q", field, want, have)
		}
	}
	if have := string(e.Field(event.FieldFormID)); have != `"a\/b"` {
		t.Errorf("a field's raw JSON must be as it came, have %s", have)
	}
}
