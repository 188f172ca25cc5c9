package simulator_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"

	"sluice/sink/simulator"
)

// start returns a simulator with the defaults, changed by the functions.
func start(t testing.TB, changes ...func(*simulator.Config)) *simulator.Simulator {
	t.Helper()
	cfg := simulator.DefaultConfig()
	for _, change := range changes {
		change(&cfg)
	}
	sim, err := simulator.New(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

func basic(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }

// request is a call by the workspace "site" with its key.
func request(t testing.TB, method, target, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.Header.Set("Authorization", basic("site:key"))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func serve(sim http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, r)
	return w
}

// call sends one request and returns status and body.
func call(t testing.TB, sim http.Handler, method, target, body string) (int, string) {
	t.Helper()
	w := serve(sim, request(t, method, target, body))
	return w.Code, w.Body.String()
}

// must sends one request that has to be answered with a status.
func must(t testing.TB, sim http.Handler, status int, line, body string) string {
	t.Helper()
	method, target, _ := strings.Cut(line, " ")
	have, answer := call(t, sim, method, target, body)
	if have != status {
		t.Fatalf("%s: want status %d, have %d %s", line, status, have, answer)
	}
	return answer
}

// entity sends one v2 entity that has to be taken.
func entity(t testing.TB, sim http.Handler, body string) {
	t.Helper()
	must(t, sim, http.StatusOK, "POST /api/v2/entity", body)
}

// configure makes a control call that has to be taken.
func configure(t testing.TB, sim http.Handler, body string) {
	t.Helper()
	must(t, sim, http.StatusOK, "POST /_sim/config", body)
}

// person asks the control API for a person of the workspace "site".
func person(t testing.TB, sim http.Handler, id string) simulator.Person {
	t.Helper()
	var p simulator.Person
	answer := must(t, sim, http.StatusOK, "GET /_sim/people/"+id+"?workspace=site", "")
	if err := json.Unmarshal([]byte(answer), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// last returns the newest line of the history.
func last(t testing.TB, sim *simulator.Simulator) simulator.Arrival {
	t.Helper()
	lines := sim.History()
	if len(lines) == 0 {
		t.Fatal("the history is empty")
	}
	return lines[len(lines)-1]
}

func attribute(p simulator.Person, name string) string { return string(p.Attributes[name]) }
