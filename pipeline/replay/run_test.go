package replay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/replay"
	"sluice/pipeline/state"
)

// fill writes so many events of several users and settles them; it returns where
// they stand, by shard.
func fill(t *testing.T, w *world, events int) map[int32][]event.Source {
	t.Helper()
	want := map[int32][]event.Source{}
	at := time.Now().Add(-time.Hour)
	for i := range events {
		user := fmt.Sprintf("user-%d", i%11)
		number, offset := w.write(t, user, track(user, i), at.Add(time.Duration(i)*time.Second))
		want[number] = append(want[number], event.Source{Topic: live, Partition: number, Offset: offset})
	}
	w.settle(t, live)
	return want
}

// full is how many of fill's first 900 events are copied while nobody reads the
// tier: shard 0 has 82, and 200 wait of each other.
const full = 82 + 200 + 200

func TestReplayCopiesTheWindowInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		want := fill(t, w, 60)
		before, err := w.kafka.Committed(t.Context(), "g", live)
		if err != nil {
			t.Fatal(err)
		}
		w.member(t, "m1", nil)
		defer w.deliver(t, tier)()
		job := w.start(t, replay.Selection{Stream: "events"})
		s := w.await(t, job.ID, "want it done", done)
		if s.Copied != 60 || s.Settled != 60 || s.Left != 0 || s.Ended.IsZero() {
			t.Errorf("want 60 copied and settled, have %+v", s)
		}
		if have := w.copies(t, tier, job.ID); !reflect.DeepEqual(have, want) {
			t.Errorf("want %v, have %v", want, have)
		}
		checkIdentity(t, w)
		after, err := w.kafka.Committed(t.Context(), "g", live)
		if err != nil || !reflect.DeepEqual(after, before) {
			t.Errorf("want no live offset changed, have %v, then %v, %v", before, after, err)
		}
		var acts []string
		if err := w.store.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, doc := range w.store.List(state.AuditPrefix) {
			acts = append(acts, string(doc.Body))
		}
		if len(acts) != 2 || !strings.Contains(acts[0], `"replay start"`) || !strings.Contains(acts[1], `"replay done"`) {
			t.Errorf("want a line for start and one for done, have %v", acts)
		}
	})
}

// checkIdentity compares ids and times of copies and originals.
func checkIdentity(t *testing.T, w *world) {
	t.Helper()
	var e event.Event
	ids, times := map[event.Source]string{}, map[event.Source]time.Time{}
	for _, r := range w.Read(t, live) {
		e.Load(r, "cluster")
		e.PrepareEntity()
		ids[e.Source], times[e.Source] = e.ID.String(), e.Time
	}
	for _, r := range w.Read(t, tier) {
		e.LoadMoved(r, "cluster")
		e.PrepareEntity()
		if want := ids[e.Origin]; e.ID.String() != want || !e.Time.Equal(times[e.Origin]) {
			t.Fatalf("%v: want id %s of %v, have %s of %v", e.Origin, want, times[e.Origin], e.ID, e.Time)
		}
		for _, h := range r.Headers {
			if h.Key == event.HeaderEventID {
				t.Fatal("want no id that was derived without the cluster's")
			}
		}
	}
}

// A copy that its topic does not take is left out and counted; what follows goes.
func TestTooLargeIsLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		fill(t, w, 20)
		w.member(t, "m1", func(c replay.Cluster) replay.Cluster { return small{c} })
		defer w.deliver(t, tier)()
		job := w.start(t, replay.Selection{Stream: "events"})
		if s := w.await(t, job.ID, "want it done", done); s.Copied != 10 || s.Skipped.TooLarge != 10 || s.Skipped.Total() != 10 {
			t.Errorf("want half of them copied, have %+v", s)
		}
	})
}

// small is a Kafka that takes no user's even events.
type small struct{ replay.Cluster }

func (s small) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	var n int
	if _, err := fmt.Sscanf(string(r.Value[bytes.Index(r.Value, []byte(`"n":`)):]), `"n":%d`, &n); err == nil && n%2 == 0 {
		go done(partition.Position{}, fmt.Errorf("append: %w", partition.ErrTooLarge))
		return
	}
	s.Cluster.Append(ctx, r, done)
}

// While nobody runs, a job says so; a claim that is dead is taken by one alone.
func TestStatusSaysWhyNothingHappens(t *testing.T) {
	t.Parallel()
	w := newPlainWorld(t)
	fill(t, w, 10)
	job := w.start(t, replay.Selection{Stream: "events"})
	s := w.status(t, job.ID)
	if s.State != replay.Running || s.Left != 10 || !strings.Contains(s.Waiting, "no member has taken it up") {
		t.Errorf("have %+v", s)
	}
	all, err := w.desk.Jobs(t.Context())
	if err != nil || len(all) != 1 || !reflect.DeepEqual(all[0].Job, s.Job) {
		t.Errorf("want the same in the list, have %+v, %v", all, err)
	}
	if _, err := w.desk.Status(t.Context(), "nobody"); !errors.Is(err, replay.ErrUnknown) {
		t.Errorf("want it unknown, have %v", err)
	}
}

func TestReplayPausesResumesAndCancels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		fill(t, w, 900)
		w.deps.Workspaces[0].EventRate = 10
		m := w.member(t, "m1", nil)
		job := w.start(t, replay.Selection{Stream: "events"})
		s := w.await(t, job.ID, "want the tier full", func(s replay.Status) bool { return s.Copied == full })
		if s.Settled != 0 || s.Rate != 0 || s.ETA != 0 {
			t.Errorf("want no pace while nothing is delivered, have %+v", s)
		}
		if _, err := w.desk.Pause(t.Context(), job.ID, "tester"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		stop := w.deliver(t, tier)
		time.Sleep(10 * time.Second)
		if s := w.status(t, job.ID); s.Copied != full || s.State != replay.Paused || s.Left != 900-full {
			t.Errorf("want nothing copied while it is paused and the rest left, have %+v", s)
		}
		stop()
		if _, err := w.desk.Resume(t.Context(), job.ID, "tester"); err != nil {
			t.Fatal(err)
		}
		w.await(t, job.ID, "want it to go on", func(s replay.Status) bool { return s.Copied > full })
		if m.Cancelled(job.ID) {
			t.Error("want it not cancelled")
		}
		if _, err := w.desk.Cancel(t.Context(), job.ID, "tester"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		n := w.status(t, job.ID).Copied
		if !m.Cancelled(job.ID) || !w.member(t, "m2", nil).Cancelled(job.ID) {
			t.Error("want every member to know that it is cancelled")
		}
		defer w.deliver(t, tier)() // as members do that drop it
		time.Sleep(5 * time.Second)
		if s := w.status(t, job.ID); s.State != replay.Cancelled || s.Copied != n || s.Settled != full || s.Ended.IsZero() {
			t.Errorf("want nothing copied any more, and settled what was before it was cancelled, have %+v", s)
		}
		if _, err := w.desk.Resume(t.Context(), job.ID, "tester"); err == nil || !strings.Contains(err.Error(), "cancelled") {
			t.Errorf("want no way back, have %v", err)
		}
		if _, err := w.desk.Pause(t.Context(), "nobody", "tester"); err == nil {
			t.Error("want no unknown job paused")
		}
	})
}

func TestLaterJobsWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		want := fill(t, w, 900)
		w.deps.Workspaces[0].EventRate = 10
		w.member(t, "m1", nil)
		w.member(t, "m2", nil)
		first := w.start(t, replay.Selection{Stream: "events", Shards: []int32{2}})
		w.await(t, first.ID, "want the tier full", func(s replay.Status) bool { return s.Copied == 200 })
		second := w.start(t, replay.Selection{Stream: "events"})
		third := w.start(t, replay.Selection{Stream: "events", Shards: []int32{2}})
		w.await(t, second.ID, "want the other shards copied", func(s replay.Status) bool { return s.Copied == 82+200 })
		time.Sleep(5 * time.Second)
		if s := w.status(t, second.ID); s.Shards[2].Copied != 0 || !strings.Contains(s.Waiting, first.ID) {
			t.Errorf("want it to wait for the first, have %+v", s)
		}
		if s := w.status(t, third.ID); s.Copied != 0 || !strings.Contains(s.Waiting, first.ID) {
			t.Errorf("want it to wait for the first, have %+v", s)
		}
		defer w.deliver(t, tier)()
		w.await(t, first.ID, "want the first done", done)
		w.await(t, second.ID, "want the second done", done)
		w.await(t, third.ID, "want the third done", done)
		if have := w.copies(t, tier, second.ID); !reflect.DeepEqual(have, want) {
			t.Error("want each once and in order")
		}
		for _, r := range w.copies(t, tier, third.ID) {
			if !slices.Equal(r, want[2]) {
				t.Errorf("want the third's shard alone, have %v", r)
			}
		}
	})
}

func TestLiveLagStopsCopying(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		w.deps.Workspaces[0].EventRate = 1 // 30 s of it are 30 events
		want := fill(t, w, 40)
		at := time.Now()
		for i := range 40 { // not settled
			w.write(t, "late", track("late", i), at)
		}
		late := partition.ShardOf([]byte("late"), partitions)
		w.member(t, "m1", nil)
		stop := w.deliver(t, tier)
		defer func() { stop() }()
		job := w.start(t, replay.Selection{Stream: "events", To: at})
		s := w.await(t, job.ID, "want the others copied", func(s replay.Status) bool {
			return s.Copied == int64(40-len(want[late])) && s.Waiting != ""
		})
		if !strings.Contains(s.Waiting, "live traffic goes first") {
			t.Errorf("want it to say what it waits for, have %q", s.Waiting)
		}
		stop()
		w.settle(t, live)
		stop = w.deliver(t, tier)
		w.await(t, job.ID, "want it done", done)
		if have := w.copies(t, tier, job.ID); !reflect.DeepEqual(have, want) {
			t.Error("want each once and in order")
		}
	})
}

// A user is deleted on the live topic while the replay runs: from then on the
// copies of that user stop.
func TestDeletedMeanwhileStopsTheUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		w.deps.Workspaces[0].EventRate = 10
		at := time.Now().Add(-time.Hour)
		number := int32(0)
		for i := range 400 {
			number, _ = w.write(t, "ada", track("ada", i), at)
		}
		w.settle(t, live)
		w.member(t, "m1", nil)
		job := w.start(t, replay.Selection{Stream: "events"})
		w.await(t, job.ID, "want the tier full", func(s replay.Status) bool { return s.Copied == 200 })
		w.write(t, "ada", destroy("delete", "ada"), time.Now())
		w.settle(t, live)
		defer w.deliver(t, tier)()
		s := w.await(t, job.ID, "want it done", done)
		if s.Copied != 200 || s.Skipped.Deleted != 200 || len(w.copies(t, tier, job.ID)[number]) != 200 {
			t.Errorf("want 200 copied and 200 left out, have %+v", s)
		}
	})
}

func TestSourceGoneFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		w.deps.Workspaces[0].EventRate = 10
		at := time.Now().Add(-time.Hour)
		number := int32(0)
		for i := range 400 {
			number, _ = w.write(t, "ada", track("ada", i), at)
		}
		w.settle(t, live)
		w.member(t, "m1", nil)
		job := w.start(t, replay.Selection{Stream: "events"})
		w.await(t, job.ID, "want the tier full", func(s replay.Status) bool { return s.Copied == 200 })
		w.DeleteBefore(t, live, number, 300)
		s := w.await(t, job.ID, "want it failed", func(s replay.Status) bool { return s.State == replay.Failed })
		if !strings.Contains(s.Reason, "retention has deleted the offsets 200 to 299") {
			t.Errorf("want the reason, have %q", s.Reason)
		}
	})
}

func TestReplayToAnotherWorkspace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		fill(t, w, 60)
		w.member(t, "m1", nil)
		defer w.deliver(t, otherTier)()
		job := w.start(t, replay.Selection{Stream: "events", Target: "copy"})
		if s := w.await(t, job.ID, "want it done", done); s.Copied != 60 || job.Target != "spare" {
			t.Errorf("want 60 on the other stream's tier, have %+v", s)
		}
		n := 0
		for _, places := range w.copies(t, otherTier, job.ID) {
			n += len(places)
		}
		if n != 60 || len(w.Read(t, tier)) != 0 {
			t.Errorf("want 60 copies there and none here, have %d, %d", n, len(w.Read(t, tier)))
		}
	})
}

// Kafka refuses for a while: the copier tries again, and copies once.
func TestReplayOutlastsAFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		want := fill(t, w, 60)
		w.member(t, "m1", meddle(func(n int, _ event.Record) (bool, bool) { return n%7 != 3, n%7 != 3 && n%11 != 5 }))
		defer w.deliver(t, tier)()
		job := w.start(t, replay.Selection{Stream: "events"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for ctx.Err() == nil && w.status(t, job.ID).State != replay.Done {
			time.Sleep(time.Second)
		}
		have := w.copies(t, tier, job.ID)
		for number := range want {
			slices.SortFunc(have[number], func(a, b event.Source) int { return int(a.Offset - b.Offset) })
			if !slices.Equal(have[number], want[number]) {
				t.Errorf("shard %d: want each once, have %v", number, have[number])
			}
		}
		// Copies of other users may have overtaken one that failed, none of its own.
		last := map[string]int64{}
		var e event.Event
		for _, r := range w.Read(t, tier) {
			e.LoadMoved(r, "cluster")
			if key := string(r.Key); e.Origin.Offset <= last[key] && last[key] > 0 {
				t.Errorf("%s: want %d after %d", key, last[key], e.Origin.Offset)
			} else {
				last[key] = e.Origin.Offset
			}
		}
	})
}
