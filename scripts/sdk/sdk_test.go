package sdk_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/sdk"
)

func TestUnplayed(t *testing.T) {
	t.Parallel()
	calls := []sdk.Call{{Method: "identify"}, {Method: "methods", Answer: json.RawMessage(`["destroy","identify","track"]`)}, {Method: "track"}}
	have, err := sdk.Unplayed(calls)
	if want := []string{"destroy"}; err != nil || !slices.Equal(have, want) {
		t.Errorf("want %v, have %v, %v", want, have, err)
	}
	if _, err := sdk.Unplayed(calls[:1]); err == nil {
		t.Error("no list of methods: want an error")
	}
}

func TestMisjudged(t *testing.T) {
	t.Parallel()
	node, python := sdk.Node(), sdk.Python()
	partial := json.RawMessage(`{"errors": [{"batch_index": 1, "reason": "required"}]}`)
	refused := func(merge, kind string) []sdk.Call {
		return []sdk.Call{
			{Method: "identify", Error: kind, Status: 401, Message: "Unauthorized request"},
			{Method: "track", Error: kind, Status: 400, Message: "name is longer than 100 bytes"},
			{Method: merge, Error: kind, Status: 400, Message: "identifier is longer than 150 bytes"},
			{Method: "batch", OK: true, Answer: partial},
		}
	}
	change := func(i int, with func(*sdk.Call)) []sdk.Call {
		calls := refused("mergeCustomers", "CustomerIORequestError")
		with(&calls[i])
		return calls
	}
	for _, c := range []struct {
		name    string
		library sdk.Library
		play    string
		calls   []sdk.Call
		want    int
	}{
		{"node", node, sdk.Refused, refused("mergeCustomers", "CustomerIORequestError"), 0},
		{"python", python, sdk.Refused, refused("merge_customers", "CustomerIOException"), 0},
		{"a call too few", node, sdk.Refused, refused("mergeCustomers", "CustomerIORequestError")[1:], 1},
		{"not refused", node, sdk.Refused, change(0, func(c *sdk.Call) { c.OK = true }), 1},
		{"another status", node, sdk.Refused, change(0, func(c *sdk.Call) { c.Status = 403 }), 1},
		{"another error", node, sdk.Refused, change(1, func(c *sdk.Call) { c.Error = "TypeError" }), 1},
		{"a shape that it does not know", node, sdk.Refused, change(2, func(c *sdk.Call) { c.Message = "Unknown error" }), 1},
		{"all of the batch taken", node, sdk.Refused, change(3, func(c *sdk.Call) { c.Answer = json.RawMessage(`{}`) }), 1},
		{"node, away", node, sdk.Away, []sdk.Call{{Method: "identify", Error: "CustomerIORequestError", Status: 503, Message: "try again"}}, 0},
		{"node, cut", node, sdk.Away, []sdk.Call{{Method: "identify", Error: "TypeError", Message: "fetch failed"}}, 1},
		{"python, away", python, sdk.Away, []sdk.Call{{Method: "identify", Error: "CustomerIOException", Message: "too many 503 error responses"}}, 0},
		{"python, 500", python, sdk.Away, []sdk.Call{{Method: "identify", Error: "CustomerIOException", Message: "too many 500 error responses"}}, 1},
	} {
		if have := c.library.Misjudged(c.play, c.calls); len(have) != c.want {
			t.Errorf("%s: want %d differences, have %v", c.name, c.want, have)
		}
	}
}

// world is a simulator's answers about what the plays of Node's library meant.
func world() map[string]string {
	return map[string]string{
		"people/n-buyer": `{"attributes":{"email":"n-buyer@example.com","created_at":1361205308,"plan":"pro","note":"naïve 日本 😀","unsubscribed":false},` +
			`"devices":[{"token":"n-phone","platform":"ios","last_used":1613063089,"attributes":{"app_version":"1.2"}}],"segments":["7"],"events":4}`,
		"people/n-a%2Fb+c%252F%3Fx=1&y%20d": `{"attributes":{"x":1}}`,
		"people/n+tag@Example.com":          `{"attributes":{"x":2}}`,
		"people/90001":                      `{"attributes":{"x":3}}`,
		"people/n-anon":                     `{"events":1}`,
		"people/n-freed":                    `{"attributes":{"x":1}}`,
		"people/n-kept":                     `{"attributes":{"a":1,"b":2}}`,
		"people/n-batched":                  `{"attributes":{"plan":"x"},"events":1}`,
		"people/n-form@example.com":         `{"attributes":{"first_name":"F"}}`,
		"objects/1/n-acme":                  `{"attributes":{"name":"Acme"},"related":[{"with":"n-buyer"}]}`,
		"history": line("track", "n-buyer", "purchase") + line("track", "n-buyer", "purchase") + line("track", "n-buyer", "refund") + line("page", "n-buyer", "/home?x=1") +
			line("track", "", "n-invited") + line("metric", "n-delivery", "clicked") + line("push", "n-delivery", "opened") + line("unsubscribe", "n-delivery", ""),
	}
}

func line(op, user, name string) string {
	return fmt.Sprintf(`{"workspace":"shop","op":%q,"user":%q,"name":%q,"status":200,"effect":true}`+"\n", op, user, name)
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change map[string]string // "" removes
		want   string            // in the one difference; empty: none
	}{
		{"as meant", nil, ""},
		{"a person is missing", map[string]string{"people/90001": ""}, "90001 is known: false"},
		{"one who was deleted is there", map[string]string{"people/n-gone": `{}`}, "n-gone is known: true"},
		{"an attribute is old", map[string]string{"people/n-freed": `{"attributes":{"x":2}}`}, "n-freed has x 2, want 1"},
		{"a number became text", map[string]string{"people/n-batched": `{"attributes":{"plan":7},"events":1}`}, "n-batched has plan 7"},
		{"an event is missing", map[string]string{"people/n-anon": `{"events":0}`}, "n-anon has 0 events, want 1"},
		{"a device is left", map[string]string{"people/n-kept": `{"attributes":{"a":1,"b":2},"devices":[{"id":"x","platform":"ios","last_used":1613063089,"attributes":{"app_version":"1.2"}}]}`}, "n-kept has devices [x]"},
		{"no relation", map[string]string{"objects/1/n-acme": `{"attributes":{"name":"Acme"}}`}, "related to []"},
		{"an effect came twice", map[string]string{"history": world()["history"] + line("push", "n-delivery", "opened")}, `"push n-delivery opened" took effect 2 times`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			answers := world()
			maps.Copy(answers, c.change)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text := answers[strings.TrimPrefix(r.URL.EscapedPath(), "/_sim/")]
				if text == "" {
					w.WriteHeader(http.StatusNotFound)
				}
				_, _ = w.Write([]byte(text))
			}))
			t.Cleanup(s.Close)
			who := sdk.Caller{Prefix: "n", Number: 90001}
			have, err := sdk.Node().Judge(t.Context(), &rig.Simulator{URL: s.URL}, "shop", who)
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" && len(have) > 0 || c.want != "" && (len(have) != 1 || !strings.Contains(have[0], c.want)) {
				t.Errorf("want %q, have %q", c.want, have)
			}
		})
	}
}

// TestVersionsArePinned: what the checks say is said of one version of each.
func TestVersionsArePinned(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{"node/package.json": `"customerio-node": "5.2.0"`, "python/requirements.txt": "customerio==3.2.0\n"} {
		text, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: want %s, have %s, %v", file, want, text, err)
		}
	}
}
