package replay_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/replay"
)

// places are what a plan would copy, in order, as shard:offset.
func (w *world) places(t *testing.T, p replay.Plan) string {
	t.Helper()
	var all []string
	err := w.desk.Each(t.Context(), p, func(r event.Record) error {
		all = append(all, fmt.Sprintf("%d:%d", r.Partition, r.Offset))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(all)) != p.Selected {
		t.Errorf("want as many as planned, %d, have %d", p.Selected, len(all))
	}
	return strings.Join(all, " ")
}

func minute(n int) time.Time {
	return time.Now().Add(-time.Hour).Truncate(time.Hour).Add(time.Duration(n) * time.Minute)
}

// Records of one shard stand in an order that is not that of their times.
func TestWindowsByTimeAndOffset(t *testing.T) {
	t.Parallel()
	w := newPlainWorld(t)
	for i, m := range []int{1, 5, 3, 7, 4, 9, 6, 2} {
		w.write(t, "ada", track("ada", i), minute(m))
	}
	w.settle(t, live)
	n := partition.ShardOf([]byte("ada"), partitions)
	cases := []struct {
		name string
		sel  replay.Selection
		want []int
	}{
		{"all", replay.Selection{}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{"from", replay.Selection{From: minute(5)}, []int{1, 3, 5, 6}},
		{"to", replay.Selection{To: minute(5)}, []int{0, 2, 4, 7}},
		{"both", replay.Selection{From: minute(3), To: minute(7)}, []int{1, 2, 4, 6}},
		{"after all", replay.Selection{From: minute(10)}, nil},
		{"before all", replay.Selection{To: minute(1)}, nil},
		{"offsets", replay.Selection{Shards: []int32{n}, FromOffset: 2, ToOffset: 5}, []int{2, 3, 4}},
		{"from an offset", replay.Selection{Shards: []int32{n}, FromOffset: 6, ToOffset: -1}, []int{6, 7}},
		{"to an offset", replay.Selection{Shards: []int32{n}, FromOffset: -1, ToOffset: 2}, []int{0, 1}},
		{"offsets not set", replay.Selection{FromOffset: -1, ToOffset: -1, From: minute(9)}, []int{5}},
	}
	for _, c := range cases {
		c.sel.Stream = "events"
		var want []string
		for _, offset := range c.want {
			want = append(want, fmt.Sprintf("%d:%d", n, offset))
		}
		if have := w.places(t, w.plan(t, c.sel)); have != strings.Join(want, " ") {
			t.Errorf("%s: want %v, have %v", c.name, want, have)
		}
	}
}

func TestSelectionsByContent(t *testing.T) {
	t.Parallel()
	w := newPlainWorld(t)
	w.write(t, "ada", track("ada", 0), minute(1))
	w.write(t, "ada", strings.Replace(track("ada", 1), "bought", "viewed", 1), minute(2))
	w.write(t, "ada", identify("ada", 2), minute(3))
	w.write(t, "ada", `not JSON`, minute(4))
	w.write(t, "bob", track("bob", 3), minute(5))
	w.settle(t, live)
	cases := []struct {
		name     string
		sel      replay.Selection
		selected int64
		faulty   int64
	}{
		{"user", replay.Selection{User: "ada"}, 3, 1},
		{"event", replay.Selection{Events: []string{"bought"}}, 2, 0},
		{"either event", replay.Selection{Events: []string{"bought", "viewed"}}, 3, 0},
		{"number", replay.Selection{Fields: map[string]string{"attributes.n": "2"}}, 1, 0},
		{"text", replay.Selection{Fields: map[string]string{"attributes.plan": "gold"}}, 3, 0},
		{"both", replay.Selection{User: "bob", Fields: map[string]string{"attributes.plan": "gold", "action": "event"}}, 1, 0},
		{"no such", replay.Selection{Fields: map[string]string{"attributes.plan.deep": "gold"}}, 0, 0},
	}
	for _, c := range cases {
		c.sel.Stream = "events"
		p := w.plan(t, c.sel)
		if p.Selected != c.selected || p.Skipped.Faulty != c.faulty || p.Scanned != 5 {
			t.Errorf("%s: want %d and %d faulty of 5, have %d, %d of %d", c.name, c.selected, c.faulty, p.Selected, p.Skipped.Faulty, p.Scanned)
		}
	}
}

func TestPlanSaysWhatItCosts(t *testing.T) {
	t.Parallel()
	w := newPlainWorld(t)
	for i := range 150 {
		w.write(t, "ada", track("ada", i), minute(1))
	}
	w.write(t, "ada", identify("ada", 1), minute(1))
	n, _ := w.write(t, "ada", `{"form_id":"f1","body":{"data":{}}}`, minute(1))
	w.Append(t, event.Record{Topic: live, Partition: n, Key: []byte("ada"), Value: []byte(`{"form_id":"f1","body":{"data":{}}}`), Time: minute(1), Headers: []event.Header{{Key: "op", Value: []byte("form_submit")}}})
	w.settle(t, live)
	for i := range 300 {
		w.write(t, "ada", track("ada", i), time.Now())
	}
	p := w.plan(t, replay.Selection{Stream: "events", To: time.Now().Add(time.Hour)})
	if p.Selected != 152 || p.Absorbed != 150 || p.MayDouble != 1 || p.Doubles["form_submit"] != 1 || p.Operations["identify"] != 1 || p.Unsettled != 300 {
		t.Errorf("have %+v", p)
	}
	if len(p.Workspaces) != 1 {
		t.Fatalf("want one workspace, have %+v", p.Workspaces)
	}
	s := p.Workspaces[0]
	if s.Events != 152 || s.Requests != 3 || s.Rate != 1000 || s.LiveRate != 1 || s.BudgetShare != 0.999 || s.Finish < 150*time.Millisecond || s.Finish > 160*time.Millisecond {
		t.Errorf("have %+v", s)
	}
	cautions := strings.Join(p.Cautions, "\n")
	for _, want := range []string{"300 offsets of the window are not settled", "1 calls carry no id", "1 records are left out"} {
		if !strings.Contains(cautions, want) {
			t.Errorf("want %q, have %s", want, cautions)
		}
	}
	if have := len(strings.Fields(w.places(t, p))); have != 152 {
		t.Errorf("have %d", have)
	}
	w.deps.Workspaces[0].EventRate, w.deps.Workspaces[0].Rate = 1, 1 // live takes it all
	if s := w.plan(t, p.Selection).Workspaces[0]; s.BudgetShare != 0.05 || s.Finish != 152*20*time.Second {
		t.Errorf("want the floor, have %+v", s)
	}
	w.deps.Workspaces[0].EventRate = 0.0001
	cautions = strings.Join(w.plan(t, replay.Selection{Stream: "events", From: minute(0)}).Cautions, "\n")
	for _, want := range []string{"longer than events.replay keeps a copy", "events deletes the window's oldest events in", "Live traffic takes all of acme's budget"} {
		if !strings.Contains(cautions, want) {
			t.Errorf("want %q, have %s", want, cautions)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	w := newPlainWorld(t)
	for i := range 10 {
		w.write(t, "ada", track("ada", i), minute(i))
	}
	w.settle(t, live)
	n := partition.ShardOf([]byte("ada"), partitions)
	w.DeleteBefore(t, live, n, 4)
	w.deps.Streams[1].Residency = "eu"
	cases := []struct {
		name string
		sel  replay.Selection
		want []string
	}{
		{"no such stream", replay.Selection{Stream: "evnts"}, []string{`no stream "evnts"`}},
		{"no such shard", replay.Selection{Stream: "events", Shards: []int32{99}}, []string{"no shard 99"}},
		{"no such workspace", replay.Selection{Stream: "events", Workspace: "nobody"}, []string{`routed to "nobody"`}},
		{"times backwards", replay.Selection{Stream: "events", From: minute(2), To: minute(1)}, []string{"must be after from"}},
		{"offsets of all", replay.Selection{Stream: "events", FromOffset: 1, ToOffset: 2}, []string{"exactly one shard"}},
		{"gone by time", replay.Selection{Stream: "events", From: minute(1)}, []string{"from offset 4", "--take-rest"}},
		{"gone by offset", replay.Selection{Stream: "events", Shards: []int32{n}, FromOffset: 1, ToOffset: 9}, []string{"from offset 4", "--take-rest"}},
		{"another region", replay.Selection{Stream: "events", Target: "abroad"}, []string{"acme is in region eu", "abroad is in us", "same region"}},
		{"residency", replay.Selection{Stream: "spare", Target: "abroad"}, []string{"must stay in region eu", "abroad is in us"}},
	}
	for _, c := range cases {
		_, err := w.desk.Plan(t.Context(), c.sel, nil)
		var refused *replay.RefusedError
		if !errors.As(err, &refused) || refused.Remedy == "" {
			t.Errorf("%s: want it refused with a remedy, have %v", c.name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: want %q, have %v", c.name, want, err)
			}
		}
	}
	if p := w.plan(t, replay.Selection{Stream: "events", From: minute(1), TakeRest: true}); p.Selected != 6 {
		t.Errorf("want the rest, have %d", p.Selected)
	}
	if _, err := w.desk.Start(t.Context(), replay.Plan{}, "tester"); err == nil {
		t.Error("want an empty plan refused")
	}
}

func TestPlanTellsProgress(t *testing.T) {
	t.Parallel()
	w := newPlainWorld(t)
	for i := range 2500 {
		w.write(t, "ada", track("ada", i), minute(1))
	}
	w.settle(t, live)
	calls, last := 0, int64(0)
	p, err := w.desk.Plan(t.Context(), replay.Selection{Stream: "events"}, func(done, all int64) {
		calls++
		if done < last || done > all {
			t.Errorf("want it to rise up to all, have %d after %d of %d", done, last, all)
		}
		last = done
	})
	if err != nil || calls == 0 || last != 5000 || p.Selected != 2500 {
		t.Errorf("want progress up to 5000, have %d after %d calls, %v", last, calls, err)
	}
}
