package gateway

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// jsonWriter writes JSON by chance: blanks wherever they may stand, escapes
// where none is needed, numbers in every form.
type jsonWriter struct{ dice *rand.Rand }

func (w jsonWriter) blank() string {
	return []string{"", "", "", " ", "\n\t", "  \r\n"}[w.dice.IntN(6)]
}

func (w jsonWriter) text(s string) string {
	var b strings.Builder
	for _, c := range s {
		if w.dice.IntN(8) == 0 && c < 0x10000 {
			b.WriteString(`\u` + strconv.FormatInt(0x10000+int64(c), 16)[1:])
		} else {
			b.WriteRune(c)
		}
	}
	return `"` + b.String() + `"`
}

func (w jsonWriter) pick(of ...string) string { return of[w.dice.IntN(len(of))] }

// object writes members in any order, each with a value of those it may have;
// an empty one leaves the member out.
func (w jsonWriter) object(members map[string][]string) string {
	names := slices.Sorted(maps.Keys(members)) // a map's order no seed brings back
	w.dice.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var parts []string
	for _, name := range names {
		if value := w.pick(members[name]...); value != "" {
			parts = append(parts, w.blank()+w.text(name)+w.blank()+":"+w.blank()+value+w.blank())
		}
	}
	return w.blank() + "{" + strings.Join(parts, ",") + w.blank() + "}" + w.blank()
}

// body writes a body that holds something for every endpoint.
func (w jsonWriter) body() string {
	free := []string{"", "1", "-0.10", "1e-3", "12345678901234567890", "true", "null", w.text("ü\U0001f600 x"), "[]", `[1, {"a":[]}]`, `{ }`}
	times := []string{"", "", "null", "0", "1613063089", "1613063089.75", "1.6e9", `"1613063089"`, `"1613063089.5"`, "1613063089000", "-5"}
	text := func(of ...string) []string {
		out := []string{w.text(of[0])}
		for _, s := range of {
			out = append(out, w.text(s))
		}
		return append(out, "")
	}
	link := w.object(map[string][]string{
		"identifiers":             {`{"object_type_id":"1","object_id":"a"}`, `{"object_id":7,"object_type_id":2}`, `{"cio_object_id":"ob1"}`},
		"relationship_attributes": {"", "null", `{"role":"x"}`},
	})
	who := []string{`{"id":"1"}`, `{"id":5}`, `{"email":"A@b.io","id":null}`, `{"cio_id":"a3"}`, ""}
	return w.object(map[string][]string{
		"a": free, "b": free, "email": free, "plan": free, "_update": {"", "true", "false"},
		"cio_subscription_preferences": {"", `{"topics":{"topic_1":true}}`}, "_timestamp": times, "timestamp": times,
		"cio_relationships": {"", "", "null", w.object(map[string][]string{
			"action":        {w.text("add_relationships"), w.text("delete_relationships")},
			"relationships": {"[" + link + "," + link + "]", "[ ]"},
		})},
		"name": text("purchase", "ü/x"), "type": text("event", "page", "screen", "odd"), "id": text("i", "01HB4HBDKTFWYZCK01DMRSWRFD"),
		"anonymous_id": text("anon"), "data": {"", "null", `{ "price" : 1.10 }`, w.object(map[string][]string{"id": text("7"), "x": text("y"), "email": {"", w.text("a@b.io")}})},
		"device": {w.object(map[string][]string{
			"id": {w.text("d/1")}, "token": {"", "1"}, "platform": {w.text("ios"), w.text("android")}, "last_used": times,
			"attributes": {"", "null", `{"app_version":"1.20"}`}, "other": free,
		})},
		"primary": who, "secondary": who, "ids": {`["1", "2"]`, `["1"]`}, "delivery_id": text("d"), "metric": text("opened"),
		"event": text("opened"), "unsubscribe": {"", "true"},
	})
}
