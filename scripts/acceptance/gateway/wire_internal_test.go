package gateway

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

func TestWireCaseCompare(t *testing.T) {
	t.Parallel()
	const json = "application/json; charset=utf-8"
	well, form := answer{200, "{}\n", json, 3}, answer{204, "", "", 0}
	track, region := wireCase{Target: "/api/v1/customers/5/events"}, wireCase{Target: "/api/v1/accounts/region"}
	known := answer{200, `{"url":"https://x","region":"us","environment_id":0}`, json, 52}
	for _, c := range []struct {
		name       string
		ask        wireCase
		have, want answer
		ok         bool
	}{
		{"the same", track, well, well, true},
		{"a form", track, form, form, true},
		{"a region", region, known, answer{200, `{"url":"https://y","region":"us","environment_id":7}`, json, 52}, true},
		{"created", track, answer{201, "{}\n", json, 3}, well, false},
		{"no newline", track, answer{200, "{}", json, 2}, well, false},
		{"of another type", track, answer{200, "{}\n", "application/json", 3}, well, false},
		{"chunked", track, answer{200, "{}\n", json, -1}, well, false},
		{"a form with a body", track, answer{204, "{}\n", json, 3}, form, false},
		{"a region without a number", region, answer{200, `{"url":"https://x","region":"us"}`, json, 31}, known, false},
		{"another region", region, answer{200, `{"url":"https://x","region":"eu","environment_id":0}`, json, 52}, known, false},
	} {
		if fault := c.ask.compare(c.have, c.want); (fault == "") != c.ok {
			t.Errorf("%s: want ok %v, have %q", c.name, c.ok, fault)
		}
	}
}

// TestWireCaseSendsItsBytes: neither the path nor a header is made anew.
func TestWireCaseSendsItsBytes(t *testing.T) {
	t.Parallel()
	var target, kind string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		target, kind = r.RequestURI, r.Header.Get("Content-Type")
	}))
	t.Cleanup(s.Close)
	c := wireCase{Method: "PUT", Target: "/a%20b%2Fc%2Bd//x?y", Headers: [][2]string{{"content-type", "odd/one"}, {"Content-Length", "2"}}, Body: "{}"}
	have, err := c.send(t.Context(), s.URL)
	if err != nil || have.status != http.StatusOK || target != c.Target || kind != "odd/one" {
		t.Errorf("want %s as %s, have %s as %s, %+v, %v", c.Target, "odd/one", target, kind, have, err)
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	have := differences([]string{"a", "b", "b"}, []string{"b", "c"})
	if want := []string{`+1 "a"`, `+1 "b"`, `-1 "c"`}; !slices.Equal(have, want) {
		t.Errorf("want %v, have %v", want, have)
	}
	if have := differences([]string{"a"}, []string{"a"}); len(have) != 0 {
		t.Errorf("want none, have %v", have)
	}
}

// TestSign holds the signature of the check to the published one.
func TestSign(t *testing.T) {
	t.Parallel()
	want := "31fdc34cec1c943db81930583dc72c6271d2c41e8664bd17cce30d6d5ef708c9"
	if have := sign("secret", "1613063089", `{"a":1}`); have != want {
		t.Errorf("want %s, have %s", want, have)
	}
}

func TestVerdictsArrived(t *testing.T) {
	t.Parallel()
	v := &verdicts{good: map[string]int{"a": 1, "b": 2}}
	for _, c := range []struct {
		name   string
		bodies []string
		ok     bool
	}{
		{"all", []string{"b", "a", "b"}, true},
		{"one missing", []string{"a", "b"}, false},
		{"one more", []string{"a", "a", "b", "b"}, false},
		{"a stranger", []string{"a", "b", "b", "c"}, false},
	} {
		var hits []hit
		for _, body := range c.bodies {
			hits = append(hits, hit{body: body})
		}
		if fault := v.arrived(hits); (fault == "") != c.ok {
			t.Errorf("%s: want ok %v, have %q", c.name, c.ok, fault)
		}
	}
}
