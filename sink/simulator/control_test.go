package simulator_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"sluice/sink/simulator"
)

// TestReconfigure takes all that the flags take, in their words, and tells it
// back without secrets.
func TestReconfigure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := start(t)
		configure(t, sim, `{"region":"eu","key":["s1:secret1","s2:secret2@us"],"latency":"lognormal:20ms,200ms","limit":"1500/min",`+
			`"burst":10,"on_limit":"degrade","errors":"1%","down":true,"hang":"60s","cut":false,"fail_user":["b","a"]}`)
		configure(t, sim, `{"workspace":"s1","latency":"5ms","on_limit":429,"errors":0.5}`)
		time.Sleep(10 * time.Second)
		answer := must(t, sim, 200, "GET /_sim/config", "")
		if strings.Contains(answer, "secret") {
			t.Errorf("want no secret told, have %s", answer)
		}
		const want = `{"region":"eu","sites":["s1","s2"],"latency":"lognormal:20ms,200ms","limit":"25/s","burst":10,"on_limit":"degrade",` +
			`"errors":"1%","down":"true","hang":"50s","cut":"false","reject_key":"false","fail_user":["a","b"],"workspaces":{"s1":` +
			`{"latency":"5ms","limit":"25/s","burst":10,"on_limit":"429","errors":"50%","down":"true","hang":"50s","cut":"false",` +
			`"reject_key":"false","fail_user":["a","b"]}}}` + "\n"
		if answer != want {
			t.Errorf("want %s\nhave %s", want, answer)
		}
	})
}

// TestReconfigureFaults: everything wrong is told at once, and nothing changes.
func TestReconfigureFaults(t *testing.T) {
	t.Parallel()
	sim := start(t)
	before := must(t, sim, 200, "GET /_sim/config", "")
	for body, want := range map[string][]string{
		``:                                    {"read configuration"},
		`[]`:                                  {"read configuration"},
		`{} {}`:                               {"more than one"},
		`{"dwon":true}`:                       {"dwon"},
		`{"down":"soon"}`:                     {"down:"},
		`{"down":{}}`:                         {"must be a string"},
		`{"latency":"-1s","limit":"fast"}`:    {"latency:", "limit:"},
		`{"errors":"101%","burst":"-1"}`:      {"errors:", "burst:"},
		`{"on_limit":"503","key":"nocolon"}`:  {"on_limit:", "key[0]:"},
		`{"region":"mars","down":true}`:       {"region:"},
		`{"workspace":"a","key":"site:key"}`:  {"workspace:"},
		`{"latency":"lognormal:200ms,20ms"}`:  {"latency:"},
		`{"hang":"-5s","cut":"","burst":1.5}`: {"hang:", "cut:", "burst:"},
	} {
		answer := must(t, sim, 400, "POST /_sim/config", body)
		for _, part := range want {
			if !strings.Contains(answer, part) {
				t.Errorf("%s: want %q named, have %s", body, part, answer)
			}
		}
		if strings.Contains(answer, "nocolon") {
			t.Errorf("%s: want no key repeated, have %s", body, answer)
		}
	}
	if after := must(t, sim, 200, "GET /_sim/config", ""); after != before {
		t.Errorf("want nothing changed, have %s", after)
	}
}

// TestStatsAndReset: every event is counted once; state goes, settings stay.
func TestStatsAndReset(t *testing.T) {
	t.Parallel()
	sim := start(t)
	event := strings.Replace(sized(200), `"name"`, `"id":"`+ulidA+`","name"`, 1)
	must(t, sim, 207, "POST /api/v2/batch", `{"batch":[`+event+`,`+event+`,7]}`)
	must(t, sim, 200, "PUT /api/v1/customers/cio_none", `{}`)
	configure(t, sim, `{"down":true}`)
	must(t, sim, 503, trackLine, trackBody)
	var stats simulator.Stats
	if err := json.Unmarshal([]byte(must(t, sim, 200, "GET /_sim/stats", "")), &stats); err != nil {
		t.Fatal(err)
	}
	want := simulator.Counts{Requests: 3, Events: 5, Effects: 1, Repeats: 1, Ignored: 1, Rejected: 1, Failed: 1}
	if stats.Counts != want || stats.Workspaces["site"].Counts != want || stats.People != 1 || stats.Region != "us" {
		t.Errorf("want %+v, have %+v", want, stats)
	}
	if a := stats.Answers; len(a) != 3 || a[200] != 1 || a[207] != 1 || a[503] != 1 {
		t.Errorf("want one 200, 207 and 503, have %v", a)
	}
	must(t, sim, 200, "DELETE /_sim/state", "")
	if stats := sim.Stats(); stats.Requests != 0 || len(stats.Workspaces) != 0 || len(sim.History()) != 0 {
		t.Errorf("want nothing left, have %+v", stats)
	}
	must(t, sim, 503, trackLine, trackBody)
	configure(t, sim, `{"down":false}`)
	entity(t, sim, event)
	if a := last(t, sim); !a.Effect || a.Attempt != 2 {
		t.Errorf("want the id forgotten and attempts counted anew, have %+v", a)
	}
	must(t, sim, 404, "GET /_sim/people/nobody", "")
	must(t, sim, 404, "GET /_sim/people/5?workspace=other", "")
	must(t, sim, 404, "GET /_sim/nothing", "")
	must(t, sim, 404, "POST /_sim/health", "")
}

// TestQuantities: what is parsed is written as it can be parsed again.
func TestQuantities(t *testing.T) {
	t.Parallel()
	latency := func(text string) (string, error) { v, err := simulator.ParseLatency(text); return v.String(), err }
	limit := func(text string) (string, error) { v, err := simulator.ParseLimit(text); return v.String(), err }
	share := func(text string) (string, error) { v, err := simulator.ParseShare(text); return v.String(), err }
	onLimit := func(text string) (string, error) { v, err := simulator.ParseOnLimit(text); return string(v), err }
	for _, c := range []struct {
		parse      func(string) (string, error)
		text, want string // want "" for an error
	}{
		{latency, "", "0s"},
		{latency, "0", "0s"},
		{latency, "20ms", "20ms"},
		{latency, "lognormal:20ms,200ms", "lognormal:20ms,200ms"},
		{latency, "lognormal:20ms, 20ms", "20ms"},
		{latency, "20", ""},
		{latency, "lognormal:20ms", ""},
		{latency, "lognormal:0s,1s", ""},
		{latency, "lognormal:1s,x", ""},
		{limit, "", "unlimited"},
		{limit, "unlimited", "unlimited"},
		{limit, "100/s", "100/s"},
		{limit, "1500/min", "25/s"},
		{limit, "1/10s", "0.1/s"},
		{limit, "36000/h", "10/s"},
		{limit, "3000/3s", "1000/s"},
		{limit, "0", "unlimited"},
		{limit, "100", ""},
		{limit, "-1/s", ""},
		{limit, "1/0s", ""},
		{limit, "x/s", ""},
		{limit, "NaN/s", ""},
		{limit, "Inf/s", ""},
		{share, "", "0%"},
		{share, "1%", "1%"},
		{share, "0.01", "1%"},
		{share, "100%", "100%"},
		{share, "0.5%", "0.5%"},
		{share, "101%", ""},
		{share, "-1%", ""},
		{share, "NaN", ""},
		{share, "x", ""},
		{onLimit, "", "429"},
		{onLimit, "429", "429"},
		{onLimit, "degrade", "degrade"},
		{onLimit, "drop", ""},
	} {
		have, err := c.parse(c.text)
		if (err != nil) != (c.want == "") || err == nil && have != c.want {
			t.Errorf("%q: want %q, have %q (%v)", c.text, c.want, have, err)
			continue
		}
		if again, err2 := c.parse(have); err == nil && (err2 != nil || again != have) {
			t.Errorf("%q: want %q read back, have %q (%v)", c.text, have, again, err2)
		}
	}
}

// TestValidate reports all faults, by path.
func TestValidate(t *testing.T) {
	t.Parallel()
	if err := simulator.DefaultConfig().Validate(); err != nil {
		t.Errorf("want the default to hold, have %v", err)
	}
	bad := simulator.Config{
		Region: "mars", Keys: []simulator.Key{{Site: "a", Secret: "hidden"}, {Site: "b"}}, Latency: simulator.Latency{Median: 2, P99: 1},
		Limit: -1, Burst: -1, OnLimit: "x", Errors: 2,
	}
	_, err := simulator.New(bad, zap.NewNop())
	if err == nil {
		t.Fatal("want an error, have none")
	}
	for _, path := range []string{"region:", "keys[1]:", "latency:", "limit:", "burst:", "on_limit:", "errors:"} {
		if !strings.Contains(err.Error(), path) {
			t.Errorf("want %s named, have %v", path, err)
		}
	}
	if strings.Contains(err.Error(), "keys[0]") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("want neither the good key nor a secret, have %v", err)
	}
}

// TestParseKey reads the region off the end and repeats no secret.
func TestParseKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]simulator.Key{
		"s:k": {Site: "s", Secret: "k"}, "s:k@eu": {Site: "s", Secret: "k", Region: "eu"}, "s:k@us": {Site: "s", Secret: "k", Region: "us"},
		"s:a:b": {Site: "s", Secret: "a:b"}, "s:k@de": {Site: "s", Secret: "k@de"}, "secret": {}, ":secret": {}, "s:": {}, "s:@eu": {}, "": {},
	} {
		have, err := simulator.ParseKey(text)
		if have != want || (err != nil) != (want == simulator.Key{}) {
			t.Errorf("%q: want %+v, have %+v (%v)", text, want, have, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: want no secret repeated, have %v", text, err)
		}
	}
}
