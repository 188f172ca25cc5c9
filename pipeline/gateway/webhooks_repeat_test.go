package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/gateway"
)

// held is an Appender that takes nothing before it is released.
type held struct {
	*kafka
	release <-chan struct{}
}

func (h held) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	go func() {
		<-h.release
		h.kafka.Append(ctx, r, done)
	}()
}

func action(key, body string) *http.Request {
	return inbound(body, "Authorization", hookSecret, "X-CIO-Delivery-ID", "RPIL", "X-CIO-Idempotency-Key", key)
}

func idOf(r event.Record) string { return headersOf(r)["id"] }

func TestRepeatedWebhookIsStoredOnce(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := newGateway(t, hooked(gateway.SchemeCustomerioAction, nil), k)
	for i := range 3 {
		wantStatus(t, send(g, action("delivery-1", fmt.Sprintf(`{"try":%d}`, i))), http.StatusOK)
	}
	wantStatus(t, send(g, action("delivery-2", `{}`)), http.StatusOK)
	taken := k.taken()
	if len(taken) != 2 || string(taken[0].Value) != `{"try":0}` {
		t.Fatalf("%v", taken)
	}
	if headersOf(taken[0])["http-header-x-cio-delivery-id"] != "RPIL" || headersOf(taken[0])["http-header-authorization"] != "" {
		t.Errorf("%v", headersOf(taken[0]))
	}
	first, err := ulid.ParseStrict(idOf(taken[0]))
	if err != nil || first.String() == idOf(taken[1]) {
		t.Errorf("ids %q and %q, %v", idOf(taken[0]), idOf(taken[1]), err)
	}
	// After a restart nothing is remembered, and the id says that it is a repeat.
	again := newGateway(t, hooked(gateway.SchemeCustomerioAction, nil), k)
	wantStatus(t, send(again, action("delivery-1", `{}`)), http.StatusOK)
	if have := idOf(k.taken()[2]); have != first.String() {
		t.Errorf("want the id %s again, have %s", first, have)
	}
	// Elsewhere the same key is another's.
	other := newGateway(t, hooked(gateway.SchemeCustomerioAction, func(w *gateway.Webhook) { w.Name = "out" }), k)
	r := action("delivery-1", `{}`)
	r.URL.Path = "/webhooks/out"
	wantStatus(t, send(other, r), http.StatusOK)
	if have := idOf(k.taken()[3]); have == first.String() {
		t.Error("two webhooks share an id")
	}
	// What says nothing of itself is never a repeat.
	for range 2 {
		wantStatus(t, send(g, inbound(`{}`, "Authorization", hookSecret)), http.StatusOK)
	}
	if taken = k.taken(); len(taken) != 6 || idOf(taken[5]) != "" {
		t.Errorf("%d records, the last with id %q", len(taken), idOf(taken[5]))
	}
}

// What could not be stored is no repeat when it comes again.
func TestWebhookThatFailedComesAgain(t *testing.T) {
	t.Parallel()
	k := &kafka{away: errAway}
	g := newGateway(t, hooked(gateway.SchemeCustomerio, nil), k)
	ask := func() *httptest.ResponseRecorder {
		return send(g, reported(hookSecret, report("01E4C4CT6YDC7Y5M7FE1GWWPQJ", "42"), time.Now()))
	}
	for range 2 {
		w := ask()
		if wantStatus(t, w, http.StatusServiceUnavailable); retryAfter(t, w) < 1 {
			t.Error("nothing says when to come again")
		}
	}
	k.set(func() { k.away = nil })
	for range 2 {
		wantStatus(t, ask(), http.StatusOK)
	}
	if taken := k.taken(); len(taken) != 1 || idOf(taken[0]) != "01E4C4CT6YDC7Y5M7FE1GWWPQJ" {
		t.Errorf("%v", taken)
	}
}

// Customer.io gives up after four seconds: it must have heard 503 before.
func TestSlowKafkaIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kafka{hang: true}
		g := newGateway(t, hooked(gateway.SchemeCustomerio, nil), k)
		var wg sync.WaitGroup
		for _, id := range []string{"a", "a", "b"} { // one waits for its twin
			wg.Go(func() {
				started := time.Now()
				w := send(g, reported(hookSecret, report(id, "42"), started))
				if took := time.Since(started); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || took > 3900*time.Millisecond || took < time.Second {
					t.Errorf("%s: %d after %v, Retry-After %q", id, w.Code, took, w.Header().Get("Retry-After"))
				}
			})
		}
		wg.Wait()
	})
}

// A sender that repeats a webhook while the first is being stored hears what
// becomes of that.
func TestRepeatWhileTheFirstIsStored(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			k := &kafka{}
			g := newGateway(t, hooked(gateway.SchemeCustomerio, nil), held{k, release})
			answers := make(chan int, 2)
			ask := func() {
				answers <- send(g, reported(hookSecret, report("one", "42"), time.Now())).Code
			}
			go ask()
			synctest.Wait()
			go ask()
			time.Sleep(time.Second)
			synctest.Wait()
			if len(answers) != 0 {
				t.Fatalf("answered %d while nothing was stored", <-answers)
			}
			if fails {
				k.set(func() { k.away = errAway })
			}
			close(release)
			synctest.Wait()
			want, records := http.StatusOK, 1
			if fails {
				want, records = http.StatusServiceUnavailable, 0
			}
			if first, second := <-answers, <-answers; first != want || second != want || len(k.taken()) != records {
				t.Errorf("want %d, answered %d and %d, %d records", want, first, second, len(k.taken()))
			}
		})
	}
}

// A refusal stalls Customer.io for an hour: it is counted, and said aloud, but
// not as often as anybody likes.
func TestRefusedWebhookIsSaidAloud(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.ErrorLevel)
		g, err := gateway.New(hooked(gateway.SchemeCustomerio, nil), streams(), &kafka{}, zap.New(core), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			wantStatus(t, send(g, reported("wrong", report("a", "42"), time.Now())), http.StatusUnauthorized)
		}
		wantStatus(t, send(g, reported(hookSecret, report("a", "42"), time.Now().Add(-time.Hour))), http.StatusUnauthorized)
		time.Sleep(11 * time.Second)
		wantStatus(t, send(g, reported("wrong", report("a", "42"), time.Now())), http.StatusUnauthorized)
		wantStatus(t, send(g, reported(hookSecret, report("a", "42"), time.Now())), http.StatusOK)
		wantStatus(t, send(g, reported(hookSecret, report("a", "42"), time.Now())), http.StatusOK)
		lines := logs.All()
		if len(lines) != 3 {
			t.Fatalf("%d lines", len(lines))
		}
		for i, want := range []struct {
			text   string
			unsaid int64
		}{{"absent or wrong", 0}, {"outside the window", 0}, {"absent or wrong", 99}} {
			fields := lines[i].ContextMap()
			if !strings.Contains(lines[i].Message, want.text) || !strings.Contains(lines[i].Message, "for an hour") || fields["unsaid"] != want.unsaid || fields["webhook"] != "in" {
				t.Errorf("line %d: %s %v", i, lines[i].Message, fields)
			}
		}
	})
}
