package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// v1Errors is what a refusal of v1 says; it fails when the shape is another.
func v1Errors(t *testing.T, line string, have reply) string {
	t.Helper()
	var body struct {
		Meta struct {
			Errors []string
			Error  string
		}
	}
	if err := json.Unmarshal(have.body, &body); err != nil || have.status != http.StatusBadRequest {
		t.Fatalf("%s: want a 400 in JSON, have %d %s", line, have.status, have.body)
	}
	if merge := strings.Contains(line, "merge"); merge != (body.Meta.Error != "") || merge == (len(body.Meta.Errors) == 1) {
		t.Errorf("%s: want the shape of its endpoint, have %s", line, have.body)
	}
	return body.Meta.Error + strings.Join(body.Meta.Errors, "")
}

// What is refused names its place, in the shape of v1, and never what was sent.
// The simulated API refuses it too, but where the case says that it does not.
func TestV1Refuses(t *testing.T) {
	t.Parallel()
	const (
		identify = "PUT /api/v1/customers/5"
		track    = "POST /api/v1/customers/5/events"
		device   = "PUT /api/v1/customers/5/devices"
		merge    = "POST /api/v1/merge_customers"
		form     = "POST /api/v1/forms/f/submit"
		segment  = "POST /api/v1/segments/7/add_customers"
		metrics  = "POST /api/v1/metrics"
		push     = "POST /push/events"
	)
	deep := strings.Repeat(`{"secret":`, 64) + "1" + strings.Repeat("}", 64)
	cases := []struct {
		line, body, want string
		stricter         bool // than the simulated API
	}{
		{identify, `{"secret":1`, "body", false},
		{identify, `["secret"]`, "body", false},
		{identify, `"secret"`, "body", false},
		{identify, `{} {}`, "body", false},
		{identify, "{\"a\":\"secret\xff\"}", "body", false},
		{identify, `{"a":"\ud800secret"}`, "body", false},
		{identify, `{"secret":1,"secret":2}`, "body", true},
		{identify, `{"a":{"\u0061":1,"a":2}}`, "body", true},
		{identify, deep, "body", true},
		{identify, `{"_timestamp":"secret"}`, "_timestamp", false},
		{identify, `{"_timestamp":-1}`, "_timestamp", false},
		{identify, `{"_timestamp":{}}`, "_timestamp", false},
		{identify, `{"_timestamp":true}`, "_timestamp", false},
		{identify, `{"cio_relationships":[]}`, "cio_relationships", false},
		{identify, `{"cio_relationships":{"relationships":[]}}`, "cio_relationships.action", true},
		{identify, `{"cio_relationships":{"action":"secret","relationships":[]}}`, "cio_relationships.action", true},
		{identify, `{"cio_relationships":{"action":"add_relationships"}}`, "cio_relationships.relationships", true},
		{identify, `{"cio_relationships":{"action":"add_relationships","relationships":{}}}`, "cio_relationships.relationships", false},
		{identify, `{"cio_relationships":{"action":"add_relationships","relationships":[1]}}`, "cio_relationships.relationships", false},
		{identify, `{"cio_relationships":{"action":"add_relationships","relationships":[{"identifiers":{"object_type_id":"1"}}]}}`, "cio_relationships.relationships", false},
		{identify, `{"cio_relationships":{"action":"delete_relationships","relationships":[{"identifiers":{"object_type_id":"1","object_id":"a","cio_object_id":"b"}}]}}`, "cio_relationships.relationships", true},
		{identify, `{"cio_relationships":{"action":"add_relationships","relationships":[{"identifiers":{"cio_object_id":"b"},"relationship_attributes":1}]}}`, "cio_relationships.relationships", false},
		{"PUT /api/v1/customers/cio_", `{}`, "identifier", false},
		{"PUT /api/v1/customers/" + strings.Repeat("a", 151), `{}`, "identifier", false},
		{"PUT /api/v1/customers/%FF", `{}`, "identifier", true},
		{"PUT /api/v1/customers/..", `{}`, "identifier", true},
		{"DELETE /api/v1/customers/%2E", ``, "identifier", true},
		{"POST /api/v1/customers/" + strings.Repeat("a", 151) + "/suppress", ``, "identifier", false},
		{track, ``, "name", false},
		{track, `null`, "name", false},
		{track, `{"name":""}`, "name", false},
		{track, `{"name":null}`, "name", false},
		{track, `{"name":["secret"]}`, "name", false},
		{track, `{"name":5}`, "name", true},
		{track, `{"name":"x","data":["secret"]}`, "data", false},
		{track, `{"name":"x","data":"secret"}`, "data", false},
		{track, `{"name":"x","id":5}`, "id", false},
		{track, `{"name":"x","timestamp":"secret"}`, "timestamp", false},
		{track, `{"name":"x","timestamp":"0x10"}`, "timestamp", false},
		{"POST /api/v1/customers/cio_/events", `{"name":"x"}`, "identifier", false},
		{"POST /api/v1/events", `{"anonymous_id":"a"}`, "name", false},
		{"POST /api/v1/events", `{"name":"x","anonymous_id":7}`, "anonymous_id", true},
		{"POST /api/v1/events", `{"name":"x","anonymous_id":"` + strings.Repeat("a", 151) + `"}`, "anonymous_id", false},
		{device, ``, "device", false},
		{device, `{"device":null}`, "device", false},
		{device, `{"device":"secret"}`, "device", false},
		{device, `{"device":{"platform":"ios"}}`, "device.id", false},
		{device, `{"device":{"id":"","platform":"ios"}}`, "device.id", false},
		{device, `{"device":{"token":"secret","platform":"ios"}}`, "device.id", false},
		{device, `{"device":{"id":"a"}}`, "device.platform", false},
		{device, `{"device":{"id":"a","platform":"secret"}}`, "device.platform", false},
		{device, `{"device":{"id":"a","platform":"ios","last_used":"secret"}}`, "device.last_used", true},
		{device, `{"device":{"id":"a","platform":"ios","attributes":[]}}`, "device.attributes", true},
		{device, `{"device":{"id":"a","platform":"ios","attributes":{"a":"` + strings.Repeat("x", 33_000) + `"}}}`, "device", true},
		{"DELETE /api/v1/customers/5/devices/%2E%2E", ``, "device_id", true},
		{"DELETE /api/v1/customers/5/devices/" + strings.Repeat("d", 1025), ``, "device_id", true},
		{merge, ``, "primary", false},
		{merge, `{"primary":{"id":"1"}}`, "secondary", false},
		{merge, `{"primary":"secret","secondary":{"id":"2"}}`, "primary", false},
		{merge, `{"primary":{"id":"1","email":"secret@x.io"},"secondary":{"id":"2"}}`, "primary", false},
		{merge, `{"primary":{"id":"1"},"secondary":{}}`, "secondary", false},
		{merge, `{"primary":{"id":"1"},"secondary":{"phone":"+4912345"}}`, "secondary", false},
		{merge, `{"primary":{"id":"1"},"secondary":{"email":"secret"}}`, "secondary.email", false},
		{merge, `{"primary":{"id":"1"},"secondary":{"id":""}}`, "secondary.id", false},
		{merge, `{"primary":{"id":"` + strings.Repeat("a", 151) + `"},"secondary":{"id":"2"}}`, "primary", false},
		{merge, `{"secret"`, "body", false},
		{form, ``, "data", false},
		{form, `{"data":[]}`, "data", false},
		{form, `{"data":{"name":"secret"}}`, "data", false},
		{form, `{"data":{"id":"1","email":"secret@x.io"}}`, "data", false},
		{form, `{"data":{"id":1}}`, "data", false},
		{form, `{"data":{"id":""}}`, "data.id", false},
		{form, `{"data":{"email":"secret"}}`, "data.email", false},
		{form, `{"data":{"id":"1","age":7}}`, "data", false},
		{form, `{"data":{"id":"1","age":null}}`, "data", false},
		{"POST /api/v1/forms/../submit", `{"data":{"id":"1"}}`, "form_id", true},
		{segment, ``, "ids", false},
		{segment, `{"ids":[]}`, "ids", false},
		{segment, `{"ids":"secret"}`, "ids", false},
		{segment, `{"ids":["1",2]}`, "ids", false},
		{segment + "?id_type=secret", `{"ids":["1"]}`, "id_type", false},
		{segment + "?id_type=phone", `{"ids":["1"]}`, "id_type", false},
		{"POST /api/v1/segments/%2E/remove_customers", `{"ids":["1"]}`, "segment_id", true},
		{metrics, ``, "delivery_id", false},
		{metrics, `{"delivery_id":"d"}`, "metric", false},
		{metrics, `{"delivery_id":"d","metric":"secret"}`, "metric", false},
		{metrics, `{"delivery_id":7,"metric":"opened"}`, "delivery_id", true},
		{metrics, `{"delivery_id":"d","metric":"opened","timestamp":"secret"}`, "timestamp", false},
		{push, `{"delivery_id":"d"}`, "event", false},
		{push, `{"delivery_id":"d","event":"clicked"}`, "event", false},
		{push, `{"event":"opened"}`, "delivery_id", false},
		{push, `{"event":"opened","delivery_id":"` + strings.Repeat("d", 151) + `"}`, "delivery_id", false},
		{"POST /unsubscribe/d", `["secret"]`, "body", false},
		{"POST /unsubscribe/d", `{"unsubscribe":"secret"}`, "unsubscribe", true},
		{"POST /unsubscribe/%2E%2E", `{}`, "delivery_id", true},
		{"POST /unsubscribe/" + strings.Repeat("d", 151), `{}`, "delivery_id", true},
	}
	sim := newWorlds(t)
	for i, tc := range cases {
		items, have := v1Send(t, tc.line, tc.body)
		name := strconv.Itoa(i) + " " + tc.line
		if len(items) > 0 {
			t.Errorf("%s %.200s: want a refusal, have %s", name, tc.body, items[0].value)
			continue
		}
		message := v1Errors(t, name, have)
		if place, _, _ := strings.Cut(message, " "); place != tc.want || strings.Contains(message, "secret") {
			t.Errorf("%s %.200s: want a fault of %s, have %q", name, tc.body, tc.want, message)
		}
		if direct, _ := sim.send(t, tc.line, tc.body); (direct == http.StatusBadRequest) == tc.stricter {
			t.Errorf("%s %.200s: the API answers %d", name, tc.body, direct)
		}
	}
}

// The one call that insists on its Content-Type.
func TestV1UnsubscribeContentType(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]int{
		"application/json": 0, "application/json; charset=utf-8": 0, "Application/JSON": 0,
		"": 400, "text/plain": 400, "application/x-www-form-urlencoded": 400, "application/json; charset": 400,
	} {
		items, have := v1UnsubscribeDelivery(&call{args: []string{"d"}, contentType: kind, body: []byte(`{"unsubscribe":true}`)})
		if have.status != want || (len(items) == 1) != (want == 0) {
			t.Errorf("%q: want %d, have %d with %d items", kind, want, have.status, len(items))
		}
	}
}

// Each published size, at its bound and one above.
func TestV1Limits(t *testing.T) {
	t.Parallel()
	x := func(n int) string { return strings.Repeat("x", n) }
	counted := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`"a` + strconv.Itoa(i) + `":1,`)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	ids := func(n int) string { return `{"ids":[` + strings.TrimSuffix(strings.Repeat(`"i",`, n), ",") + `]}` }
	related := func(attributes string) string {
		return `{"cio_relationships":{"action":"add_relationships","relationships":[{"identifiers":{"cio_object_id":"o"},"relationship_attributes":{` + attributes + `}}]}}`
	}
	const identify, track = "PUT /api/v1/customers/5", "POST /api/v1/customers/5/events"
	cases := []struct {
		name, line string
		body       func(over int) string
	}{
		{"person id", "", func(over int) string { return x(150 + over) }},
		{"email", "", func(over int) string { return x(145+over) + "@x.io" }},
		{"cio_id", "", func(over int) string { return "cio_" + x(150+over) }},
		{"attribute name", identify, func(over int) string { return `{"` + x(150+over) + `":1}` }},
		{"escaped name", identify, func(over int) string { return `{"\u00fc` + x(148+over) + `":1}` }},
		{"attribute value", identify, func(over int) string { return `{"a":"` + x(1000+over) + `"}` }},
		{"escaped value", identify, func(over int) string { return `{"a":"` + strings.Repeat(`\u0061`, 1000+over) + `"}` }},
		{"object value", identify, func(over int) string { return `{"a":["` + x(996+over) + `"]}` }},
		{"attributes", identify, func(over int) string {
			return `{"_timestamp":1,"_update":true,"cio_subscription_preferences":{"topics":{"t":"` + x(2000) + `"}},` + counted(300+over) + `}`
		}},
		{"relationship attributes", identify, func(over int) string { return related(counted(300 + over)) }},
		{"event name", track, func(over int) string { return `{"name":"` + x(100+over) + `"}` }},
		{"event data", track, func(over int) string { return `{"name":"x","data":{"a":"` + x(100_000-len(`{"a":""}`)+over) + `"}}` }},
		{"anonymous id", "POST /api/v1/events", func(over int) string { return `{"name":"x","anonymous_id":"` + x(150+over) + `"}` }},
		{"merged id", "POST /api/v1/merge_customers", func(over int) string { return `{"primary":{"id":"1"},"secondary":{"id":"` + x(150+over) + `"}}` }},
		{"form id", "POST /api/v1/forms/f/submit", func(over int) string { return `{"data":{"id":"` + x(150+over) + `"}}` }},
		{"form value", "POST /api/v1/forms/f/submit", func(over int) string { return `{"data":{"id":"1","a":"` + x(1000+over) + `"}}` }},
		{"segment ids", "POST /api/v1/segments/7/add_customers", func(over int) string { return ids(1000 + over) }},
	}
	for _, tc := range cases {
		for over, want := range map[int]int{0: 0, 1: http.StatusBadRequest} {
			line, body := tc.line, tc.body(over)
			if line == "" {
				line, body = "PUT /api/v1/customers/"+body, "{}"
			}
			items, have := v1Send(t, line, body)
			if have.status != want || (len(items) == 1) != (want == 0) {
				t.Errorf("%s, %d over: want %d, have %d %s", tc.name, over, want, have.status, have.body)
			}
			for _, i := range items {
				prepared(t, i)
			}
		}
	}
}

// What fills a body to its bound still fits into a call out.
func TestV1LargestFitsTheWayOut(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 299 {
		b.WriteString(`,"` + strconv.Itoa(1000+i) + strings.Repeat("n", 146) + `":"` + strings.Repeat("x", 1000) + `"`)
	}
	person := `{"cio_subscription_preferences":{"topics":{"t":""}}` + b.String() + "}"
	person = strings.Replace(person, `"t":"`, `"t":"`+strings.Repeat("x", v1MaxPersonBody-len(person)), 1)
	form := `{"data":{"id":"5"` + b.String() + `},"form_url":""}`
	form = strings.Replace(form, `_url":"`, `_url":"`+strings.Repeat("x", v1MaxPersonBody-len(form)), 1)
	for line, body := range map[string]string{
		"PUT /api/v1/customers/" + strings.Repeat("%01", 150): person,
		"POST /api/v1/forms/f/submit":                         form,
	} {
		if len(body) != v1MaxPersonBody {
			t.Fatalf("%.60s: %d bytes", line, len(body))
		}
		if direct, gateway := newWorlds(t).send(t, line, body); direct/100 != 2 || gateway/100 != 2 {
			t.Errorf("%.60s: the API answers %d, the gateway %d", line, direct, gateway)
		}
	}
}
