package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/pipeline/config"
	"sluice/pipeline/event"
	"sluice/sink/simulator"
)

// bought is a record of the live topic; one without a name is refused.
func bought(partition int32, offset int64, user, name string) event.Record {
	return event.Record{
		Topic: "purchases", Partition: partition, Offset: offset, Key: []byte(user), Time: time.Date(2026, 1, 21, 14, 0, int(offset), 0, time.UTC),
		Value: fmt.Appendf(nil, `{"type":"person","action":"event","identifiers":{"id":%q},"name":%q,"attributes":{"n":%d}}`, user, name, offset),
	}
}

func workspaceNamed(t *testing.T, name string) config.Workspace {
	t.Helper()
	_, cfg, _ := replaying(t)
	w, ok := cfg.Workspace(name)
	if !ok {
		t.Fatalf("no workspace %s", name)
	}
	return w
}

// The rehearsal of two shards: places run side by side, some events are unfit,
// and one stands twice in the log.
func TestStageCountsWhatArrives(t *testing.T) {
	t.Parallel()
	s, err := newStage(t.Context(), workspaceNamed(t, "acme-eu"), "", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	same := bought(0, 1, "ada", "purchase")
	same.Headers = []event.Header{{Key: event.HeaderID, Value: []byte("01JD5ZC3W8F9N3V0Y5B6Q7R8ST")}}
	twin := same
	twin.Offset = 2
	for _, r := range []event.Record{
		bought(0, 0, "ada", "purchase"), bought(1, 0, "bob", "purchase"), same, twin,
		bought(1, 1, "bob", "purchase"), bought(0, 3, "ada", ""),
		{Topic: "purchases", Partition: 1, Offset: 7, Key: []byte("bob"), Value: []byte("{")},
	} {
		if err := s.send(t.Context(), r, "cluster"); err != nil {
			t.Fatal(err)
		}
	}
	have, err := s.finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if have.Workspace != "acme-eu" || have.Events != 7 || have.Effects != 4 || have.Repeats != 1 || have.People != 2 || have.Rejected != 2 || have.Unsettled != 0 || have.Requests == 0 {
		t.Errorf("have %+v", have)
	}
	places := ""
	for _, r := range have.Rejections {
		places += fmt.Sprintf(" %d at %s", r.Events, r.First)
	}
	if !strings.Contains(places, "1 at purchases/0/3") || !strings.Contains(places, "1 at purchases/1/7") {
		t.Errorf("want the places of what was rejected, have%s", places)
	}
}

// A simulator that has the window already drops it again: an event has the same
// id however often it is rehearsed.
func TestStageKeepsIDs(t *testing.T) {
	t.Parallel()
	sim, err := simulator.New(simulator.DefaultConfig(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	for _, want := range []struct{ effects, repeats, people int64 }{{2, 0, 1}, {0, 2, 0}} {
		s, err := newStage(t.Context(), workspaceNamed(t, "acme-us"), server.URL, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		for n := range int64(2) {
			if err := s.send(t.Context(), bought(0, n, "ada", "purchase"), "cluster"); err != nil {
				t.Fatal(err)
			}
		}
		have, err := s.finish(t.Context())
		if err != nil || have.Effects != want.effects || have.Repeats != want.repeats || int64(have.People) != want.people {
			t.Errorf("want %+v, have %+v, %v", want, have, err)
		}
		s.close()
	}
}

// Whatever stands behind the address, nobody but a simulator is sent an event,
// nor our credentials.
func TestStageAsksSimulatorsAlone(t *testing.T) {
	t.Parallel()
	real := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.Header.Get("Authorization") != "" {
			t.Errorf("have %s %s with %q", r.Method, r.URL, r.Header.Get("Authorization"))
		}
		_, _ = io.WriteString(rw, `{}`)
	}))
	t.Cleanup(real.Close)
	for url, want := range map[string]string{
		real.URL:             "is no simulator",
		"http://127.0.0.1:1": "start one with sluice simulate",
	} {
		if _, err := newStage(t.Context(), workspaceNamed(t, "acme-us"), url, zap.NewNop()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, have %v", url, want, err)
		}
	}
	if _, err := newStage(t.Context(), workspaceNamed(t, "hook"), "", zap.NewNop()); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "workspace hook is a webhook") {
		t.Errorf("have %v", err)
	}
}

func TestStageOfAnotherRegionSaysSo(t *testing.T) {
	t.Parallel()
	cfg := simulator.DefaultConfig()
	cfg.Keys = []simulator.Key{{Site: "another", Secret: "key"}}
	sim, err := simulator.New(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	s, err := newStage(t.Context(), workspaceNamed(t, "acme-us"), server.URL, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.send(t.Context(), bought(0, 0, "ada", "purchase"), "cluster"); err != nil {
		t.Fatal(err)
	}
	have, err := s.finish(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the simulator refuses workspace acme-us") || strings.Contains(err.Error(), testKey) || have.Unsettled != 1 {
		t.Errorf("have %+v, %v", have, err)
	}
}

// More kinds of rejection than can be told apart are counted all the same.
func TestStageBoundsReasons(t *testing.T) {
	t.Parallel()
	all := newRejections()
	const events = 3 * mostReasons
	for n := range events {
		var e event.Event
		e.Load(bought(0, int64(n), "ada", "x"), "c")
		letter := event.DeadLetter(&e, event.Death{
			Verdict: "rejected", Reason: "rejected", Detail: fmt.Sprint(n), Status: 400, Attempts: 1, Workspace: "acme-us", Last: time.Now(),
		})
		if err := all.add(context.Background(), letter); err != nil {
			t.Fatal(err)
		}
	}
	total := int64(0)
	for _, one := range all.list() {
		total += one.Events
	}
	if total != events || len(all.list()) > mostReasons+1 {
		t.Errorf("have %d events of %d kinds", total, len(all.list()))
	}
}
