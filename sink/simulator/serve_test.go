package simulator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/sink/simulator"
)

// serving runs a simulator on a port of its own; stop ends it and returns
// Serve's error.
func serving(t *testing.T) (sim *simulator.Simulator, url string, stop func() error) {
	t.Helper()
	sim = start(t)
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sim.Serve(ctx, listener) }()
	return sim, "http://" + listener.Addr().String(), func() error { cancel(); return <-ended }
}

// TestServeEnds with nothing of it left, a hung request included. It is not
// parallel: goleak looks at the whole process.
func TestServeEnds(t *testing.T) { //nolint:paralleltest // see above
	before := goleak.IgnoreCurrent()
	sim, url, stop := serving(t)
	transport := &http.Transport{}
	client := &http.Client{Transport: transport}
	if _, err := postWith(t.Context(), client, url, trackBody); err != nil {
		t.Fatal(err)
	}
	configure(t, sim, `{"hang":true}`)
	hung := make(chan error, 1)
	go func() {
		_, err := postWith(t.Context(), client, url, trackBody)
		hung <- err
	}()
	for len(sim.History()) < 2 {
		<-time.After(time.Millisecond)
	}
	if err := stop(); err != nil {
		t.Errorf("want a clean end, have %v", err)
	}
	if err := <-hung; err == nil {
		t.Error("want the hung request cut, have an answer")
	}
	transport.CloseIdleConnections()
	goleak.VerifyNone(t, before)
}

// TestServeEndsSlowAnswers: who waits for a slow answer gets it although the
// server stops.
func TestServeEndsSlowAnswers(t *testing.T) {
	t.Parallel()
	sim, url, stop := serving(t)
	configure(t, sim, `{"latency":"200ms"}`)
	answered := make(chan error, 1)
	go func() {
		status, err := post(t.Context(), url, trackBody)
		if err == nil && status != 200 {
			err = fmt.Errorf("status %d", status)
		}
		answered <- err
	}()
	for len(sim.History()) == 0 {
		<-time.After(time.Millisecond)
	}
	if err := stop(); err != nil {
		t.Errorf("want a clean end, have %v", err)
	}
	if err := <-answered; err != nil {
		t.Errorf("want the answer, have %v", err)
	}
}

// TestServeHTTP2 without TLS, for clients that know.
func TestServeHTTP2(t *testing.T) {
	t.Parallel()
	_, url, stop := serving(t)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	if status, err := postWith(t.Context(), &http.Client{Transport: transport}, url, trackBody); status != 200 || err != nil {
		t.Errorf("want 200, have %d %v", status, err)
	}
	transport.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestServeFails says so when the listener is gone.
func TestServeFails(t *testing.T) {
	t.Parallel()
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if err := start(t).Serve(t.Context(), listener); err == nil {
		t.Error("want an error, have none")
	}
}

// TestConcurrent: many clients, readers and changes of behaviour at once; what
// is counted, what is recorded and what happened agree.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	sim := start(t)
	const clients, batches, size = 8, 30, 20
	var group sync.WaitGroup
	for client := range clients {
		group.Go(func() {
			for b := range batches {
				var items []string
				for i := range size {
					items = append(items, fmt.Sprintf(`{"type":"person","action":"event","identifiers":{"id":"%d"},"name":"x","attributes":{"_seq":%d}}`,
						client, b*size+i+1))
				}
				want200(t, sim, "POST /api/v2/batch", `{"batch":[`+strings.Join(items, ",")+`]}`)
				want200(t, sim, fmt.Sprintf("PUT /api/v1/customers/%d", client), `{"shared":1,"email":"a@b.c"}`)
			}
		})
	}
	for reader := range 3 {
		group.Go(func() {
			for i := range batches {
				switch reader {
				case 0:
					want200(t, sim, "GET /_sim/history", "")
				case 1:
					want200(t, sim, "GET /_sim/stats", "")
				default:
					want200(t, sim, "POST /_sim/config", fmt.Sprintf(`{"workspace":"w%d","latency":"1ms","down":%t}`, i%3, i%2 == 0))
				}
			}
		})
	}
	group.Wait()
	if stats, want := sim.Stats(), int64(clients*batches*(size+1)); stats.Events != want || stats.Effects != want {
		t.Errorf("want %d events, all with effect, have %+v", want, stats)
	}
	checkOrder(t, sim)
	for client := range clients {
		if p := person(t, sim, fmt.Sprint(client)); p.Events != batches*size {
			t.Errorf("want %d events of user %d, have %d", batches*size, client, p.Events)
		}
	}
}

// want200 is must for goroutines that are not the test's own.
func want200(t *testing.T, sim *simulator.Simulator, line, body string) {
	t.Helper()
	method, target, _ := strings.Cut(line, " ")
	if have, answer := call(t, sim, method, target, body); have != 200 {
		t.Errorf("%s: want 200, have %d %s", line, have, answer)
	}
}

// checkOrder: time never goes back, and each user's own order is kept.
func checkOrder(t *testing.T, sim *simulator.Simulator) {
	t.Helper()
	newest, seq := int64(0), make(map[string]int64)
	for a := range sim.Arrivals(0) {
		if a.Time < newest {
			t.Fatalf("want times that never go back, have %+v after %d", a, newest)
		}
		newest = a.Time
		if a.Op == "track" {
			if a.Seq != seq[a.User]+1 {
				t.Fatalf("want %d next of user %s, have %+v", seq[a.User]+1, a.User, a)
			}
			seq[a.User] = a.Seq
		}
	}
}

// FuzzAPI: whatever comes, the answer is JSON with a status of the
// documentation, every event is counted once, and nothing panics.
func FuzzAPI(f *testing.F) {
	targets := []string{
		"POST /api/v2/batch", "POST /api/v2/entity", "PUT /api/v1/customers/5", "POST /api/v1/customers/5/events",
		"PUT /api/v1/customers/5/devices", "POST /api/v1/events", "POST /api/v1/merge_customers", "POST /api/v1/metrics",
		"POST /api/v1/forms/f/submit", "POST /api/v1/segments/7/add_customers", "POST /unsubscribe/d", "POST /_sim/config",
	}
	for i := range targets {
		f.Add(uint8(i), `{"batch":[`+sized(200)+`]}`)
		f.Add(uint8(i), `{"name":"x","data":{"_seq":1,"a":"\\\"}"},"id":"`+ulidA+`"}`)
		f.Add(uint8(i), `{"primary":{"id":"1"},"secondary":{"email":"a@b.c"},"cio_relationships":[{"identifiers":{"object_id":"1"}}]}`)
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		sim := start(t)
		method, target, _ := strings.Cut(targets[int(which)%len(targets)], " ")
		for range 2 {
			w := serve(sim, request(t, method, target, body))
			switch {
			case w.Code == 204 && w.Body.Len() == 0:
			case w.Code != 200 && w.Code != 207 && w.Code != 400:
				t.Errorf("want a documented status, have %d", w.Code)
			case !json.Valid(w.Body.Bytes()):
				t.Errorf("want JSON, have %q", w.Body)
			}
			configure(t, sim, `{"latency":0,"down":false,"hang":false,"cut":false,"reject_key":false,"errors":0,"fail_user":"","key":[],"limit":0}`)
		}
		s := sim.Stats()
		if s.Events != s.Effects+s.Repeats+s.Ignored+s.Degraded+s.Rejected+s.Failed {
			t.Errorf("want each event counted once, have %+v", s)
		}
		if have := len(sim.History()); int64(have) != s.Events {
			t.Errorf("want a line for each of %d events, have %d", s.Events, have)
		}
	})
}

// BenchmarkBatch is batches of 100 events of 300 bytes from one client; one
// operation is one event.
func BenchmarkBatch(b *testing.B) {
	sim := start(b)
	const size = 100
	var items []string
	for i := range size {
		items = append(items, fmt.Sprintf(`{"type":"person","action":"event","identifiers":{"id":"user-%d"},"name":"purchase","timestamp":1613063089,`+
			`"attributes":{"_seq":%d,"_n":%d,"price":12.5,"text":"%s"}}`, i, i, i, strings.Repeat("v", 140)))
	}
	body := `{"batch":[` + strings.Join(items, ",") + `]}`
	b.ReportAllocs()
	b.SetBytes(int64(len(body) / size))
	for i := 0; i < b.N; i += size {
		must(b, sim, 200, "POST /api/v2/batch", body)
	}
}
