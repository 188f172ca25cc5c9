package deadletters_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"sluice/pipeline/deadletters"
	"sluice/pipeline/event"
)

const secret = "hunter2"

func TestViewMasksWhatIsPrivate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, value, want string }{
		{
			"entity", `{"type":"person","action":"event","identifiers":{"email":"hunter2@x.org"},"name":"hunter2","attributes":{"hunter2":1,"b":"hunter2"}}`,
			`{"action":"event","attributes":{"***":2},"identifiers":{"email":"***"},"name":"***","type":"person"}`,
		},
		{"no word of the API", `{"type":"hunter2","action":["hunter2"],"id":null}`, `{"action":"***","id":null,"type":"***"}`},
		{"names of its own", `{"hunter2":{"hunter2":"hunter2"},"data":{"type":"person"}}`, `{"***":1,"data":{"type":"person"}}`},
		{"an array", `["hunter2"]`, `"***"`},
		{"a string", `"hunter2"`, `"***"`},
		{"a number", `42`, `"***"`},
		{"not JSON", `{"hunter2`, `"***"`},
		{"twice", `{"name":"a","name":"hunter2"} {"x":"hunter2"}`, `"***"`},
		{"nothing", ``, `"***"`},
		{"too deep", strings.Repeat(`{"data":`, 20_000) + `"hunter2"` + strings.Repeat("}", 20_000), `"***"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := deadletters.Letter{Record: event.Record{Value: []byte(tc.value)}}
			if have := string(l.View(false).Payload); have != tc.want {
				t.Errorf("want %s, have %s", tc.want, have)
			}
			if have := l.View(true).Payload; !json.Valid(have) || strings.Contains(tc.value, secret) && !strings.Contains(string(have), secret) {
				t.Errorf("with payload: have %.200s", have)
			}
		})
	}
}

func TestViewMasksCredentials(t *testing.T) {
	t.Parallel()
	names := []string{"http-header-authorization", "http-header-Cookie", "http-header-x-api-key", "http-header-x-cio-signature", "x-session", "password"}
	var l deadletters.Letter
	for _, name := range names {
		l.Record.Headers = append(l.Record.Headers, event.Header{Key: name, Value: []byte(secret)})
	}
	l.Record.Headers = append(l.Record.Headers, event.Header{Key: "sluice-reason", Value: []byte("rejected")}, event.Header{Key: "class", Value: []byte{0xff}})
	masked, err := json.Marshal(l.View(false))
	if err != nil || strings.Contains(string(masked), secret) || strings.Count(string(masked), `"***"`) != len(names) {
		t.Errorf("have %s, %v", masked, err)
	}
	if open, _ := json.Marshal(l.View(true)); strings.Count(string(open), secret) != len(names) || !strings.Contains(string(open), "rejected") {
		t.Errorf("have %s", open)
	}
}

func FuzzViewMasks(f *testing.F) {
	f.Add(`{"type":"person","name":"%","attributes":{"%":["%"]}}`, "zq0xzq")
	f.Add(`%`, "0x1")
	f.Fuzz(func(t *testing.T, form, word string) {
		// A word that no masked form could hold by itself.
		word = "zq" + strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, word) + "zq"
		value := []byte(strings.ReplaceAll(form, "%", word))
		l := deadletters.Letter{Record: event.Record{Value: value, Key: value}, Bytes: len(value)}
		masked := l.View(false).Payload
		if bytes.Contains(masked, []byte(word)) || !json.Valid(masked) {
			t.Errorf("%q is seen, or no JSON: %s", word, masked)
		}
		if open := l.View(true).Payload; len(value) > 0 && !json.Valid(open) {
			t.Errorf("no JSON: %s", open)
		}
	})
}
