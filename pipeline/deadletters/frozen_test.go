package deadletters_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/partition"
	"sluice/pipeline/deadletters"
	"sluice/pipeline/event"
)

// freezing is a Kafka whose user stands still for a while, once it has claimed.
type freezing struct {
	deadletters.Kafka
	claimed, frozen bool
	woken           chan struct{}
}

func (f *freezing) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	f.claimed = f.claimed || r.Topic == dead
	f.Kafka.Append(ctx, r, done)
}

func (f *freezing) Read(ctx context.Context, r partition.Range, fn func(event.Record) error) error {
	// What was asked for before the freeze is what is known after it.
	err := f.Kafka.Read(ctx, r, fn)
	if f.claimed && !f.frozen {
		f.frozen = true
		time.Sleep(time.Minute)
		close(f.woken)
	}
	return err
}

// A process is frozen after its claim; another one takes over meanwhile. When
// it wakes, its time is up and it puts nothing back.
func TestRedriveFrozenWritesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t)
		want := map[string][]string{"ada": {`{"n":1}`, `{"n":2}`}}
		for _, value := range want["ada"] {
			w.die(t, "ada", value, event.Death{})
		}
		frozen := &freezing{Kafka: w.cluster, woken: make(chan struct{})}
		ended := make(chan error, 1)
		go func() {
			_, err := deadletters.Open(frozen, live, dead).Handle(t.Context(), ordered(deadletters.Order{Deed: deadletters.Redrive}))
			ended <- err
		}()
		time.Sleep(time.Second)
		if c := w.handle(t, deadletters.Order{Deed: deadletters.Redrive}); c.Handled != 2 {
			t.Errorf("want the other to take over, have %+v", c)
		}
		<-frozen.woken
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "deadline") {
			t.Errorf("want the frozen one to find its time up, have %v", err)
		}
		same(t, want, w.sequence(t))
		if again := w.handle(t, deadletters.Order{Deed: deadletters.Redrive}); again.Handled != 0 {
			t.Errorf("have %+v", again)
		}
	})
}

// The default rate is slow: what a claim names is put back within its lease all
// the same, evenly and in no more time than it takes.
func TestRedriveKeepsItsRate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		rate float64
		want time.Duration
	}{{8, 19 * time.Second / 8}, {0.1, 190 * time.Second}, {1000, 19 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			w := newVirtualWorld(t)
			want := fill(t, w, 20)
			began := time.Now()
			if c := w.handle(t, deadletters.Order{Deed: deadletters.Redrive, Rate: tc.rate}); c.Handled != 20 {
				t.Errorf("%v/s: have %+v", tc.rate, c)
			}
			// Marks and reading back take their time as well.
			if took := time.Since(began); took < tc.want-20*time.Millisecond || took > tc.want+tc.want/5+3*time.Second {
				t.Errorf("%v/s: want about %v, have %v", tc.rate, tc.want, took)
			}
			same(t, want, w.sequence(t))
		})
	}
}

// What somebody handles between our reading and our claim is not handled again.
func TestHandleLeavesWhatOthersHandledMeanwhile(t *testing.T) {
	t.Parallel()
	for _, deed := range []deadletters.Deed{deadletters.Redrive, deadletters.Drop} {
		w := newWorld(t)
		w.die(t, "ada", `{"n":1}`, event.Death{Status: 400})
		w.die(t, "ada", `{"n":2}`, event.Death{Status: 500})
		dropped := deadletters.Filter{Statuses: []deadletters.Statuses{{From: 400, To: 400}}}
		meddled := &faulty{Kafka: w.cluster, fail: func(n int, _ event.Record) error {
			if n == 1 {
				w.handle(t, deadletters.Order{Deed: deadletters.Drop, Filter: dropped})
			}
			return nil
		}}
		c, err := deadletters.Open(meddled, live, dead).Handle(t.Context(), ordered(deadletters.Order{Deed: deed}))
		if err != nil || c.Handled != 1 || w.pending(t) != 0 {
			t.Errorf("%s: want the other letter alone handled, have %+v, %v", deed, c, err)
		}
		if events := w.Read(t, live); deed == deadletters.Redrive && (len(events) != 1 || string(events[0].Value) != `{"n":2}`) {
			t.Errorf("want the second letter alone put back, have %d", len(events))
		}
	}
}
