package simulator

import (
	"encoding/json"
	"testing"
)

// FuzzMembers: of every valid JSON the walk finds what encoding/json finds,
// and no bytes make it stumble.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, ` { "a" : 1 , "b\n" : [ { "c" : "}]\\\"" } , null ] } `, `[1,-2.5e3,"x",{"a":[]},[[]],true]`, `"a"`, `{"a":1,"a":2}`,
		`{"a`, `{"a":`, `[1,`, `{"a":"\u00e9\ud83d\ude00"}`, `}`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		names := make(map[string]string)
		for name, value := range members(raw) {
			names[string(name)] = string(value)
		}
		var values []string
		for value := range elements(raw) {
			values = append(values, string(value))
		}
		if !valid(raw) {
			return
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) == nil && len(object) != len(names) {
			t.Fatalf("want %d members, have %d", len(object), len(names))
		}
		for name, want := range object {
			if have := names[name]; have != string(want) {
				t.Fatalf("member %q: want %q, have %q", name, want, have)
			}
		}
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) == nil && len(list) != len(values) {
			t.Fatalf("want %d elements, have %d", len(list), len(values))
		}
		for i, want := range list {
			if values[i] != string(want) {
				t.Fatalf("element %d: want %q, have %q", i, want, values[i])
			}
		}
	})
}

// FuzzText: a string says what encoding/json says it says.
func FuzzText(f *testing.F) {
	f.Add("plain")
	f.Add("\"\\\n\x00é\U0001f600")
	f.Fuzz(func(t *testing.T, s string) {
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		if have := string(text(raw)); have != want {
			t.Errorf("want %q, have %q", want, have)
		}
	})
}
