package gateway_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/gateway"
)

func retryAfter(t *testing.T, w *httptest.ResponseRecorder) int {
	t.Helper()
	wantStatus(t, w, 503)
	seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
	if err != nil {
		t.Errorf("Retry-After: want whole seconds, have %q", w.Header().Get("Retry-After"))
	}
	return seconds
}

func TestKafkaAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kafka{away: errAway}
		core, logged := observer.New(zap.InfoLevel)
		g, err := gateway.New(config(), streams(), k, zap.New(core), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		ask := func(least, most int) {
			t.Helper()
			seen := map[int]bool{}
			for range 200 {
				have := retryAfter(t, send(g, request("POST", "/api/v2/entity", purchase)))
				if have < least || have > most {
					t.Fatalf("Retry-After: want %d to %d, have %d", least, most, have)
				}
				seen[have] = true
			}
			if len(seen) < 2 {
				t.Errorf("want clients spread, have all at %v", seen)
			}
		}
		ask(1, 3)
		time.Sleep(100 * time.Second)
		ask(6, 18)
		time.Sleep(time.Hour)
		ask(11, 30)
		k.set(func() { k.away = nil })
		wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
		k.set(func() { k.away = errAway })
		ask(1, 3)
		// However many requests meet it, an outage is a few lines in the log.
		if have := logged.Len(); have < 3 || have > 5 {
			t.Errorf("want 3 to 5 lines, have %d", have)
		}
		for _, line := range logged.All() {
			if strings.Contains(fmt.Sprint(line.Message, line.ContextMap()), "purchase") {
				t.Errorf("the log repeats what was sent: %v", line)
			}
		}
	})
}

func TestKafkaSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kafka{hang: true}
		g := newGateway(t, config(), k)
		started := time.Now()
		retryAfter(t, send(g, request("POST", "/api/v2/entity", purchase)))
		if have := time.Since(started); have != config().AppendTimeout {
			t.Errorf("want an answer after %v, have %v", config().AppendTimeout, have)
		}
	})
}

// laggard is an Appender that takes its time; 0 is for ever.
type laggard struct{ time time.Duration }

func (l *laggard) Append(_ context.Context, _ event.Record, done func(partition.Position, error)) {
	if l.time > 0 {
		time.AfterFunc(l.time, func() { done(partition.Position{}, nil) })
	}
}

// In an outage callers are told soon instead of being held; a Kafka that comes
// back slower than that is found out about nonetheless.
func TestOutageIsToldSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := new(laggard)
		g := newGateway(t, config(), k)
		ask := func(status int, after time.Duration) {
			t.Helper()
			started := time.Now()
			wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), status)
			if have := time.Since(started); have != after {
				t.Errorf("want an answer after %v, have %v", after, have)
			}
		}
		full := config().AppendTimeout
		ask(503, full)
		ask(503, full)
		time.Sleep(time.Millisecond)
		ask(503, full/10)
		k.time = full / 5
		ask(503, full/10)
		time.Sleep(full / 5)
		ask(200, full/5)
	})
}

// blocked is an Appender that has too much under way.
type blocked struct{}

func (blocked) Append(ctx context.Context, _ event.Record, done func(partition.Position, error)) {
	<-ctx.Done()
	go done(partition.Position{}, ctx.Err())
}

func TestBlockedAppenderIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, config(), blocked{})
		started := time.Now()
		retryAfter(t, send(g, request("POST", "/api/v2/batch", `{"batch":[`+purchase+`,`+purchase+`]}`)))
		if have := time.Since(started); have != config().AppendTimeout {
			t.Errorf("want an answer after %v, have %v", config().AppendTimeout, have)
		}
		synctest.Wait()
	})
}

// A client that has gone has not taken its events back: they may be on Kafka
// already, and its retry gets the same ids.
func TestClientGone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	k := &kafka{during: cancel}
	g := newGateway(t, config(), k)
	send(g, request("POST", "/api/v2/batch", `{"batch":[`+purchase+`,`+purchase+`]}`).WithContext(ctx))
	send(g, request("POST", "/api/v2/batch", `{"batch":[`+purchase+`,`+purchase+`]}`))
	have := ids(k)
	if len(have) != 4 || have[0] != have[2] || have[1] != have[3] || have[0] == have[1] {
		t.Errorf("want both events of both requests, with the same two ids, have %q", have)
	}
}

func named(n int) string {
	return fmt.Sprintf(`{"type":"person","action":"event","identifiers":{"id":"user-%d"},"name":"n%d"}`, n%3, n)
}

func TestOrderOfItems(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	items := make([]string, 500)
	for i := range items {
		items[i] = named(i)
	}
	wantStatus(t, send(newGateway(t, config(), k), request("POST", "/api/v2/batch", `{"batch":[`+strings.Join(items, " , ")+`]}`)), 200)
	records := k.taken()
	if len(records) != len(items) {
		t.Fatalf("want %d records, have %d", len(items), len(records))
	}
	for i, r := range records {
		if string(r.Value) != items[i] || string(r.Key) != fmt.Sprintf("user-%d", i%3) {
			t.Fatalf("record %d: want %s, have %s of %s", i, items[i], r.Value, r.Key)
		}
	}
}

func TestTopicRefusesOne(t *testing.T) {
	t.Parallel()
	k := &kafka{refuse: func(r event.Record) error {
		if strings.Contains(string(r.Value), `"n1"`) {
			return fmt.Errorf("append: %w", partition.ErrTooLarge)
		}
		return nil
	}}
	g := newGateway(t, config(), k)
	w := send(g, request("POST", "/api/v2/batch", `{"batch":[{},`+named(1)+`,`+named(2)+`]}`))
	wantStatus(t, w, 207)
	want := `{"errors":[{"batch_index":0,"reason":"required","field":"type","message":"type is required"},` +
		`{"batch_index":1,"reason":"invalid","field":"","message":"larger than its stream takes"}]}` + "\n"
	if have := w.Body.String(); have != want {
		t.Errorf("want %s have %s", want, have)
	}
	wantStatus(t, send(g, request("POST", "/api/v2/entity", named(1))), 400)
	if have := len(k.taken()); have != 1 {
		t.Errorf("want the one that fits, have %d records", have)
	}
}

// One record that cannot be stored leaves the whole batch to be sent again.
func TestOneOfABatchAway(t *testing.T) {
	t.Parallel()
	failing := true
	k := &kafka{}
	k.refuse = func(r event.Record) error {
		if failing && strings.Contains(string(r.Value), `"n1"`) {
			return errAway
		}
		return nil
	}
	g := newGateway(t, config(), k)
	body := `{"batch":[` + named(0) + `,` + named(1) + `,` + named(2) + `]}`
	retryAfter(t, send(g, request("POST", "/api/v2/batch", body)))
	k.set(func() { failing = false })
	wantStatus(t, send(g, request("POST", "/api/v2/batch", body)), 200)
	have := ids(k)
	if len(have) != 5 || have[0] != have[2] || have[1] != have[4] {
		t.Errorf("want the first and third event again with their ids, have %q", have)
	}
}
