package partition_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

// local makes a Local of few records whose events may be barriers.
func local(t *testing.T, change func(*partition.LocalConfig)) *partition.Local {
	t.Helper()
	cfg := partition.LocalConfig{
		Workspace: "w", From: 1, MaxRecords: 3, MaxBytes: 1 << 20,
		Prepare: func(_ string, e *event.Event) { e.Barrier = string(e.Value) == "delete" },
	}
	if change != nil {
		change(&cfg)
	}
	l, err := partition.NewLocal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func add(t *testing.T, l *partition.Local, place int64, key, value string) {
	t.Helper()
	r := event.Record{Offset: place, Value: []byte(value), Time: time.Now()}
	if key != "" {
		r.Key = []byte(key)
	}
	if err := l.Add(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// take takes what is ready and returns it with its places.
func take(l *partition.Local, items int) (partition.Batch, []int64) {
	b := l.Take("w", partition.Limit{Items: items})
	var places []int64
	for _, p := range b.Picks {
		places = append(places, p.Event.Source.Offset)
	}
	return b, places
}

func TestLocalKeepsPlacesAndOrder(t *testing.T) {
	t.Parallel()
	l := local(t, func(c *partition.LocalConfig) { c.From, c.MaxRecords = 10, 100 })
	add(t, l, 12, "a", "1") // 10 and 11 are left out: they count as settled
	add(t, l, 15, "b", "1")
	add(t, l, 0, "a", "2") // the next place: 16
	if err := l.Add(t.Context(), event.Record{Offset: 16, Value: []byte("x")}); !errors.Is(err, partition.ErrPlace) {
		t.Errorf("a place taken twice: want ErrPlace, have %v", err)
	}
	first, places := take(l, 1)
	if want := []int64{12}; !slices.Equal(places, want) {
		t.Fatalf("want %v, have %v", want, places)
	}
	second, places := take(l, 10)
	if want := []int64{15}; !slices.Equal(places, want) { // 16 waits for 12
		t.Fatalf("want %v, have %v", want, places)
	}
	l.Finish(second.Picks, partition.Outcome{Kind: partition.Delivered})
	if next, above := l.Position(); next != 12 || !slices.Equal(above, []partition.Span{{From: 13, To: 15}}) {
		t.Errorf("want 12 and 13-15, have %d and %v", next, above)
	}
	l.Finish(first.Picks, partition.Outcome{Kind: partition.Delivered})
	if next, above := l.Position(); next != 16 || above != nil {
		t.Errorf("want 16 and nothing, have %d and %v", next, above)
	}
	if _, places = take(l, 10); !slices.Equal(places, []int64{16}) {
		t.Errorf("want the user's second event, have %v", places)
	}
}

// A destructive call waits for its commit where there is one; here its key must
// go on by itself.
func TestLocalBarrierGoesOn(t *testing.T) {
	t.Parallel()
	l := local(t, nil)
	add(t, l, 1, "a", "delete")
	add(t, l, 2, "a", "2")
	for place := range int64(2) {
		b, places := take(l, 10)
		if want := []int64{place + 1}; !slices.Equal(places, want) {
			t.Fatalf("want %v, have %v", want, places)
		}
		l.Finish(b.Picks, partition.Outcome{Kind: partition.Delivered})
	}
}

func TestLocalHoldsNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*partition.LocalConfig){
		"records": nil,
		"bytes":   func(c *partition.LocalConfig) { c.MaxRecords, c.MaxBytes = 100, 3*400+1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := local(t, change)
				added := 0
				go func() {
					for i := range 10 {
						if l.Add(t.Context(), event.Record{Key: fmt.Append(nil, i), Value: []byte("{}")}) == nil {
							added++
						}
					}
				}()
				synctest.Wait()
				if added != 3 {
					t.Fatalf("%d added, want 3", added)
				}
				for want := 4; want <= 10; want++ {
					b, _ := take(l, 1)
					l.Finish(b.Picks, partition.RetryAt(time.Time{}, false)) // gives no room
					synctest.Wait()
					if added != want-1 {
						t.Fatalf("%d added, want %d", added, want-1)
					}
					if l.FailingSince().IsZero() {
						t.Error("a record was put back and nobody knows")
					}
					b, _ = take(l, 1)
					l.Finish(b.Picks, partition.Outcome{Kind: partition.Dropped})
					synctest.Wait()
					if added != want {
						t.Fatalf("%d added, want %d", added, want)
					}
					if !l.FailingSince().IsZero() {
						t.Error("a record was settled and it still counts as failing")
					}
				}
			})
		})
	}
}

func TestLocalAddEndsWithContextAndEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := local(t, func(c *partition.LocalConfig) { c.MaxRecords = 1 })
		add(t, l, 1, "a", "1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Add(ctx, event.Record{Value: []byte("{}")}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("want the context's error, have %v", err)
		}
		over := errors.New("over")
		var have error
		go func() { have = l.Add(t.Context(), event.Record{Value: []byte("{}")}) }()
		synctest.Wait()
		l.End(over)
		l.End(errors.New("later"))
		synctest.Wait()
		if !errors.Is(have, over) {
			t.Errorf("want %v, have %v", over, have)
		}
		if b, places := take(l, 1); len(places) != 1 {
			t.Error("what is in hand can be taken after the end")
		} else {
			l.Finish(b.Picks, partition.Outcome{Kind: partition.Delivered})
		}
		if records, _ := l.InHand("w"); records != 0 {
			t.Errorf("%d in hand, want none", records)
		}
	})
}

func TestLocalLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := local(t, func(c *partition.LocalConfig) { c.MaxRecords = 100 })
		for i, key := range []string{"a", "", "a", "b", "", "c"} {
			add(t, l, int64(i+1), key, "{}")
		}
		b, places := take(l, 3)
		if want := []int64{1, 3, 2}; !slices.Equal(places, want) {
			t.Fatalf("want %v, have %v", want, places)
		}
		l.Finish(b.Picks[1:], partition.RetryAt(time.Now().Add(time.Hour), true))
		l.Finish(b.Picks[:1], partition.Outcome{Kind: partition.Delivered})
		if !l.Drain(time.Second) {
			t.Error("nothing is in an attempt, and still the drain took its time")
		}
		if _, places := take(l, 3); places != nil {
			t.Errorf("%v taken after the drain", places)
		}
		var left []int64
		for _, e := range l.Left() {
			left = append(left, e.Source.Offset)
		}
		if want := []int64{2, 3, 4, 5, 6}; !slices.Equal(left, want) {
			t.Errorf("want %v left, have %v", want, left)
		}
	})
}

func TestLocalConfigNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := partition.NewLocal(partition.LocalConfig{From: -1})
	want := "from: must not be below 0, have -1\nmax_records: must be 1 to 16384, have 0\nmax_bytes: must be above 0, have 0"
	if err == nil || err.Error() != want {
		t.Errorf("want\n%s\nhave\n%v", want, err)
	}
}
