package simulator_test

import (
	"strings"
	"testing"

	"sluice/sink/simulator"
)

// TestV2Entities judges one entity of every type and action, and of every
// flaw, alone and as the second of three in a batch.
func TestV2Entities(t *testing.T) {
	t.Parallel()
	long := strings.Repeat
	const object = `"type":"object","identifiers":{"object_type_id":"1","object_id":"a"}`
	person := func(rest string) string { return `{"type":"person","identifiers":{"id":"5"},` + rest + `}` }
	for _, c := range []struct{ entity, want string }{ // want: reason and field of the flaw, "" for none
		{person(`"action":"identify"`), ""},
		{person(`"action":"identify","attributes":{"a":[1,{"b":null}]},"timestamp":1`), ""},
		{person(`"action":"identify","attributes":[]`), "invalid attributes"},
		{person(`"action":"identify","attributes":{"a":"` + long("v", 1001) + `"}`), "invalid attributes"},
		{person(`"action":"identify","timestamp":"now"`), "invalid timestamp"},
		{person(`"action":"identify","cio_relationships":[{"identifiers":{"object_type_id":"1","object_id":"a"}}]`), ""},
		{person(`"action":"identify","cio_relationships":{}`), "invalid cio_relationships"},
		{person(`"action":"event","name":"x","id":"` + ulidA + `","timestamp":1613063089.25`), ""},
		{person(`"action":"event","name":"x","timestamp":null,"id":null,"attributes":null`), ""},
		{person(`"action":"event"`), "required name"},
		{person(`"action":"event","name":"` + long("n", 101) + `"`), "invalid name"},
		{person(`"action":"event","name":"x","id":7`), "invalid id"},
		{person(`"action":"page","name":"/home"`), ""},
		{person(`"action":"screen","name":"main"`), ""},
		{person(`"action":"delete"`), ""},
		{person(`"action":"suppress"`), ""},
		{person(`"action":"unsuppress"`), ""},
		{person(`"action":"add_device","device":{"token":"t","platform":"android"}`), ""},
		{person(`"action":"add_device","device":{"platform":"android"}`), "required device.token"},
		{person(`"action":"add_device","device":{"token":"t"}`), "required device.platform"},
		{person(`"action":"add_device"`), "required device"},
		{person(`"action":"delete_device","device":{"token":"t"}`), ""},
		{person(`"action":"add_relationships","cio_relationships":[{"identifiers":{"cio_object_id":"o"}}]`), ""},
		{person(`"action":"add_relationships"`), "required cio_relationships"},
		{person(`"action":"delete_relationships","cio_relationships":[{"identifiers":{}}]`), "required cio_relationships.identifiers"},
		{person(`"action":"fly"`), "invalid action"},
		{`{"type":"person","identifiers":{"id":"5"}}`, "required action"},
		{`{"identifiers":{"id":"5"},"action":"identify"}`, "required type"},
		{`{"type":"ship","action":"identify"}`, "invalid type"},
		{`{"type":"person","action":"identify"}`, "required identifiers"},
		{`{"type":"person","action":"identify","identifiers":{}}`, "required identifiers"},
		{`{"type":"person","action":"identify","identifiers":{"id":""}}`, "required identifiers"},
		{`{"type":"person","action":"identify","identifiers":{"id":7}}`, ""},
		{`{"type":"person","action":"identify","identifiers":{"id":"5","email":"a@b.c"}}`, "invalid identifiers"},
		{`{"type":"person","action":"identify","identifiers":{"email":"a@b.c"}}`, ""},
		{`{"type":"person","action":"identify","identifiers":{"email":"nobody"}}`, "invalid identifiers"},
		{`{"type":"person","action":"identify","identifiers":{"phone":"+4915112345"}}`, ""},
		{`{"type":"person","action":"identify","identifiers":{"phone":"015112345"}}`, "invalid identifiers"},
		{`{"type":"person","action":"event","name":"x","identifiers":{"anonymous_id":"q"}}`, ""},
		{`{"type":"person","action":"identify","identifiers":{"id":"` + long("i", 151) + `"}}`, "invalid identifiers"},
		{`{"type":"person","action":"merge","primary":{"id":"1"},"secondary":{"cio_id":"2"}}`, ""},
		{`{"type":"person","action":"merge","primary":{"id":"1"}}`, "required secondary"},
		{`{"type":"person","action":"merge","primary":{"phone":"+491511234"},"secondary":{"id":"2"}}`, "required primary"},
		{`{` + object + `,"action":"identify","attributes":{"n":1}}`, ""},
		{`{` + object + `,"action":"identify_anonymous","cio_relationships":[{"identifiers":{"anonymous_id":"q"}}]}`, ""},
		{`{` + object + `,"action":"delete"}`, ""},
		{`{` + object + `,"action":"add_relationships","cio_relationships":[{"identifiers":{"email":"a@b.c"}}]}`, ""},
		{`{` + object + `,"action":"delete_relationships","cio_relationships":[{"identifiers":{"id":"5"}}]}`, ""},
		{`{` + object + `,"action":"event"}`, "invalid action"},
		{`{"type":"object","identifiers":{"object_id":"a"},"action":"identify"}`, "required identifiers"},
		{`{"type":"delivery","action":"event","identifiers":{"id":"d"},"name":"opened","attributes":{"device_token":"t"}}`, ""},
		{`{"type":"delivery","action":"event","identifiers":{"id":"d"},"name":"opened"}`, "required attributes.device_token"},
		{`{"type":"delivery","action":"event","identifiers":{"id":"d"},"name":"read","attributes":{"device_token":"t"}}`, "invalid name"},
		{`7`, "invalid body"},
		{`[]`, "invalid body"},
		{sized(32 << 10), ""},
		{sized(32<<10 + 1), "invalid body"},
	} {
		t.Run(c.entity[:min(len(c.entity), 100)], func(t *testing.T) {
			t.Parallel()
			status, answer := call(t, start(t), "POST", "/api/v2/entity", c.entity)
			checkFlaw(t, status, answer, c.want, false)
			const good = `{"type":"person","identifiers":{"id":"neighbour"},"action":"identify"}`
			sim := start(t)
			status, answer = call(t, sim, "POST", "/api/v2/batch", `{"batch":[`+good+`,`+c.entity+`, `+good+`]}`)
			checkFlaw(t, status, answer, c.want, true)
			checkStatuses(t, sim, c.want)
		})
	}
}

// sized is a good event of exactly so many bytes.
func sized(size int) string {
	head, tail := `{"type":"person","action":"event","identifiers":{"id":"5"},"name":"x","attributes":{"a":"`, `"}}`
	return head + strings.Repeat("v", size-len(head)-len(tail)) + tail
}

func checkFlaw(t *testing.T, status int, answer, flaw string, batch bool) {
	t.Helper()
	if flaw == "" {
		if status != 200 || answer != "{}\n" {
			t.Errorf("want 200 {}, have %d %s", status, answer)
		}
		return
	}
	reason, field, _ := strings.Cut(flaw, " ")
	want, index := 400, ""
	if batch {
		want, index = 207, `"batch_index":1,`
	}
	prefix := `{"errors":[{` + index + `"reason":"` + reason + `","field":"` + field + `","message":"`
	if status != want || !strings.HasPrefix(answer, prefix) || strings.Count(answer, "reason") != 1 {
		t.Errorf("want %d %s…, have %d %s", want, prefix, status, answer)
	}
}

// checkStatuses: only the named item is refused, its neighbours are taken.
func checkStatuses(t *testing.T, sim *simulator.Simulator, flaw string) {
	t.Helper()
	want := []int{200, 200, 200}
	if flaw != "" {
		want[1] = 400
	}
	lines := sim.History()
	if len(lines) != len(want) {
		t.Fatalf("want %d lines, have %d", len(want), len(lines))
	}
	for i, a := range lines {
		if a.Status != want[i] || a.Attempt != 1 || a.Time != lines[0].Time {
			t.Errorf("item %d: want status %d of attempt 1, have %+v", i, want[i], a)
		}
		if i != 1 && !a.Effect || flaw != "" && i == 1 && a.Effect {
			t.Errorf("item %d: want the effect of its status, have %+v", i, a)
		}
	}
}

// TestV2Whole: what is wrong with the whole request harms all of it.
func TestV2Whole(t *testing.T) {
	t.Parallel()
	item := sized(32 << 10)
	full := `{"batch":[` + strings.TrimSuffix(strings.Repeat(item+",", 15), ",")
	padded := func(size int) string { return full + strings.Repeat(" ", size-len(full)-2) + "]}" }
	for _, c := range []struct {
		name, body string
		want       int
	}{
		{"largest", padded(500_000), 200},
		{"too large", padded(500_001), 400},
		{"far too large", padded(2 << 20), 400},
		{"empty", ``, 400},
		{"null", `null`, 400},
		{"no batch", `{}`, 400},
		{"no items", `{"batch":[]}`, 400},
		{"not an array", `{"batch":{}}`, 400},
		{"cut off", `{"batch":[` + item + `,{"type":"per`, 400},
		{"trailing", `{"batch":[` + item + `]} x`, 400},
		{"a repeated name", `{"batch":[7],"batch":[` + item + `]}`, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sim := start(t)
			have, answer := call(t, sim, "POST", "/api/v2/batch", c.body)
			if have != c.want {
				t.Fatalf("want %d, have %d %s", c.want, have, answer)
			}
			if have == 200 {
				return
			}
			if !strings.HasPrefix(answer, `{"errors":[{"reason":`) {
				t.Errorf("want the words of v2, have %s", answer)
			}
			if stats := sim.Stats(); stats.Effects != 0 || stats.Rejected != 1 || last(t, sim).Status != 400 {
				t.Errorf("want one refused line and no effect, have %+v", stats)
			}
		})
	}
}
