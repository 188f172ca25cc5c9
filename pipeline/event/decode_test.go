package event_test

import (
	"strings"
	"testing"

	"sluice/pipeline/event"
)

func nested(depth int) string {
	return strings.Repeat(`{"a":`, depth-1) + "{}" + strings.Repeat("}", depth-1)
}

func TestStrictDecode(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for name, test := range map[string]struct{ value, want, detail string }{
		"empty":             {"", event.ReasonNotJSON, "ends too early, at byte 0"},
		"spaces":            {"  \n", event.ReasonNotJSON, "ends too early"},
		"word":              {secret, event.ReasonNotJSON, "at byte 0"},
		"cut":               {`{"attributes":{"a":"` + secret, event.ReasonNotJSON, "ends too early, at byte 27"},
		"trailing data":     {`{} {"` + secret + `":1}`, event.ReasonNotJSON, "trailing data at byte 2"},
		"trailing comma":    {`{"a":1,}`, event.ReasonNotJSON, "at byte"},
		"control character": {"{\"a\":\"" + secret + "\x01\"}", event.ReasonNotJSON, "at byte"},
		"comment":           {`{"a":1} // ` + secret, event.ReasonNotJSON, "trailing data at byte 7"},
		"byte order mark":   {"\ufeff{}", event.ReasonNotJSON, "at byte 0"},
		"NaN":               {`{"a":NaN}`, event.ReasonNotJSON, "at byte 5"},
		"leading zero":      {`{"a":012}`, event.ReasonNotJSON, "at byte 6"},
		"single quotes":     {`{'a':1}`, event.ReasonNotJSON, "at byte 1"},
		"string":            {`"` + secret + `"`, event.ReasonNotObject, "not an object"},
		"array":             {`[1]`, event.ReasonNotObject, "not an object"},
		"root twice":        {`{"` + secret + `":1,"` + secret + `":2}`, event.ReasonDuplicateKey, "twice in one object, at byte 13"},
		"twice, escaped":    {`{"type":1,"t\u0079pe":2}`, event.ReasonDuplicateKey, "in type"},
		"nested twice":      {`{"identifiers":{"id":"1","id":"2"}}`, event.ReasonDuplicateKey, "in identifiers"},
		"bad UTF-8":         {"{\"attributes\":{\"a\":\"" + secret + "\xff\"}}", event.ReasonBadUTF8, "in attributes"},
		"overlong UTF-8":    {"{\"a\":\"\xc0\xaf\"}", event.ReasonBadUTF8, "at byte"},
		"bad UTF-8 in name": {"{\"\xff\":1}", event.ReasonBadUTF8, "at byte"},
		"lone surrogate":    {`{"a":"\ud83d"}`, event.ReasonBadUTF8, "at byte"},
		"65 deep":           {nested(65), event.ReasonTooDeep, "more than 64 deep"},
		"100,000 deep":      {strings.Repeat("[", 100_000), event.ReasonTooDeep, "more than 64 deep"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := loaded(record(test.value))
			e.PrepareObject()
			if e.Fault == nil {
				t.Fatal("no fault")
			}
			if e.Fault.Reason != test.want || !strings.Contains(e.Fault.Detail, test.detail) {
				t.Errorf("want %s, %q; have %s, %q", test.want, test.detail, e.Fault.Reason, e.Fault.Detail)
			}
			if strings.Contains(e.Fault.Detail, secret) {
				t.Errorf("the payload shows in %q", e.Fault.Detail)
			}
			if have := reason(entity(record(test.value)).Fault); have != test.want {
				t.Errorf("as an entity: want %s, have %s", test.want, have)
			}
		})
	}
}

func TestDepthCountsBracketsOutsideStrings(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"64 deep":         nested(64),
		"wide":            `{"a":[` + strings.Repeat("{},", 500) + `{}]}`,
		"in a string":     `{"a":"` + strings.Repeat("[", 500) + `"}`,
		"after an escape": `{"a":"\"` + strings.Repeat("[", 500) + `\\"}`,
	} {
		e := loaded(record(value))
		e.PrepareObject()
		if e.Fault != nil {
			t.Errorf("%s: %+v", name, *e.Fault)
		}
	}
}
