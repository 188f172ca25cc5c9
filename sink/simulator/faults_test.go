package simulator_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/sink/simulator"
)

const trackLine, trackBody = "POST /api/v1/customers/5/events", `{"name":"x"}`

// TestStatusFaults: down, reject_key and fail_user answer at once, without
// effect, until they are switched off.
func TestStatusFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		on, off string
		want    int
	}{
		{`{"down":true}`, `{"down":false}`, 503},
		{`{"reject_key":true}`, `{"reject_key":false}`, 401},
		{`{"fail_user":"5"}`, `{"fail_user":""}`, 500},
		{`{"fail_user":["7",5]}`, `{"fail_user":[]}`, 500},
		{`{"errors":"100%"}`, `{"errors":0}`, 500},
		{`{"down":true,"reject_key":true,"fail_user":"5"}`, `{"down":false,"reject_key":false,"fail_user":""}`, 503},
	} {
		t.Run(c.on, func(t *testing.T) {
			t.Parallel()
			sim := start(t)
			configure(t, sim, c.on)
			must(t, sim, c.want, trackLine, trackBody)
			if a := last(t, sim); a.Status != c.want || a.Effect || a.User != "5" || a.Name != "x" {
				t.Errorf("want the refused event in the history, have %+v", a)
			}
			must(t, sim, 200, "GET /_sim/health", "")
			configure(t, sim, c.off)
			must(t, sim, 200, trackLine, trackBody)
			if stats := sim.Stats(); stats.Failed != 1 || stats.Effects != 1 || stats.Answers[c.want] != 1 {
				t.Errorf("want one failed and one effect, have %+v", stats)
			}
		})
	}
}

// TestFailUser fails whatever contains the user, in any role, and no more.
func TestFailUser(t *testing.T) {
	t.Parallel()
	sim := start(t)
	configure(t, sim, `{"fail_user":"5"}`)
	other := strings.ReplaceAll(sized(200), `"5"`, `"6"`)
	must(t, sim, 500, "POST /api/v2/batch", `{"batch":[`+other+`,`+sized(200)+`]}`)
	must(t, sim, 500, "POST /api/v1/merge_customers", `{"primary":{"id":"6"},"secondary":{"id":"5"}}`)
	must(t, sim, 500, "DELETE /api/v1/customers/5", "")
	must(t, sim, 200, "POST /api/v2/batch", `{"batch":[`+other+`]}`)
	if stats := sim.Stats(); stats.Failed != 4 || stats.Effects != 1 {
		t.Errorf("want both events of the batch failed, have %+v", stats)
	}
}

// TestFaultsEnd by themselves after their time, and not before.
func TestFaultsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := start(t)
		configure(t, sim, `{"down":"60s"}`)
		time.Sleep(60*time.Second - time.Nanosecond)
		must(t, sim, 503, trackLine, trackBody)
		time.Sleep(time.Nanosecond)
		must(t, sim, 200, trackLine, trackBody)
	})
}

// TestWorkspaceFaults: a fault of one workspace is not another's; what is said
// for all holds for all.
func TestWorkspaceFaults(t *testing.T) {
	t.Parallel()
	sim := start(t)
	as := func(site string) int {
		r := request(t, http.MethodPost, "/api/v1/customers/5/events", trackBody)
		r.Header.Set("Authorization", basic(site+":key"))
		return serve(sim, r).Code
	}
	check := func(config string, wantA, wantB int) {
		t.Helper()
		configure(t, sim, config)
		if a, b := as("a"), as("b"); a != wantA || b != wantB {
			t.Errorf("after %s: want %d and %d, have %d and %d", config, wantA, wantB, a, b)
		}
	}
	check(`{"workspace":"a","down":true}`, 503, 200)
	check(`{"errors":"100%"}`, 503, 500)
	check(`{"workspace":"a","down":false}`, 500, 500)
	check(`{"errors":0}`, 200, 200)
	check(`{"workspace":"a","fail_user":"5"}`, 500, 200)
	check(`{"down":true}`, 503, 503)
	check(`{"down":false,"fail_user":""}`, 200, 200)
}

// TestErrorsShare: about the share asked for, and the same each time the same
// seed is asked.
func TestErrorsShare(t *testing.T) {
	t.Parallel()
	failed := func() (n int) {
		sim := start(t, func(cfg *simulator.Config) { cfg.Errors = 0.1 })
		for range 2000 {
			if status, _ := call(t, sim, "POST", "/api/v1/customers/5/events", trackBody); status == 500 {
				n++
			}
		}
		return n
	}
	first := failed()
	if first < 150 || first > 250 {
		t.Errorf("want about 200 of 2000, have %d", first)
	}
	if second := failed(); second != first {
		t.Errorf("want the same dice for the same seed, have %d and %d", first, second)
	}
}

// TestLatency is waited for by the client alone: the effect is there first,
// and others are not held up.
func TestLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := start(t, func(cfg *simulator.Config) { cfg.Latency, _ = simulator.ParseLatency("1s") })
		began := time.Now()
		done := make(chan time.Duration, 10)
		for range cap(done) {
			go func() {
				serve(sim, request(t, "POST", "/api/v1/customers/5/events", trackBody))
				done <- time.Since(began)
			}()
		}
		synctest.Wait()
		if have := len(sim.History()); have != cap(done) {
			t.Errorf("want all %d arrived before the first answer, have %d", cap(done), have)
		}
		for range cap(done) {
			if have := <-done; have != time.Second {
				t.Errorf("want an answer after 1s, have %s", have)
			}
		}
	})
}

// TestLognormalLatency has the median and the 99th percentile it was given.
func TestLognormalLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := start(t, func(cfg *simulator.Config) { cfg.Latency, _ = simulator.ParseLatency("lognormal:20ms,200ms") })
		const n = 4000
		under20, under200 := 0, 0
		for range n {
			began := time.Now()
			serve(sim, request(t, "POST", "/api/v1/customers/5/events", trackBody))
			took := time.Since(began)
			if took < 20*time.Millisecond {
				under20++
			}
			if took < 200*time.Millisecond {
				under200++
			}
		}
		if under20 < n*46/100 || under20 > n*54/100 || under200 < n*98/100 || under200 > n*997/1000 {
			t.Errorf("want half under 20ms and 99%% under 200ms, have %d and %d of %d", under20, under200, n)
		}
	})
}

// TestHang: the request is taken, never answered, and ends with its client.
func TestHang(t *testing.T) {
	t.Parallel()
	server, sim := listen(t)
	configure(t, sim, `{"hang":true}`)
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() {
		_, err := post(ctx, server.URL, trackBody)
		answered <- err
	}()
	for len(sim.History()) == 0 {
		select {
		case err := <-answered:
			t.Fatalf("want no answer, have %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if a := last(t, sim); a.Status != 0 || a.Effect {
		t.Errorf("want status 0 without effect, have %+v", a)
	}
	configure(t, sim, `{"hang":false}`)
	if _, err := post(t.Context(), server.URL, trackBody); err != nil {
		t.Errorf("want the next one answered, have %v", err)
	}
	select {
	case err := <-answered:
		t.Errorf("want the hung one hung, have %v", err)
	default:
	}
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("want the client's own end, have %v", err)
	}
}

// TestCut: no client learns what became of its request, and half of them took
// effect.
func TestCut(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := start(t)
			server := httptest.NewUnstartedServer(sim)
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			configure(t, sim, `{"cut":true}`)
			const n = 200
			for range n {
				if status, err := postWith(t.Context(), server.Client(), server.URL, trackBody); err == nil {
					t.Fatalf("want a broken answer, have %d", status)
				}
			}
			checkCuts(t, sim, n)
		})
	}
}

func checkCuts(t *testing.T, sim *simulator.Simulator, n int) {
	t.Helper()
	effects := 0
	for a := range sim.Arrivals(0) {
		if a.Status != 0 {
			t.Errorf("want status 0, have %+v", a)
		}
		if a.Effect {
			effects++
		}
	}
	if effects < n*3/10 || effects > n*7/10 {
		t.Errorf("want effect for about half of %d, have %d", n, effects)
	}
	stats := sim.Stats()
	if stats.Events != int64(n) || stats.Effects != int64(effects) || stats.Failed != int64(n-effects) {
		t.Errorf("want %d events, %d with effect, have %+v", n, effects, stats)
	}
	if p := person(t, sim, "5"); p.Events != int64(effects) {
		t.Errorf("want %d events at the person, have %d", effects, p.Events)
	}
}

// TestCutForm: an answer without a body is cut too, and not whole after its head.
func TestCutForm(t *testing.T) {
	t.Parallel()
	server, sim := listen(t)
	configure(t, sim, `{"cut":true}`)
	for range 20 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/api/v1/forms/f/submit", strings.NewReader(`{"data":{"id":"5"}}`))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("site", "key")
		if response, err := server.Client().Do(r); err == nil {
			_ = response.Body.Close()
			t.Fatalf("want a broken answer, have %s", response.Status)
		}
	}
}

func listen(t *testing.T) (*httptest.Server, *simulator.Simulator) {
	t.Helper()
	sim := start(t)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return server, sim
}

func post(ctx context.Context, url, body string) (int, error) {
	return postWith(ctx, &http.Client{}, url, body)
}

// postWith sends an event of user 5 and reads the whole answer.
func postWith(ctx context.Context, client *http.Client, url, body string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/v1/customers/5/events", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.SetBasicAuth("site", "key")
	response, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}
