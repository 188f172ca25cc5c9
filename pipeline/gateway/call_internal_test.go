package gateway

import (
	"net/http"
	"slices"
	"testing"
)

// Every endpoint has a label of its own, known from the start, bounds its body
// and says how it answers; those that ask for no credentials can be opened.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	paths := []string{
		v2EntityPath, v2BatchPath, "/api/v1/customers/1", "/api/v1/customers/1/devices", "/api/v1/customers/1/devices/2",
		"/api/v1/customers/1/suppress", "/api/v1/customers/1/unsuppress", "/api/v1/customers/1/events", "/api/v1/events",
		"/api/v1/merge_customers", "/api/v1/metrics", "/api/v1/push/events", "/push/events", "/unsubscribe/1",
		"/api/v1/forms/1/submit", "/api/v1/segments/1/add_customers", "/api/v1/segments/1/remove_customers", "/api/v1/accounts/region",
	}
	seen := map[string]bool{"webhook": true, "other": true}
	for _, path := range paths {
		found := false
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			e, _ := route(method, path)
			if e == nil {
				continue
			}
			found = true
			seen[e.name] = true
			if !slices.Contains(endpointNames(), e.name) {
				t.Errorf("%s %s: %q is not in endpointNames", method, path, e.name)
			}
			if e.maxBody <= 0 || e.decode == nil || e.ok.status == 0 {
				t.Errorf("%s %s: want a bound, a decoder and an answer, have %+v", method, path, e)
			}
			if e.open != slices.Contains(openEndpoints(), e.name) {
				t.Errorf("%s %s: open %v, and openEndpoints does not say so", method, path, e.open)
			}
		}
		if !found {
			t.Errorf("%s: no endpoint", path)
		}
	}
	for _, name := range endpointNames() {
		if !seen[name] {
			t.Errorf("%q is no endpoint's name", name)
		}
	}
}
