package rig_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"sluice/scripts/acceptance/rig"
)

func TestSimulatorProfiles(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.EscapedPath() + " " + r.URL.RawQuery {
		case "/_sim/people/a%2Fb+c workspace=shop":
			_, _ = w.Write([]byte(`{"id":"a/b+c","attributes":{"x":1},"devices":[{"id":"d1"},{"token":"d2","platform":"ios"}],"events":3}`))
		case "/_sim/objects/1/acme workspace=shop":
			_, _ = w.Write([]byte(`{"object":"1:acme","related":[{"with":"u1"}]}`))
		case "/_sim/people/broken workspace=shop":
			_, _ = w.Write([]byte(`{`))
		case "/_sim/people/down workspace=shop":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	sim := &rig.Simulator{URL: s.URL}
	p, found, err := sim.Person(t.Context(), "shop", "a/b+c")
	if err != nil || !found || p.ID != "a/b+c" || string(p.Attributes["x"]) != "1" || p.Events != 3 ||
		len(p.Devices) != 2 || p.Devices[0].Name() != "d1" || p.Devices[1].Name() != "d2" {
		t.Errorf("have %+v, %v, %v", p, found, err)
	}
	o, found, err := sim.Object(t.Context(), "shop", "1", "acme")
	if err != nil || !found || o.Object != "1:acme" || len(o.Related) != 1 || o.Related[0].With != "u1" {
		t.Errorf("have %+v, %v, %v", o, found, err)
	}
	if _, found, err := sim.Person(t.Context(), "shop", "nobody"); found || err != nil {
		t.Errorf("nobody: have %v, %v", found, err)
	}
	for _, id := range []string{"broken", "down"} {
		if _, _, err := sim.Person(t.Context(), "shop", id); err == nil {
			t.Errorf("%s: want an error", id)
		}
	}
}
