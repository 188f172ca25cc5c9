package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/sink"
	"sluice/sink/customerio"
	"sluice/sink/simulator"
)

// worlds are two simulated workspaces: what is sent to one directly goes to the
// other through the door and out again, and both must become the same.
type worlds struct {
	direct, relayed *simulator.Simulator
	door            http.Handler
	log             *partitionLog
	out             *customerio.Sink
}

// partitionLog keeps what the door appends, in the place of Kafka.
type partitionLog struct {
	mu      sync.Mutex
	records []event.Record // guarded by mu
}

// Append keeps a record, whose bytes may be reused once it is acknowledged.
func (l *partitionLog) Append(_ context.Context, r event.Record, done func(partition.Position, error)) {
	r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
	r.Headers = slices.Clone(r.Headers)
	for i := range r.Headers {
		r.Headers[i].Value = bytes.Clone(r.Headers[i].Value)
	}
	l.mu.Lock()
	r.Offset = int64(len(l.records))
	l.records = append(l.records, r)
	l.mu.Unlock()
	done(partition.Position{}, nil)
}

// from returns the records that stand after the first n.
func (l *partitionLog) from(n int) []event.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.records[n:])
}

func newWorlds(t *testing.T) *worlds {
	t.Helper()
	w := &worlds{log: &partitionLog{}}
	for _, sim := range []**simulator.Simulator{&w.direct, &w.relayed} {
		var err error
		if *sim, err = simulator.New(simulator.DefaultConfig(), zap.NewNop()); err != nil {
			t.Fatal(err)
		}
	}
	door := DefaultConfig()
	door.Credentials = []Credential{{SiteID: "site", APIKey: "key", Stream: "events"}}
	door.Open = map[string]string{"metrics": "events", "push_events": "events", "unsubscribe": "events"}
	door.RatePerAddress = 0
	g, err := New(door, []Stream{{Name: "events", Topic: "events", Region: "us"}}, w.log, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	w.door = g.Handler()

	server := httptest.NewServer(w.relayed)
	t.Cleanup(server.Close)
	cfg := customerio.DefaultConfig()
	cfg.Workspace, cfg.Region, cfg.SiteID, cfg.APIKey, cfg.BaseURL = "a", "us", "site", "key", server.URL
	if w.out, err = customerio.New(cfg, zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.out.Close)
	return w
}

// send makes a call in both worlds, delivers what the door made of it, and
// returns the two answers' status. Their bodies must be alike when both take it.
func (w *worlds) send(t *testing.T, line, body string) (direct, gateway int) {
	t.Helper()
	method, target, _ := strings.Cut(line, " ")
	var answers [2]*httptest.ResponseRecorder
	before := len(w.log.from(0))
	for i, h := range []http.Handler{w.direct, w.door} {
		r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		r.SetBasicAuth("site", "key")
		r.Header.Set("Content-Type", "application/json")
		answers[i] = httptest.NewRecorder()
		h.ServeHTTP(answers[i], r)
	}
	if a, b := answers[0], answers[1]; a.Code/100 == 2 && b.Code/100 == 2 && a.Body.String() != b.Body.String() {
		t.Errorf("%s: the API answers %q, the gateway %q", line, a.Body, b.Body)
	}
	for _, r := range w.log.from(before) {
		w.deliver(t, r)
	}
	return answers[0].Code, answers[1].Code
}

// deliver does with a record what the pipeline does.
func (w *worlds) deliver(t *testing.T, r event.Record) {
	t.Helper()
	e := new(event.Event)
	e.Load(r, "cluster")
	if w.out.Prepare(e); e.Fault != nil {
		t.Fatalf("%.200s: %+v", r.Value, *e.Fault)
	}
	if have := w.out.Deliver(t.Context(), []*event.Event{e}); have.Verdict != sink.Delivered || len(have.Items) > 0 {
		t.Fatalf("%.200s: %+v", r.Value, have)
	}
}

// compare wants both worlds alike: their people, and their histories.
func (w *worlds) compare(t *testing.T, sameHistory bool, people ...string) {
	t.Helper()
	for _, id := range people {
		want, wantFound := w.direct.Person("site", id)
		have, haveFound := w.relayed.Person("site", id)
		if !wantFound || !haveFound {
			if wantFound == haveFound {
				continue
			}
			t.Errorf("%s: want found %v, have %v", id, wantFound, haveFound)
			continue
		}
		for name, at := range want.Timestamps {
			if d := at - have.Timestamps[name]; d < -5 || d > 5 { // the clock's, when the call named none
				t.Errorf("%s.%s: want time %d, have %d", id, name, at, have.Timestamps[name])
			}
		}
		if a, b := likeness(t, want), likeness(t, have); !reflect.DeepEqual(a, b) {
			t.Errorf("%s:\nwant %v\nhave %v", id, a, b)
		}
	}
	if !sameHistory {
		return
	}
	want, have := w.direct.History(), w.relayed.History()
	if len(want) != len(have) {
		t.Fatalf("want %d calls, have %d", len(want), len(have))
	}
	for i := range want {
		a, b := want[i], have[i]
		if a.ID == "" {
			b.ID = "" // every event has an id when it leaves us
		}
		a.Time, b.Time, a.Attempt, b.Attempt = 0, 0, 0, 0
		if a != b {
			t.Errorf("call %d:\nwant %+v\nhave %+v", i, a, b)
		}
	}
}

// likeness is a person without what the two worlds word differently: the
// token of a device, which v1 calls its id, and the times, compared before.
func likeness(t *testing.T, p simulator.Person) map[string]any {
	t.Helper()
	p.Timestamps = nil
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	for _, d := range out["devices"].([]any) {
		device := d.(map[string]any)
		if id, found := device["id"]; found {
			device["token"] = id
			delete(device, "id")
		}
		if text, quoted := device["last_used"].(string); quoted {
			device["last_used"], _ = strconv.ParseFloat(text, 64)
		}
		for name, value := range device {
			if value == nil {
				delete(device, name)
			}
		}
	}
	return out
}

// fields is n attributes that take size bytes in all.
func fields(n, size int) string {
	var b strings.Builder
	each := size/n - len(`"a000":"",`)
	for i := range n {
		b.WriteString(`"a` + strconv.Itoa(1000 + i)[1:] + `":"` + strings.Repeat("x", each) + `",`)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// What a call does when it is sent to the API, it does when it is sent to the
// gateway: every endpoint, odd bodies and large ones included.
func TestV1AgainstTheOracle(t *testing.T) {
	t.Parallel()
	const acme = `{"identifiers":{"object_type_id":"1","object_id":"acme"},"relationship_attributes":{"role":"x"}}`
	const beta = `{"identifiers":{"object_type_id":1,"object_id":7}}`
	person := func(id string) string { return "/api/v1/customers/" + id }
	cases := []struct {
		name   string
		people []string
		calls  [][2]string
	}{
		{"identify", []string{"5", "a@b.io", "5 /+", "7", "nobody", "quoted"}, [][2]string{
			{"PUT " + person("5"), `{"email":"bob@example.com","created_at":1361205308,"price":1.10,"big":12345678901234567890,"e":1e3}`},
			{"PUT " + person("5"), `null`},
			{"PUT " + person("5"), ``},
			{"PUT " + person("5"), `{"unsubscribed":true,"cio_subscription_preferences":{"topics":{"topic_1":true}},"cio_subscription_preferences.topics.topic_2":false}`},
			{"PUT " + person("a@b.io"), "{\"n\" : {\"deep\": [1, 2]},\n \"name\":\"J\\u00fcrgen \u65e5\"}"},
			{"PUT " + person("5%20%2F+"), `{"x":"\/\"\\"}`},
			{"PUT " + person("7"), `{"_timestamp":1600000100,"plan":"new","a":1}`},
			{"PUT " + person("7"), `{"plan":"old","_timestamp":1600000000,"a":2}`},
			{"PUT " + person("7"), `{"_timestamp":1600000200.9,"c":3}`},
			{"PUT " + person("7"), `{"_timestamp":null,"cio_relationships":null,"d":4}`},
			{"PUT " + person("nobody"), `{"_update":true,"x":1}`},
			{"PUT " + person("quoted"), `{"\u0061":1,"_update":false}`},
			{"PUT " + person("cio_a3000001"), `{"by_cio":true}`},
			{"PUT " + person("cio_unknown"), `{"by_cio":true}`},
		}},
		{"relationships", []string{"5", "6"}, [][2]string{
			{"PUT " + person("5"), `{"a":1,"cio_relationships":{"action":"add_relationships","relationships":[` + acme + `,` + beta + `]},"b":2}`},
			{"PUT " + person("6"), `{"cio_relationships":{"relationships":[` + acme + `],"action":"add_relationships"},"_timestamp":1600000000}`},
			{"PUT " + person("6"), `{"cio_relationships":{"action":"add_relationships","relationships":[]}}`},
		}},
		{"events", []string{"5", "a@b.io"}, [][2]string{
			{"POST " + person("5") + "/events", `{"name":"purchase","data":{"price":23.45,"_seq":1,"_n":9}}`},
			{"POST " + person("5") + "/events", `{"name":"purchase","data":null}`},
			{"POST " + person("5") + "/events", `{"name":"x","type":"event","id":"01HB4HBDKTFWYZCK01DMRSWRFD","timestamp":1613063089,"data":{}}`},
			{"POST " + person("5") + "/events", `{"name":"x","type":"event","id":"01HB4HBDKTFWYZCK01DMRSWRFD","timestamp":1613063089,"data":{}}`},
			{"POST " + person("5") + "/events", `{"type":"page","name":"/home","id":null,"timestamp":null}`},
			{"POST " + person("5") + "/events", `{"type":"screen","name":"Home","id":""}`},
			{"POST " + person("5") + "/events", `{"type":"track","name":"odd type","anonymous_id":"x","unknown":[{}]}`},
			{"POST " + person("a@b.io") + "/events", `{"name":"\u00fc\ud83d\ude00","timestamp":1613063089.5,"data":{"recipient":"r@x.io"}}`},
			{"POST " + person("5") + "/events", `{"name":"large","data":{"_seq":2,` + fields(40, 40_000) + `}}`},
			{"POST " + person("a@b.io") + "/events", `{"name":"largest","type":"page","data":{` + fields(100, 99_900) + `}}`},
		}},
		{"anonymous", []string{"anon-1", "5"}, [][2]string{
			{"POST /api/v1/events", `{"name":"watched","data":{"video":"intro"},"anonymous_id":"anon-1"}`},
			{"POST /api/v1/events", `{"name":"invited","data":{"recipient":"new@x.io"}}`},
			{"POST /api/v1/events", `{"name":"invited","timestamp":1613063089,"anonymous_id":"","data":{"recipient":"new@x.io"},"id":"01HB4HBDKTFWYZCK01DMRSWRFE"}`},
			{"POST /api/v1/events", `{"name":"invited","id":"01HB4HBDKTFWYZCK01DMRSWRFE","timestamp":1613063089,"anonymous_id":null}`},
			{"POST /api/v1/events", `{"name":"/","type":"page","anonymous_id":"anon-1","id":"01HB4HBDKTFWYZCK01DMRSWRFD"}`},
			{"POST /api/v1/events", `{"name":"/","type":"page","anonymous_id":"anon-1","id":"01HB4HBDKTFWYZCK01DMRSWRFD"}`},
			{"POST /api/v1/events", `{"name":"large","anonymous_id":"anon-1","data":{` + fields(60, 60_000) + `}}`},
			{"PUT " + person("5"), `{"anonymous_id":"anon-1"}`},
		}},
		{"devices", []string{"5", "6"}, [][2]string{
			{"PUT " + person("5") + "/devices", `{"device":{"id":"dev-1","platform":"ios","last_used":1613063089,"attributes":{"app_version":"1.2","push_enabled":"true"}}}`},
			{"PUT " + person("5") + "/devices", `{"device":{"id":"dev/2","platform":"android","last_used":"1613063089","attributes":null}}`},
			{"PUT " + person("5") + "/devices", `{"device":{"platform":"android","id":"d\u00fc","extra":[1.50]}}`},
			{"PUT " + person("6") + "/devices", `{"device":{"id":"dev-1","platform":"ios","last_used":null}}`},
			{"DELETE " + person("5") + "/devices/dev%2F2", ``},
			{"DELETE " + person("5") + "/devices/nobody%27s", `{}`},
		}},
		{"life and death", []string{"5", "6", "7"}, [][2]string{
			{"PUT " + person("5"), `{"email":"five@x.io"}`},
			{"POST " + person("5") + "/suppress", `{}`},
			{"PUT " + person("five@x.io"), `{"ignored":true}`},
			{"POST " + person("5") + "/unsuppress", ``},
			{"PUT " + person("5"), `{"again":true}`},
			{"PUT " + person("6"), `{"a":1}`},
			{"DELETE " + person("6"), `{}`},
			{"PUT " + person("7"), `{"a":1}`},
			{"DELETE " + person("7"), ``},
			{"POST " + person("7") + "/suppress", ``},
		}},
		{"merge", []string{"5", "b@x.io", "6"}, [][2]string{
			{"PUT " + person("5"), `{"a":1}`},
			{"PUT " + person("b@x.io"), `{"b":2}`},
			{"PUT " + person("6"), `{"c":3}`},
			{"POST /api/v1/merge_customers", `{"primary":{"id":"5"},"secondary":{"email":"B@x.io"}}`},
			{"POST /api/v1/merge_customers", `{"secondary":{"cio_id":"a3000003","email":null},"primary":{"id":5}}`},
			{"POST /api/v1/merge_customers", `{"primary":{"id":"5"},"secondary":{"id":"unknown"}}`},
		}},
		{"beyond v2", []string{"5", "f@x.io", "seven", "a3000001"}, [][2]string{
			{"PUT " + person("5"), `{"a":1}`},
			{"POST /api/v1/forms/news%2Fletter+1/submit", `{"data":{"email":"f@x.io","first_name":"A"},"form_url":"https://x"}`},
			{"POST /api/v1/forms/f/submit", `{"data":{"id":"seven","x":"` + strings.Repeat("y", 1000) + `"}}`},
			{"POST /api/v1/segments/7/add_customers", `{"ids":["5","nobody"]}`},
			{"POST /api/v1/segments/8/add_customers?id_type=email", `{"ids":["f@x.io"]}`},
			{"POST /api/v1/segments/9/add_customers?id_type=cio_id", `{"ids":["a3000001"]}`},
			{"POST /api/v1/segments/7/remove_customers?id_type=id", `{"ids":["5"]}`},
			{"POST /api/v1/metrics", `{"delivery_id":"RPILAg","metric":"clicked","href":"https://x","timestamp":1613063089}`},
			{"POST /api/v1/metrics", `{"metric":"bounced","delivery_id":"RPILAg","reason":"no such box","timestamp":null}`},
			{"POST /api/v1/push/events", `{"delivery_id":"RPILAg","event":"opened","device_id":"dev","timestamp":1613063089}`},
			{"POST /push/events", `{"delivery_id":"RPILAg","event":"converted","device_id":"dev"}`},
			{"POST /unsubscribe/RPI%2FLAg", `{"unsubscribe":true}`},
			{"POST /unsubscribe/RPILAg", ``},
		}},
		{"large identify", []string{"5", "l@x.io", "nobody"}, [][2]string{
			{"PUT " + person("5"), `{"_timestamp":1600000000,` + fields(90, 80_000) + `,"cio_relationships":{"action":"add_relationships","relationships":[` + acme + `]},"num":1.10}`},
			{"PUT " + person("l@x.io"), `{` + fields(290, 290_000) + `}`},
			{"PUT " + person("nobody"), `{"_update":true,` + fields(90, 80_000) + `}`},
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorlds(t)
			for _, c := range tc.calls {
				if direct, gateway := w.send(t, c[0], c[1]); direct != gateway || direct/100 != 2 {
					t.Errorf("%s %.200s: the API answers %d, the gateway %d", c[0], c[1], direct, gateway)
				}
			}
			w.compare(t, true, tc.people...)
		})
	}
}

// Relationships are taken away by an entity of their own, as many as it needs:
// the identify comes first, and what it sets is set.
func TestV1TakesRelationshipsAway(t *testing.T) {
	t.Parallel()
	w := newWorlds(t)
	var many []string
	for i := range 900 {
		many = append(many, `{"identifiers":{"object_type_id":"1","object_id":"`+strings.Repeat("o", 100)+strconv.Itoa(i)+`"},"relationship_attributes":{"x":1}}`)
	}
	list := strings.Join(many, ",")
	for _, action := range []string{"add", "delete"} {
		if action == "delete" {
			list = strings.Join(many[1:], ",")
		}
		body := `{"` + action + `":1,"cio_relationships":{"action":"` + action + `_relationships","relationships":[` + list + `]}}`
		if direct, gateway := w.send(t, "PUT /api/v1/customers/5", body); direct != 200 || gateway != 200 {
			t.Fatalf("%s: the API answers %d, the gateway %d", action, direct, gateway)
		}
	}
	w.compare(t, false, "5")
	if p, _ := w.relayed.Person("site", "5"); len(p.Related) != 1 {
		t.Errorf("want one relationship left, have %d", len(p.Related))
	}
}
