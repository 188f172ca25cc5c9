package simulator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sluice/sink/simulator"
)

func identify(id, attributes string, at int64) string {
	return fmt.Sprintf(`{"type":"person","action":"identify","identifiers":{"id":%q},"timestamp":%d,"attributes":%s}`, id, at, attributes)
}

// TestTimestampsOrderAttributes: an older update loses, attribute by
// attribute; of the same second the later arrival stays; v1 and v2 alike.
func TestTimestampsOrderAttributes(t *testing.T) {
	t.Parallel()
	sim := start(t)
	entity(t, sim, identify("5", `{"plan":"new","a":1}`, 200))
	entity(t, sim, identify("5", `{"plan":"old","b":2}`, 100))
	entity(t, sim, identify("5", `{"a":2}`, 200))
	must(t, sim, 200, "PUT /api/v1/customers/5", `{"_timestamp":150,"plan":"older","b":3}`)
	p := person(t, sim, "5")
	for name, want := range map[string]string{"plan": `"new"`, "a": `2`, "b": `3`} {
		if have := attribute(p, name); have != want {
			t.Errorf("%s: want %s, have %s", name, want, have)
		}
	}
	if p.Timestamps["plan"] != 200 || p.Timestamps["b"] != 150 || len(p.Attributes) != 3 {
		t.Errorf("want plan at 200, b at 150 and nothing of the steering names, have %+v", p)
	}
	must(t, sim, 200, "PUT /api/v1/customers/5", `{"plan":"now"}`)
	if have := attribute(person(t, sim, "5"), "plan"); have != `"now"` {
		t.Errorf("without a timestamp the time of arrival counts: want now, have %s", have)
	}
}

// TestAttributeOrderIsAnyOrder: whatever the order of arrival, the newest wins.
func TestAttributeOrderIsAnyOrder(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int64{{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}} {
		sim := start(t)
		for _, at := range order {
			entity(t, sim, identify("5", fmt.Sprintf(`{"v":%d}`, at), at))
		}
		if have := attribute(person(t, sim, "5"), "v"); have != "3" {
			t.Errorf("order %v: want 3, have %s", order, have)
		}
	}
}

// TestEmailHasNoCase: one person, whatever the case, by path and by v2.
func TestEmailHasNoCase(t *testing.T) {
	t.Parallel()
	sim := start(t)
	must(t, sim, 200, "PUT /api/v1/customers/Bob@Example.com", `{"a":1}`)
	entity(t, sim, `{"type":"person","action":"identify","identifiers":{"email":"bob@example.COM"},"attributes":{"b":2}}`)
	if have := sim.Stats().People; have != 1 {
		t.Errorf("want 1 person, have %d", have)
	}
	p := person(t, sim, "BOB@example.com")
	if attribute(p, "a") != "1" || attribute(p, "b") != "2" {
		t.Errorf("want both attributes, have %+v", p)
	}
}

// TestIdentifierConflict: an email that another person has is accepted and not
// given; the rest of the update holds.
func TestIdentifierConflict(t *testing.T) {
	t.Parallel()
	sim := start(t)
	entity(t, sim, identify("1", `{"email":"a@b.c"}`, 1))
	entity(t, sim, identify("2", `{"email":"A@B.C","plan":"x"}`, 1))
	entity(t, sim, identify("2", `{"id":"3"}`, 1))
	if p := person(t, sim, "2"); p.Email != "" || attribute(p, "email") != "" || attribute(p, "plan") != `"x"` {
		t.Errorf("want the plan and no email, have %+v", p)
	}
	if have := sim.Stats().FailedUpdates; have != 2 {
		t.Errorf("want 2 failed updates, have %d", have)
	}
	cio := person(t, sim, "2").CioID
	must(t, sim, 200, "PUT /api/v1/customers/cio_"+cio, `{"id":"3","email":"new@b.c"}`)
	if p := person(t, sim, "3"); p.CioID != cio || p.Email != "new@b.c" {
		t.Errorf("want the person under the new id, have %+v", p)
	}
	if status, _ := call(t, sim, "GET", "/_sim/people/2", ""); status != 404 {
		t.Errorf("want nobody under the old id, have %d", status)
	}
}

// TestIgnored: what the API accepts and does nothing about.
func TestIgnored(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, line, body string }{
		{"unknown cio_id", "PUT /api/v1/customers/cio_ffff", `{"a":1}`},
		{"unknown cio_id event", "POST /api/v1/customers/cio_ffff/events", `{"name":"x"}`},
		{"update of nobody by v1", "PUT /api/v1/customers/9", `{"_update":true,"a":1}`},
		{"update of nobody by v2", "POST /api/v2/entity", identify("9", `{"_update":true}`, 1)},
		{"an id that is no ULID", "POST /api/v1/customers/5/events", `{"name":"x","id":"order-7"}`},
		{"merge of nobody", "POST /api/v1/merge_customers", `{"primary":{"id":"8"},"secondary":{"id":"9"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sim := start(t)
			must(t, sim, 200, c.line, c.body)
			if a := last(t, sim); a.Status != 200 || a.Effect {
				t.Errorf("want 200 without effect, have %+v", a)
			}
			if stats := sim.Stats(); stats.Ignored != 1 || stats.People != 0 {
				t.Errorf("want one ignored and nobody there, have %+v", stats)
			}
		})
	}
}

// TestDedup: a known event id is accepted and ignored, by whichever version it
// comes, for events, pages and screens, within its workspace.
func TestDedup(t *testing.T) {
	t.Parallel()
	sim := start(t)
	event := `{"type":"person","action":"event","identifiers":{"id":"5"},"name":"x","id":"` + ulidA + `"}`
	entity(t, sim, event)
	entity(t, sim, strings.Replace(event, `"action":"event"`, `"action":"page"`, 1))
	must(t, sim, 200, "POST /api/v1/customers/5/events", `{"name":"x","id":"`+strings.ToLower(ulidA)+`"}`)
	must(t, sim, 200, "POST /api/v2/batch", `{"batch":[`+event+`,`+event+`]}`)
	elsewhere := request(t, http.MethodPost, "/api/v2/entity", event)
	elsewhere.Header.Set("Authorization", basic("second:key"))
	serve(sim, elsewhere)
	entity(t, sim, identify("5", `{"id":"5"}`, 1))
	entity(t, sim, `{"type":"person","action":"event","identifiers":{"id":"5"},"name":"x"}`)
	entity(t, sim, `{"type":"person","action":"event","identifiers":{"id":"5"},"name":"x"}`)

	var have []bool
	for a := range sim.Arrivals(0) {
		have = append(have, a.Effect)
		if a.Status != 200 {
			t.Errorf("want a repeat accepted, have %+v", a)
		}
	}
	if want := "[true false false false false true true true true]"; fmt.Sprint(have) != want {
		t.Errorf("want effects %s, have %v", want, have)
	}
	if p := person(t, sim, "5"); p.Events != 3 {
		t.Errorf("want 3 events, have %d", p.Events)
	}
	if have := sim.Stats().Repeats; have != 4 {
		t.Errorf("want 4 repeats, have %d", have)
	}
}

// TestSuppress: all identifiers of the person are blocked until one of them is
// unsuppressed, and nothing of the person comes back by itself.
func TestSuppress(t *testing.T) {
	t.Parallel()
	sim := start(t)
	entity(t, sim, identify("5", `{"email":"a@b.c","x":1}`, 1))
	must(t, sim, 200, "POST /api/v1/customers/5/suppress", "")
	for _, line := range []string{"PUT /api/v1/customers/5", "PUT /api/v1/customers/A@b.c", "POST /api/v1/customers/5/suppress"} {
		must(t, sim, 200, line, `{"x":1}`)
		if last(t, sim).Effect {
			t.Errorf("%s: want it ignored", line)
		}
	}
	if sim.Stats().People != 0 {
		t.Error("want nobody there")
	}
	entity(t, sim, `{"type":"person","action":"unsuppress","identifiers":{"email":"a@b.c"}}`)
	must(t, sim, 200, "PUT /api/v1/customers/5", `{"y":2}`)
	if p := person(t, sim, "5"); attribute(p, "x") != "" || attribute(p, "y") != "2" || p.Email != "" {
		t.Errorf("want a new person, have %+v", p)
	}
}

// TestDelete: a person who comes back after it is a new one.
func TestDelete(t *testing.T) {
	t.Parallel()
	sim := start(t)
	entity(t, sim, identify("5", `{"x":1,"email":"a@b.c"}`, 1))
	must(t, sim, 200, "PUT /api/v1/customers/5/devices", `{"device":{"id":"d","platform":"ios"}}`)
	before := person(t, sim, "5").CioID
	must(t, sim, 200, "DELETE /api/v1/customers/a@b.c", "")
	if _, found := sim.Person("site", "5"); found || sim.Stats().People != 0 {
		t.Error("want nobody there")
	}
	must(t, sim, 200, "POST /api/v1/customers/5/events", `{"name":"x"}`)
	if p := person(t, sim, "5"); p.CioID == before || len(p.Attributes) != 0 || len(p.Devices) != 0 || p.Events != 1 {
		t.Errorf("want a new person with one event, have %+v", p)
	}
}

// TestMerge: the primary keeps what it has and gets what it has not.
func TestMerge(t *testing.T) {
	t.Parallel()
	sim := start(t)
	entity(t, sim, identify("1", `{"plan":"a"}`, 1))
	entity(t, sim, identify("2", `{"plan":"b","city":"x","email":"a@b.c"}`, 5))
	must(t, sim, 200, "POST /api/v1/customers/2/events", `{"name":"x"}`)
	must(t, sim, 200, "PUT /api/v1/customers/2/devices", `{"device":{"id":"d","platform":"ios"}}`)
	must(t, sim, 200, "POST /api/v1/segments/7/add_customers", `{"ids":["2","nobody"]}`)
	entity(t, sim, `{"type":"person","action":"add_relationships","identifiers":{"id":"2"},`+
		`"cio_relationships":[{"identifiers":{"object_type_id":"1","object_id":"acme"},"relationship_attributes":{"role":"boss"}}]}`)
	must(t, sim, 200, "POST /api/v1/merge_customers", `{"primary":{"id":"1"},"secondary":{"email":"A@b.c"}}`)

	p := person(t, sim, "a@b.c")
	if p.ID != "1" || attribute(p, "plan") != `"a"` || attribute(p, "city") != `"x"` || p.Events != 1 || len(p.Devices) != 1 ||
		len(p.Segments) != 1 || len(p.Related) != 1 || p.Related[0].With != "1:acme" {
		t.Errorf("want everything on 1, have %+v", p)
	}
	if _, found := sim.Person("site", "2"); found || sim.Stats().People != 1 {
		t.Error("want nobody under 2, and one person in all")
	}
	if o, found := sim.Object("site", "1", "acme"); !found || len(o.Related) != 1 || o.Related[0].With != "1" {
		t.Errorf("want the object related to 1 alone, have %+v", o)
	}
}

// TestAnonymous: who is identified with an anonymous id did what was done
// under it in the last thirty days.
func TestAnonymous(t *testing.T) {
	t.Parallel()
	sim := start(t)
	const day = 24 * 3600
	for _, at := range []int64{100 * day, 69 * day} { // one is 31 days old
		must(t, sim, 200, "POST /api/v1/events", fmt.Sprintf(`{"name":"x","anonymous_id":"q","timestamp":%d}`, at))
	}
	if p := person(t, sim, "q"); p.Events != 2 || p.CioID != "" || sim.Stats().People != 0 {
		t.Errorf("want two events of nobody in particular, have %+v", p)
	}
	entity(t, sim, identify("5", `{"anonymous_id":"q"}`, 100*day))
	must(t, sim, 200, "POST /api/v1/events", `{"name":"x","anonymous_id":"q"}`)
	if p := person(t, sim, "q"); p.ID != "5" || p.Events != 2 {
		t.Errorf("want the young event and the one after, on 5; have %+v", p)
	}
}

// TestBelongings: devices move with their user, objects and people know of
// each other from both ends, segments take whom they know.
func TestBelongings(t *testing.T) {
	t.Parallel()
	sim := start(t)
	device := `"device":{"token":"t","platform":"ios"}}`
	entity(t, sim, `{"type":"person","action":"add_device","identifiers":{"id":"1"},`+device)
	must(t, sim, 200, "PUT /api/v1/customers/2/devices", `{"device":{"id":"t","platform":"ios"}}`)
	if one, two := person(t, sim, "1"), person(t, sim, "2"); len(one.Devices) != 0 || len(two.Devices) != 1 {
		t.Errorf("want the device with 2, have %v and %v", one.Devices, two.Devices)
	}
	entity(t, sim, `{"type":"person","action":"delete_device","identifiers":{"id":"1"},`+device)
	if two := person(t, sim, "2"); len(two.Devices) != 1 {
		t.Error("want the device of 2 left alone by 1")
	}
	must(t, sim, 200, "DELETE /api/v1/customers/2/devices/t", "")
	if two := person(t, sim, "2"); len(two.Devices) != 0 {
		t.Error("want no device left")
	}
	entity(t, sim, `{"type":"object","action":"identify","identifiers":{"object_type_id":"1","object_id":"acme"},`+
		`"attributes":{"name":"Acme"},"cio_relationships":[{"identifiers":{"id":"1"}}]}`)
	relations := `"cio_relationships":{"action":"delete_relationships","relationships":[{"identifiers":{"object_type_id":"1","object_id":"acme"}}]}`
	if o := object(t, sim); len(o.Related) != 1 || attribute(o, "name") != `"Acme"` || len(person(t, sim, "1").Related) != 1 {
		t.Errorf("want 1 and acme related, have %+v", o)
	}
	must(t, sim, 200, "PUT /api/v1/customers/1", "{"+relations+"}")
	if o := object(t, sim); len(o.Related) != 0 || len(person(t, sim, "1").Related) != 0 {
		t.Errorf("want nobody related, have %+v", o)
	}
	entity(t, sim, `{"type":"object","action":"delete","identifiers":{"cio_object_id":"`+object(t, sim).CioObjectID+`"}}`)
	if stats := sim.Stats(); stats.Objects != 0 || stats.People != 2 {
		t.Errorf("want no object and two people, have %+v", stats)
	}
	must(t, sim, 200, "POST /api/v1/segments/7/add_customers", `{"ids":["1","2"]}`)
	must(t, sim, 200, "POST /api/v1/segments/7/remove_customers", `{"ids":["2"]}`)
	if one, two := person(t, sim, "1"), person(t, sim, "2"); len(one.Segments) != 1 || len(two.Segments) != 0 {
		t.Errorf("want 1 in the segment and 2 not, have %v and %v", one.Segments, two.Segments)
	}
}

func object(t *testing.T, sim *simulator.Simulator) simulator.Person {
	t.Helper()
	must(t, sim, 200, "GET /_sim/objects/1/acme", "")
	o, _ := sim.Object("", "1", "acme")
	return o
}

// TestForm makes the person, and counts no event.
func TestForm(t *testing.T) {
	t.Parallel()
	sim := start(t)
	must(t, sim, 204, "POST /api/v1/forms/f/submit", `{"data":{"email":"a@b.c","first_name":"A"}}`)
	if p := person(t, sim, "a@b.c"); attribute(p, "first_name") != `"A"` {
		t.Errorf("want the name, have %+v", p)
	}
	if a := last(t, sim); a.Op != "form" || a.Name != "f" || a.Status != 204 || !a.Effect {
		t.Errorf("want the form in the history, have %+v", a)
	}
}
