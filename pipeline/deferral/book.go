package deferral

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
	"sluice/pipeline/state"
)

// Book answers at once whether a deferred event is recalled. It is safe for
// concurrent use; the zero Book recalls nothing.
type Book struct{ page atomic.Pointer[page] }

// page is what recalls say, by stream. It is never changed.
type page map[string]*entries

// entries are a stream's recalls: up to which time events are recalled.
type entries struct {
	users map[string]time.Time
	rules map[string]time.Time
	both  map[pair]time.Time
}

type pair struct{ user, rule string }

// Set replaces what the book says.
func (b *Book) Set(recalls []Recall) {
	if len(recalls) == 0 {
		b.page.Store(nil)
		return
	}
	next := page{}
	for _, r := range recalls {
		of := next[r.Stream]
		if of == nil {
			of = &entries{users: map[string]time.Time{}, rules: map[string]time.Time{}, both: map[pair]time.Time{}}
			next[r.Stream] = of
		}
		switch {
		case r.User != "" && r.Rule != "":
			later(of.both, pair{r.User, r.Rule}, r.Before)
		case r.User != "":
			later(of.users, r.User, r.Before)
		default:
			later(of.rules, r.Rule, r.Before)
		}
	}
	b.page.Store(&next)
}

func later[K comparable](of map[K]time.Time, key K, at time.Time) {
	if at.After(of[key]) {
		of[key] = at
	}
}

// Recalled tells whether a deferred event of a stream, which a rule deferred, is
// not wanted any more. No rule is that of the default class, as recalls name it:
// the event's header deferred it.
func (b *Book) Recalled(stream, rule string, e *event.Event) bool {
	p := b.page.Load()
	if p == nil {
		return false
	}
	rule = cmp.Or(rule, rules.DefaultClass)
	of := (*p)[stream]
	return of != nil && (e.Time.Before(of.rules[rule]) || e.Time.Before(of.users[string(e.Key)]) ||
		len(of.both) > 0 && e.Time.Before(of.both[pair{string(e.Key), rule}]))
}

// Follow keeps the book as the store has it until ctx ends.
func (b *Book) Follow(ctx context.Context, store *state.Store, log *zap.Logger) {
	for {
		changed := store.Changed()
		b.Take(store, log)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// Take has the book say what the store has now.
func (b *Book) Take(store *state.Store, log *zap.Logger) {
	recalls, err := List(store)
	if err != nil {
		log.Error("some recalls cannot be read; what they name is delivered", zap.Error(err))
	}
	b.Set(recalls)
}
