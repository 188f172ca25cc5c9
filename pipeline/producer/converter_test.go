package producer_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

func TestConvert(t *testing.T) {
	t.Parallel()
	entity, object := producer.Entity, producer.Object
	for name, c := range map[string]struct {
		form            producer.Form
		line, key, want string
	}{
		"event": {
			entity, `{"user":"42","event":"purchase","data":{"value": 9.50},"timestamp":1613063089,"id":"a1"}`, "42",
			`{"type":"person","action":"event","identifiers":{"id":"42"},"name":"purchase","id":"a1","timestamp":1613063089,"attributes":{"value": 9.50}}`,
		},
		"event without data":    {entity, `{"user":"42","event":"ping"}`, "42", `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"ping"}`},
		"null is absent":        {entity, `{"user":"42","event":"ping","data":null,"id":null,"timestamp":null,"email":null,"type":null}`, "42", `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"ping"}`},
		"name for event":        {entity, `{"user":"42","name":"ping"}`, "42", `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"ping"}`},
		"user as a number":      {entity, `{"user":42,"event":"ping","id":7}`, "42", `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"ping","id":"7"}`},
		"unicode and escapes":   {entity, `{"user":"\u00c5se \"x\"","event":"k\u00f8b"}`, `Åse "x"`, `{"type":"person","action":"event","identifiers":{"id":"\u00c5se \"x\""},"name":"køb"}`},
		"escaped member":        {entity, `{"us\u0065r":"42","event":"ping"}`, "42", `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"ping"}`},
		"email":                 {entity, `{"email":"Bob@Example.COM","event":"ping"}`, "bob@example.com", `{"type":"person","action":"event","identifiers":{"email":"Bob@Example.COM"},"name":"ping"}`},
		"anonymous":             {entity, `{"anonymous_id":"anon9","event":"ping"}`, "anon9", `{"type":"person","action":"event","identifiers":{"anonymous_id":"anon9"},"name":"ping"}`},
		"page":                  {entity, `{"user":"42","type":"page","event":"/home","data":{}}`, "42", `{"type":"person","action":"page","identifiers":{"id":"42"},"name":"/home","attributes":{}}`},
		"screen":                {entity, `{"user":"42","type":"screen","name":"Start"}`, "42", `{"type":"person","action":"screen","identifiers":{"id":"42"},"name":"Start"}`},
		"identify":              {entity, `{"user":"42","traits":{"plan":"pro"},"timestamp":"2021-02-11"}`, "42", `{"type":"person","action":"identify","identifiers":{"id":"42"},"timestamp":1613001600,"attributes":{"plan":"pro"}}`},
		"identify with email":   {entity, `{"user":"42","email":"a@b.c","traits":{"plan":"pro"}}`, "42", `{"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"email":"a@b.c","plan":"pro"}}`},
		"both contacts":         {entity, `{"user":"42","email":"a@b.c","anonymous_id":"q","type":"identify"}`, "42", `{"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"email":"a@b.c","anonymous_id":"q"}}`},
		"traits win":            {entity, `{"user":"42","email":"a@b.c","traits":{"email":"x@y.z"}}`, "42", `{"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"email":"x@y.z"}}`},
		"empty traits":          {entity, `{"user":"42","email":"a@b.c","traits":{ }}`, "42", `{"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"email":"a@b.c" }}`},
		"moment":                {entity, `{"user":"42","event":"x","timestamp":"2021-02-11T18:04:49+01:00"}`, "42", `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"x","timestamp":1613063089}`},
		"fraction of a second":  {entity, `{"user":"42","event":"x","timestamp":1613063089.99}`, "42", `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"x","timestamp":1613063089}`},
		"full entity":           {entity, ` {"type":"person", "action":"event","identifiers":{"email":"A@b.c"},"name":"x","attributes":{"n": 1e0}} `, "a@b.c", `{"type":"person", "action":"event","identifiers":{"email":"A@b.c"},"name":"x","attributes":{"n": 1e0}}`},
		"merge":                 {entity, `{"type":"person","action":"merge","primary":{"id":"1"},"secondary":{"id":"2"}}`, "1", `{"type":"person","action":"merge","primary":{"id":"1"},"secondary":{"id":"2"}}`},
		"about an object":       {entity, `{"type":"object","action":"delete","identifiers":{"object_type_id":"1","object_id":"acme"}}`, "1:acme", `{"type":"object","action":"delete","identifiers":{"object_type_id":"1","object_id":"acme"}}`},
		"object":                {object, `{"user":"42","anything":[1, 2]}`, "42", `{"user":"42","anything":[1, 2]}`},
		"object by number":      {object, `{"user":42}`, "42", `{"user":42}`},
		"object by email":       {object, `{"email":"A@B.c","id":"order 7"}`, "a@b.c", `{"email":"A@B.c","id":"order 7"}`},
		"object by anonymous":   {object, `{"user":null,"anonymous_id":"q"}`, "q", `{"user":null,"anonymous_id":"q"}`},
		"object like an entity": {object, `{"type":"person","action":"delete","identifiers":{"id":"42"}}`, "42", `{"type":"person","action":"delete","identifiers":{"id":"42"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			item, err := producer.NewConverter(c.form, false).Convert(producer.Line{N: 1, Object: []byte(c.line)})
			if err != nil {
				t.Fatal(err)
			}
			if have := string(item.Record.Key); have != c.key {
				t.Errorf("key: have %q, want %q", have, c.key)
			}
			if have := string(item.Record.Value); have != c.want {
				t.Errorf("value:\nhave %s\nwant %s", have, c.want)
			}
			if item.Record.Partition != -1 || item.Seq != 0 {
				t.Errorf("have partition %d, sequence %d; want -1 and 0", item.Record.Partition, item.Seq)
			}
		})
	}
}

func TestConvertFaults(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		``:                                                       "not JSON: it ends too early",
		`{"user":"42"`:                                           "not JSON: it ends too early",
		`{"user":"42",}`:                                         "not JSON",
		`purchase`:                                               "not JSON",
		`[{"user":"42"}]`:                                        "not a JSON object",
		`{"user":"42","event":"x"} {}`:                           "text after the object's end",
		`{"user":"42","user":"43"}`:                              "duplicate",
		"{\"user\":\"\xff\"}":                                    "not JSON",
		`{"event":"x"}`:                                          "names no user",
		`{"user":"","event":"x"}`:                                "user: must not be empty",
		`{"user":1.5,"event":"x"}`:                               "user: must be a string or a whole number",
		`{"user":-1,"event":"x"}`:                                "user: must be a string or a whole number",
		`{"user":{"id":1},"event":"x"}`:                          "user: must be a string or a whole number",
		`{"user":"42"}`:                                          "needs event (a name) or traits",
		`{"user":"42","event":""}`:                               "event: must not be empty",
		`{"user":"42","event":5}`:                                "event: must be a string",
		`{"user":"42","event":"x","name":"y"}`:                   "event and name exclude each other",
		`{"user":"42","type":"page"}`:                            "event: a page needs a name",
		`{"user":"42","type":"alien","event":"x"}`:               "type: must be event, page, screen or identify",
		`{"user":"42","event":"x","plan":"pro"}`:                 `unknown field "plan": put it into data or traits`,
		`{"user":"42","event":"x","traits":{}}`:                  "type event has no traits: use data",
		`{"user":"42","traits":{},"data":{}}`:                    "type identify has no data: use traits",
		`{"user":"42","event":"x","data":[]}`:                    "data: must be an object",
		`{"user":"42","traits":"x"}`:                             "traits: must be an object",
		`{"user":"42","traits":{},"id":"x"}`:                     "id: only events, pages and screens have one",
		`{"user":"42","type":"identify","event":"x"}`:            "an identify has no event",
		`{"user":"42","email":"a@b.c","event":"x"}`:              "an event names one person",
		`{"user":"42","event":"x","timestamp":"yesterday"}`:      "timestamp: must be unix seconds, RFC 3339 or YYYY-MM-DD",
		`{"user":"42","event":"x","timestamp":true}`:             "timestamp: must be",
		`{"user":"42","event":"x","timestamp":1613063089000}`:    "divide milliseconds by 1000",
		`{"user":"42","event":"x","timestamp":"1969-12-31"}`:     "before 1970",
		`{"user":"42","event":"x","timestamp":-5}`:               "timestamp: must be",
		`{"user":"42","event":"x","spread":"0s"}`:                "spread: must be a time above 0",
		`{"user":"42","event":"x","spread":"2161h"}`:             "spread: must be a time above 0 and of at most 90 days",
		`{"user":"42","event":"x","spread":180}`:                 "spread: must be a string",
		`{"user":"42","event":"x","deliver_at":"soon"}`:          "deliver_at: must be RFC 3339 or unix seconds",
		`{"type":"person","action":"event","name":"x"}`:          "find the user",
		`{"type":"alien","action":"x","identifiers":{"id":"1"}}`: "find the user",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			_, err := producer.NewConverter(producer.Entity, false).Convert(producer.Line{Object: []byte(line)})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("have %v, want %q in it", err, want)
			}
		})
	}
	for line, want := range map[string]string{
		`{"customer":"42"}`: "names no user",
		`{"user":[]}`:       "user: must be",
		`"x"`:               "not a JSON object",
	} {
		_, err := producer.NewConverter(producer.Object, false).Convert(producer.Line{Object: []byte(line)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("object %s: have %v, want %q in it", line, err, want)
		}
	}
}

// What the short form says to sluice, and not to the destination, become headers.
func TestConvertedHeaders(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`{"user":"42","event":"x"}`:                                                     "",
		`{"user":"42","event":"x","spread":null,"class":null}`:                          "",
		`{"user":"42","event":"x","spread":"1h30m"}`:                                    "spread=1h30m ",
		`{"user":"42","event":"x","deliver_at":1772600767}`:                             "deliver_at=1772600767 ",
		`{"user":"42","traits":{},"deliver_at":"2026-03-04T05:06:07Z"}`:                 "deliver_at=2026-03-04T05:06:07Z ",
		`{"deliver_at":"1772600767","spread":"3m","class":"a","user":"42","event":"x"}`: "class=a spread=3m deliver_at=1772600767 ",
	} {
		item, err := producer.NewConverter(producer.Entity, false).Convert(producer.Line{Object: []byte(line)})
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		have := ""
		for _, h := range item.Record.Headers {
			have += h.Key + "=" + string(h.Value) + " "
		}
		if have != want || bytes.Contains(item.Record.Value, []byte("spread")) {
			t.Errorf("%s: want headers %q, have %q beside %s", line, want, have, item.Record.Value)
		}
	}
}

func TestSequence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		form  producer.Form
		lines []string
		want  []string
	}{
		"per user": {producer.Entity, []string{
			`{"user":"a","event":"x"}`,
			`{"user":"b","event":"x","data":{}}`,
			`broken`,
			`{"user":"a","event":"x","data":{"v":1}}`,
			`{"user":"b","traits":{"v":1}}`,
		}, []string{
			`a {"attributes":{"_seq":1,"_n":1},"type":"person","action":"event","identifiers":{"id":"a"},"name":"x"}`,
			`b {"type":"person","action":"event","identifiers":{"id":"b"},"name":"x","attributes":{"_seq":1,"_n":2}}`,
			`not JSON`,
			`a {"type":"person","action":"event","identifiers":{"id":"a"},"name":"x","attributes":{"_seq":2,"_n":4,"v":1}}`,
			`b {"type":"person","action":"identify","identifiers":{"id":"b"},"attributes":{"_seq":2,"_n":5,"v":1}}`,
		}},
		"entities": {producer.Entity, []string{
			`{"type":"person","action":"event","name":"x","identifiers":{"id":"a"},"attributes": { "v":1}}`,
			`{"type":"person","action":"event","name":"x","identifiers":{"id":"a"},"attributes":null}`,
			`{"type":"person","action":"event","name":"x","identifiers":{"id":"a"},"attributes":{"x_n":1,"v":{"_seq":1}}}`,
			`{ "type":"person","action":"delete","identifiers":{"id":"a"}}`,
		}, []string{
			`a {"type":"person","action":"event","name":"x","identifiers":{"id":"a"},"attributes": {"_seq":1,"_n":1, "v":1}}`,
			`a {"type":"person","action":"event","name":"x","identifiers":{"id":"a"},"attributes":{"_seq":2,"_n":2}}`,
			`a {"type":"person","action":"event","name":"x","identifiers":{"id":"a"},"attributes":{"_seq":3,"_n":3,"x_n":1,"v":{"_seq":1}}}`,
			`a {"attributes":{"_seq":4,"_n":4}, "type":"person","action":"delete","identifiers":{"id":"a"}}`,
		}},
		"numbered already": {producer.Entity, []string{
			`{"user":"a","event":"x","data":{"_n":1}}`,
			`{"user":"a","event":"x","data":{"\u005fseq":1}}`,
			`{"user":"a","event":"x"}`,
		}, []string{
			"its attributes have _seq or _n already", "its attributes have _seq or _n already",
			`a {"attributes":{"_seq":1,"_n":3},"type":"person","action":"event","identifiers":{"id":"a"},"name":"x"}`,
		}},
		"objects": {producer.Object, []string{
			`{"user":"a","data":{"v":1}}`, `{"user":"a","traits":{}}`, `{"user":"a","attributes":{"v":1},"data":5}`, `{"user":"a"}`, `{"user":"a","data":[]}`, `{"user":"a","_n":4}`,
		}, []string{
			`a {"user":"a","data":{"_seq":1,"_n":1,"v":1}}`,
			`a {"user":"a","traits":{"_seq":2,"_n":2}}`,
			`a {"user":"a","attributes":{"_seq":3,"_n":3,"v":1},"data":5}`,
			`a {"_seq":4,"_n":4,"user":"a"}`,
			"its attributes must be an object", "its attributes have _seq or _n already",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			converter := producer.NewConverter(c.form, true)
			for i, line := range c.lines {
				item, err := converter.Convert(producer.Line{N: i + 1, Object: []byte(line)})
				have := fmt.Sprintf("%s %s", item.Record.Key, item.Record.Value)
				if err != nil {
					have = err.Error()
				}
				if have != c.want[i] && (err == nil || !strings.HasPrefix(have, c.want[i])) {
					t.Errorf("line %d:\nhave %s\nwant %s", i+1, have, c.want[i])
				}
			}
		})
	}
}

// A fault of one line must not show in the next one, which uses its memory.
func TestConvertedRecordsOwnTheirMemory(t *testing.T) {
	t.Parallel()
	converter := producer.NewConverter(producer.Entity, true)
	first, err := converter.Convert(producer.Line{N: 1, Object: []byte(`{"user":"first","event":"x","data":{"v":"first"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	key, value := string(first.Record.Key), string(first.Record.Value)
	for _, line := range []string{`{"user":"other","event":"yyyyy","data":{"v":"others"}}`, `{"user":"o","ev`, `[]`} {
		_, _ = converter.Convert(producer.Line{N: 2, Object: []byte(line)})
	}
	if string(first.Record.Key) != key || string(first.Record.Value) != value {
		t.Errorf("have %s %s, want %s %s", first.Record.Key, first.Record.Value, key, value)
	}
}

// FuzzConvert: whatever a line holds, a record is one strict JSON object with
// the key that package event finds in it, and the data's bytes survive.
func FuzzConvert(f *testing.F) {
	for _, seed := range []string{
		`{"user":"42","event":"purchase","data":{"v":1},"timestamp":"2021-02-11","id":"x"}`,
		`{"user":42,"traits":{"a":[1,{"b":null}]},"email":"a@b.c"}`,
		`{"type":"person","action":"event","name":"x","identifiers":{"email":"A@b.c"},"attributes":null}`,
		`{"type":"person","action":"merge","primary":{"id":"1"},"secondary":{"id":"2"}}`,
		`{"anonymous_id":"q","type":"page","name":"/","data":{ }}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, form := range []producer.Form{producer.Entity, producer.Object} {
			plain, err := producer.NewConverter(form, false).Convert(producer.Line{N: 7, Object: line})
			if err != nil {
				continue
			}
			var root struct {
				Attributes, Data, Traits jsontext.Value
			}
			if err := json.Unmarshal(plain.Record.Value, &root); err != nil {
				t.Fatalf("value %q: %v", plain.Record.Value, err)
			}
			if form == producer.Entity {
				key, err := event.EntityKey(plain.Record.Value)
				if err != nil || !bytes.Equal(key, plain.Record.Key) {
					t.Fatalf("value %q: have key %q, want %q, %v", plain.Record.Value, plain.Record.Key, key, err)
				}
			}
			numbered, err := producer.NewConverter(form, true).Convert(producer.Line{N: 7, Object: line})
			if err != nil {
				continue
			}
			checkNumbers(t, plain.Record.Value, numbered.Record.Value)
		}
	})
}

// checkNumbers: taking _seq and _n out of a numbered value gives the plain one.
func checkNumbers(t *testing.T, plain, numbered []byte) {
	t.Helper()
	if err := json.Unmarshal(numbered, new(any)); err != nil {
		t.Fatalf("value %q: %v", numbered, err)
	}
	const numbers = `"_seq":1,"_n":7`
	before, after, found := strings.Cut(string(numbered), numbers)
	if !found {
		t.Fatalf("value %q has no numbers", numbered)
	}
	without := []string{
		before + after, before + strings.TrimPrefix(after, ","),
		strings.TrimSuffix(before, `"attributes":{`) + strings.TrimPrefix(after, "},"),
		strings.TrimSuffix(before, `{`) + "null" + strings.TrimPrefix(after, "}"),
	}
	if !slices.Contains(without, string(plain)) {
		t.Fatalf("have %q\nof  %q", numbered, plain)
	}
}
