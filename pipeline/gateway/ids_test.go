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

	"sluice/pipeline/event"
	"sluice/pipeline/gateway"
)

// ids are the header ids of all records, in order; "" for one that has none.
func ids(k *kafka) []string {
	records := k.taken()
	list := make([]string, len(records))
	for i, r := range records {
		for _, h := range r.Headers {
			if h.Key == event.HeaderID {
				list[i] = string(h.Value)
			}
		}
	}
	return list
}

func retry(count string) *http.Request {
	r := request("POST", "/api/v2/entity", purchase)
	r.Header.Set("X-Retry-Count", count)
	return r
}

func TestGenuineRepeatsBothCount(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := newGateway(t, config(), k)
	for range 3 {
		wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
	}
	have := ids(k)
	for i, id := range have {
		if _, err := ulid.ParseStrict(id); err != nil {
			t.Errorf("want a ULID, have %q: %v", id, err)
		}
		if i > 0 && id == have[0] {
			t.Errorf("request %d has the first one's id", i)
		}
	}
}

func TestRetryAfterAnErrorHasTheSameID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := true
		k := &kafka{}
		// The record lands, and its acknowledgement does not.
		k.refuse = func(r event.Record) error {
			if first {
				k.records, first = append(k.records, r), false
				return errAway
			}
			return nil
		}
		g := newGateway(t, config(), k)
		wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 503)
		time.Sleep(2 * time.Second)
		wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
		wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
		have := ids(k)
		if len(have) != 3 || have[0] != have[1] || have[1] == have[2] {
			t.Errorf("want the second as the first, and the third its own, have %q", have)
		}
		// A late identify must lose to a newer one: it keeps its first time.
		if records := k.taken(); !records[0].Time.Equal(records[1].Time) || !records[2].Time.After(records[1].Time) {
			t.Errorf("want the time of the first request, have %v, %v, %v", records[0].Time, records[1].Time, records[2].Time)
		}
	})
}

func TestRetryCount(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		count string
		same  bool
	}{{"1", true}, {"3", true}, {"0", false}, {"", false}} {
		k := &kafka{}
		g := newGateway(t, config(), k)
		wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
		wantStatus(t, send(g, retry(tc.count)), 200)
		if have := ids(k); (have[0] == have[1]) != tc.same {
			t.Errorf("X-Retry-Count %q: want the same id: %v, have %q", tc.count, tc.same, have)
		}
	}
}

// An event was taken and answered. Its retry, whose first answer was lost, met
// an outage. The next genuine event, which looks the same, must not get its id.
func TestRepeatAfterAFailedRetryOfATakenEvent(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := newGateway(t, config(), k)
	wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
	k.set(func() { k.away = errAway })
	wantStatus(t, send(g, retry("1")), 503)
	k.set(func() { k.away = nil })
	wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
	wantStatus(t, send(g, retry("2")), 200)
	if have := ids(k); have[0] == have[1] || len(have) != 3 {
		t.Errorf("want an id of its own for the genuine repeat, have %q", have)
	}
}

func TestDifferentRequestsShareNothing(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.Credentials = append(cfg.Credentials, gateway.Credential{SiteID: "two", APIKey: "key", Stream: "events-us"})
	k := &kafka{}
	first := 0
	k.refuse = func(r event.Record) error {
		if first++; first == 1 {
			k.records = append(k.records, r)
			return errAway
		}
		return nil
	}
	g := newGateway(t, cfg, k)
	wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 503)
	other := request("POST", "/api/v2/entity", purchase)
	other.Header.Set("Authorization", basic("two:key"))
	wantStatus(t, send(g, other), 200)
	wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase+" ")), 200)
	wantStatus(t, send(g, request("POST", "/api/v2/entity?a=b", purchase)), 200)
	seen := map[string]bool{}
	for _, id := range ids(k) {
		if seen[id] {
			t.Errorf("id %s was given twice", id)
		}
		seen[id] = true
	}
}

// broken is a connection that cannot be written to.
type broken struct{ *httptest.ResponseRecorder }

func (broken) FlushError() error { return errAway }

func TestAnswerThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := newGateway(t, config(), k)
	g.Handler().ServeHTTP(broken{httptest.NewRecorder()}, request("POST", "/api/v2/entity", purchase))
	wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
	wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
	if have := ids(k); have[0] != have[1] || have[1] == have[2] {
		t.Errorf("want the second as the first, and the third its own, have %q", have)
	}
}

// Identical events at the same time are as many events, and their retries after
// an outage get the ids of one each.
func TestIdenticalRequestsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const requests = 10
		k := &kafka{hang: true}
		g := newGateway(t, config(), k)
		all := func(want int) {
			var group sync.WaitGroup
			for range requests {
				group.Go(func() { wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), want) })
			}
			group.Wait()
		}
		all(503)
		k.set(func() { k.hang = false })
		all(200)
		count := map[string]int{}
		for _, id := range ids(k) {
			count[id]++
		}
		if len(count) != requests {
			t.Errorf("want %d ids, have %d", requests, len(count))
		}
		for id, n := range count {
			if n != 2 {
				t.Errorf("id %s: want it once in each round, have %d", id, n)
			}
		}
	})
}

// A client gives up and asks again while the first request still waits.
func TestRetryWhileTheFirstWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kafka{hang: true}
		g := newGateway(t, config(), k)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { send(g, request("POST", "/api/v2/entity", purchase).WithContext(ctx)) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		k.set(func() { k.hang = false })
		wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
		group.Wait()
		wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
		if have := ids(k); len(have) != 3 || have[0] != have[1] || have[1] == have[2] {
			t.Errorf("want the second as the first, and the third its own, have %q", have)
		}
	})
}

func TestForgottenAfterFiveMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kafka{}
		g := newGateway(t, config(), k)
		wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
		time.Sleep(5 * time.Minute)
		wantStatus(t, send(g, retry("1")), 200)
		time.Sleep(time.Second)
		wantStatus(t, send(g, retry("2")), 200)
		if have := ids(k); have[0] != have[1] || have[1] == have[2] {
			t.Errorf("want it known for five minutes and no longer, have %q", have)
		}
	})
}

func TestOwnIDStays(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, id string
		given    bool // by the door
	}{
		{"ULID", `"01ARZ3NDEKTSV4RRFFQ69G5FAV"`, false},
		{"another string", `"order-1"`, false},
		{"number", `17`, false},
		{"null", `null`, true},
		{"empty", `""`, true},
		{"object", `{}`, true},
	} {
		k := &kafka{}
		body := strings.TrimSuffix(purchase, "}") + `,"id":` + tc.id + `}`
		wantStatus(t, send(newGateway(t, config(), k), request("POST", "/api/v2/entity", body)), 200)
		if have := ids(k)[0]; (have != "") != tc.given {
			t.Errorf("%s: want an id from the door: %v, have %q", tc.name, tc.given, have)
		}
		if have := string(k.taken()[0].Value); have != body {
			t.Errorf("%s: want the body untouched, have %s", tc.name, have)
		}
	}
}

func TestOnlyEventsGetIDs(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]bool{"event": true, "page": true, "screen": true, "identify": false, "delete": false, "suppress": false} {
		k := &kafka{}
		body := fmt.Sprintf(`{"type":"person","action":%q,"identifiers":{"id":"1"},"name":"n"}`, action)
		wantStatus(t, send(newGateway(t, config(), k), request("POST", "/api/v2/entity", body)), 200)
		if have := ids(k)[0] != ""; have != want {
			t.Errorf("%s: want an id: %v, have %v", action, want, have)
		}
	}
}
