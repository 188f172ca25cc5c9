package simulator_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

const ulidA = "01HB4HBDKTFWYZCK01DMRSWRFD"

func longAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"a` + strconv.Itoa(i) + `":1`)
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}

// TestV1 asks every endpoint of v1 for what it takes and what it does not.
func TestV1(t *testing.T) {
	t.Parallel()
	const customer = "/api/v1/customers/5"
	long := strings.Repeat
	for _, c := range []struct {
		line, body string
		want       int
	}{
		// Bodies that look odd and are sent by the libraries.
		{"PUT " + customer, "null", 200},
		{"PUT " + customer, "", 200},
		{"PUT " + customer, " {} ", 200},
		{"POST " + customer + "/events", `{"name":"x","data":null}`, 200},
		{"PUT " + customer + "/devices", `{"device":{"id":"d","platform":"ios","last_used":"1613063089","attributes":null}}`, 200},
		{"DELETE " + customer, "", 200},
		{"DELETE " + customer, "{}", 200},
		{"POST " + customer + "/suppress", "", 200},
		{"POST " + customer + "/suppress", "{}", 200},
		{"POST " + customer + "/unsuppress", "{}", 200},
		{"PUT /api/v1/customers/a%20b%2Fc+d@e.com%3Fx=1&y", `{"x":"\u00e9"}`, 200},

		{"PUT " + customer, "[]", 400},
		{"PUT " + customer, `{"a":`, 400},
		{"PUT " + customer, "{\"a\":\"\xff\"}", 400},
		{"PUT " + customer, `{"_timestamp":"today"}`, 400},
		{"PUT " + customer, longAttributes(300), 200},
		{"PUT " + customer, longAttributes(301), 400},
		{"PUT " + customer, `{"` + long("n", 150) + `":"` + long("v", 1000) + `"}`, 200},
		{"PUT " + customer, `{"` + long("n", 151) + `":1}`, 400},
		{"PUT " + customer, `{"a":"` + long("v", 1001) + `"}`, 400},
		{"PUT /api/v1/customers/" + long("i", 150), "{}", 200},
		{"PUT /api/v1/customers/" + long("i", 151), "{}", 400},
		{"PUT " + customer, `{"cio_relationships":{"action":"add_relationships","relationships":[{"identifiers":{"object_type_id":"1","object_id":"a"}}]}}`, 200},
		{"PUT " + customer, `{"cio_relationships":{"action":"add_relationships","relationships":[{}]}}`, 400},

		{"POST " + customer + "/events", `{}`, 400},
		{"POST " + customer + "/events", ``, 400},
		{"POST " + customer + "/events", `{"name":""}`, 400},
		{"POST " + customer + "/events", `{"name":"` + long("n", 100) + `"}`, 200},
		{"POST " + customer + "/events", `{"name":"` + long("n", 101) + `"}`, 400},
		{"POST " + customer + "/events", `{"name":"x","data":[]}`, 400},
		{"POST " + customer + "/events", `{"name":"x","data":{"a":"` + long("v", 100_000-8) + `"}}`, 200},
		{"POST " + customer + "/events", `{"name":"x","data":{"a":"` + long("v", 100_000-7) + `"}}`, 400},
		{"POST " + customer + "/events", `{"name":"x","timestamp":1613063089.5}`, 200},
		{"POST " + customer + "/events", `{"name":"x","timestamp":"2020"}`, 400},
		{"POST " + customer + "/events", `{"name":"x","id":7}`, 400},
		{"POST " + customer + "/events", `{"name":"x","type":"other"}`, 200},
		{"POST /api/v1/events", `{"name":"x","anonymous_id":"a"}`, 200},
		{"POST /api/v1/events", `{"name":"x","data":{"recipient":"a@b.c"}}`, 200},
		{"POST /api/v1/events", `{"anonymous_id":"a"}`, 400},

		{"PUT " + customer + "/devices", `{"device":{"id":"d"}}`, 400},
		{"PUT " + customer + "/devices", `{"device":{"id":"d","platform":"symbian"}}`, 400},
		{"PUT " + customer + "/devices", `{}`, 400},
		{"DELETE " + customer + "/devices/d%2F1", ``, 200},

		{"POST /api/v1/merge_customers", `{"primary":{"id":"1"},"secondary":{"email":"a@b.c"}}`, 200},
		{"POST /api/v1/merge_customers", `{"primary":{"id":"1","email":"a@b.c"},"secondary":{"id":"2"}}`, 400},
		{"POST /api/v1/merge_customers", `{"primary":{"id":"1"}}`, 400},

		{"POST /push/events", `{"delivery_id":"d","event":"opened","device_id":"x","timestamp":1613063089}`, 200},
		{"POST /api/v1/push/events", `{"delivery_id":"d","event":"opened"}`, 200},
		{"POST /api/v1/push/events", `{"delivery_id":"d","event":"read"}`, 400},
		{"POST /api/v1/metrics", `{"delivery_id":"d","metric":"spammed"}`, 200},
		{"POST /api/v1/metrics", `{"metric":"spammed"}`, 400},
		{"POST /unsubscribe/d", `{"unsubscribe":true}`, 200},
		{"POST /api/v1/forms/f/submit", `{"data":{"email":"a@b.c","n":"x"}}`, 204},
		{"POST /api/v1/forms/f/submit", `{"data":{"id":"1","email":"a@b.c"}}`, 400},
		{"POST /api/v1/forms/f/submit", `{"data":{"n":"x"}}`, 400},
		{"POST /api/v1/forms/f/submit", `{"data":{"id":"1","n":2}}`, 400},
		{"POST /api/v1/segments/7/add_customers?id_type=email", `{"ids":["a@b.c"]}`, 200},
		{"POST /api/v1/segments/7/add_customers?id_type=phone", `{"ids":["1"]}`, 400},
		{"POST /api/v1/segments/7/remove_customers", `{"ids":["1"]}`, 200},
		{"POST /api/v1/segments/7/remove_customers", `{"ids":[]}`, 400},
		{"POST /api/v1/segments/7/add_customers", `{"ids":["1"` + long(`,"1"`, 999) + `]}`, 200},
		{"POST /api/v1/segments/7/add_customers", `{"ids":["1"` + long(`,"1"`, 1000) + `]}`, 400},

		// No cleaning of paths, no redirects, no other methods.
		{"PUT " + customer + "/", "{}", 404},
		{"PUT //api/v1/customers/5", "{}", 404},
		{"PUT /api/v1/customers/", "{}", 404},
		{"GET " + customer, "", 405},
		{"POST /api/v1/nothing", "{}", 404},
	} {
		name := c.line + " " + c.body
		t.Run(name[:min(len(name), 90)], func(t *testing.T) {
			t.Parallel()
			method, target, _ := strings.Cut(c.line, " ")
			have, answer := call(t, start(t), method, target, c.body)
			if have != c.want {
				t.Fatalf("want %d, have %d %s", c.want, have, answer)
			}
			if have == http.StatusBadRequest && !strings.HasPrefix(answer, `{"meta":{"error`) {
				t.Errorf("want the words of v1, have %s", answer)
			}
		})
	}
}

// TestV1Words checks the two wordings of a 400, which one library tells apart.
func TestV1Words(t *testing.T) {
	t.Parallel()
	sim := start(t)
	have := must(t, sim, 400, "POST /api/v1/customers/5/events", `{}`)
	if want := `{"meta":{"errors":["name is required"]}}` + "\n"; have != want {
		t.Errorf("want %s, have %s", want, have)
	}
	have = must(t, sim, 400, "POST /api/v1/merge_customers", `{"primary":{"id":"1"}}`)
	if want := `{"meta":{"error":"secondary is required"}}` + "\n"; have != want {
		t.Errorf("want %s, have %s", want, have)
	}
}

// TestUnsubscribeInsistsOnContentType: the one endpoint that does.
func TestUnsubscribeInsistsOnContentType(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]int{
		"application/json": 200, "application/json; charset=utf-8": 200, "text/plain": 400, "": 400,
	} {
		r := request(t, http.MethodPost, "/unsubscribe/d", `{"unsubscribe":true}`)
		r.Header.Set("Content-Type", contentType)
		if have := serve(start(t), r).Code; have != want {
			t.Errorf("Content-Type %q: want %d, have %d", contentType, want, have)
		}
	}
}

// TestEscapedPath: the identifier is what was escaped, and a plus is a plus.
func TestEscapedPath(t *testing.T) {
	t.Parallel()
	sim := start(t)
	const want = "a b/c+d@e.com?x=1&y"
	for _, target := range []string{
		"/api/v1/customers/a%20b%2Fc%2Bd%40e.com%3Fx%3D1%26y",
		"/api/v1/customers/a%20b%2Fc+d@e.com%3Fx=1&y",
	} {
		must(t, sim, 200, "PUT "+target, `{"x":1}`)
		if have := last(t, sim).User; have != want {
			t.Errorf("%s: want user %q, have %q", target, want, have)
		}
	}
}
