package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Every endpoint of Track API v1, by every path that it has.
func v1Routes() map[string]string {
	return map[string]string{
		"PUT /api/v1/customers/5":                   "identify",
		"DELETE /api/v1/customers/5":                "delete",
		"PUT /api/v1/customers/5/devices":           "add_device",
		"DELETE /api/v1/customers/5/devices/d":      "delete_device",
		"POST /api/v1/customers/5/suppress":         "suppress",
		"POST /api/v1/customers/5/unsuppress":       "unsuppress",
		"POST /api/v1/customers/5/events":           "track",
		"POST /api/v1/events":                       "track_anonymous",
		"POST /api/v1/merge_customers":              "merge",
		"POST /api/v1/metrics":                      "metrics",
		"POST /api/v1/push/events":                  "push_events",
		"POST /push/events":                         "push_events",
		"POST /unsubscribe/d":                       "unsubscribe",
		"POST /api/v1/forms/f/submit":               "form",
		"POST /api/v1/segments/7/add_customers":     "segment_add",
		"POST /api/v1/segments/7/remove_customers":  "segment_remove",
		"GET /api/v1/accounts/region":               "region",
		"PUT /api/v1/customers/suppress":            "identify",
		"POST /api/v1/customers/events/events":      "track",
		"DELETE /api/v1/customers/devices":          "delete",
		"DELETE /api/v1/customers/a%2Fb/devices/c+": "delete_device",
	}
}

func TestV1Routes(t *testing.T) {
	t.Parallel()
	for line, want := range v1Routes() {
		method, path, _ := strings.Cut(line, " ")
		e, _ := v1Endpoint(method, path)
		if e == nil {
			t.Errorf("%s: want %s, have no endpoint", line, want)
			continue
		}
		if e.name != want || !slices.Contains(endpointNames(), e.name) {
			t.Errorf("%s: want %s, have %s", line, want, e.name)
		}
		if open := slices.Contains([]string{"metrics", "push_events", "unsubscribe"}, want); e.open != open {
			t.Errorf("%s: want open %v, have %v", line, open, e.open)
		}
		wantStatus, wantBody := http.StatusOK, "{}\n"
		if want == "form" {
			wantStatus, wantBody = http.StatusNoContent, ""
		}
		if e.ok.status != wantStatus || string(e.ok.body) != wantBody {
			t.Errorf("%s: want %d %q, have %d %q", line, wantStatus, wantBody, e.ok.status, e.ok.body)
		}
		if e.decode == nil || e.maxBody <= 0 {
			t.Errorf("%s: no decoder or no bound", line)
		}
		// What Allow promises is there, and nothing else.
		allow := strings.Split(v1Allow(path), ", ")
		for _, other := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			if e, _ := v1Endpoint(other, path); (e != nil) != slices.Contains(allow, other) {
				t.Errorf("%s %s: Allow is %q, the endpoint %v", other, path, allow, e)
			}
		}
		if !slices.Contains(allow, method) {
			t.Errorf("%s: Allow is %q", line, allow)
		}
	}
}

// Paths that v1 has not: nothing is cleaned, nothing is guessed.
func TestV1RoutesNowhere(t *testing.T) {
	t.Parallel()
	paths := []string{
		"", "/", "/api", "/api/v1", "/api/v1/", "/api/v1/customers", "/api/v1/customers/", "/api/v1/customers//",
		"/api/v1/customers//events", "/api/v1/customers/5/", "/api/v1/customers/5/events/", "/api/v1/customers/5/devices/",
		"/api/v1/customers/5/devices/d/", "/api/v1/customers/5/devices/d/e/f", "/api/v1/customers/5/event", "//api/v1/events",
		"/api/v1//events", "/api/v1/events/", "/api/v1/Events", "/api/v1/customers/5/%65vents", "/api%2Fv1/events",
		"/api/v1/./events", "/api/v1/merge_customers/", "/api/v1/metrics/", "/api/v1/push", "/api/v1/push/events/", "/push/events/",
		"/unsubscribe", "/unsubscribe/", "/unsubscribe/d/", "/unsubscribe/d/e", "/api/v1/unsubscribe/d", "/api/v1/forms//submit",
		"/api/v1/forms/f", "/api/v1/forms/f/submit/", "/api/v1/segments/7", "/api/v1/segments//add_customers",
		"/api/v1/segments/7/submit", "/api/v1/forms/f/add_customers", "/api/v1/accounts/region/", "/api/v2/batch", "/api/v1/customers/%zz",
	}
	for _, path := range paths {
		if allow := v1Allow(path); allow != "" && !strings.Contains(path, "%zz") {
			t.Errorf("%s: want no Allow, have %q", path, allow)
		}
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
			if e, _ := v1Endpoint(method, path); e != nil {
				t.Errorf("%s %s: want no endpoint, have %s", method, path, e.name)
			}
		}
	}
}

// FuzzV1Path sends a value through every way of escaping that libraries have,
// and wants it back as it was. The query of a real URL is none of the path.
func FuzzV1Path(f *testing.F) {
	for _, value := range []string{"5", "a b/c+d@e.com?x=1&y", "+", "%2F", "..", "ä", "a%", "\x00", "\xff", "a;b,c", "日本"} {
		f.Add(value, value)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		if first == "" || second == "" {
			return
		}
		for name, escape := range map[string]func(string) string{"go": url.PathEscape, "all": escapeAll} {
			u, err := url.Parse("http://gateway/api/v1/customers/" + escape(first) + "/devices/" + escape(second) + "?x=1")
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			e, args := v1Endpoint(http.MethodDelete, u.EscapedPath())
			if e == nil || !slices.Equal(args, []string{first, second}) {
				t.Errorf("%s: want %q and %q, have %q", name, first, second, args)
			}
		}
	})
}

// escapeAll is how Node, Python and Ruby escape: all that is not unreserved.
func escapeAll(value string) string {
	return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
}
