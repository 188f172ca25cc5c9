package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"sluice/pipeline/event"
)

// rehearsed is what a rehearsal came to at one workspace.
type rehearsed struct {
	Workspace  string      `json:"workspace"`
	Events     int64       `json:"events"`    // that were sent, repeats by retries left out
	Requests   int64       `json:"requests"`  // that arrived
	Effects    int64       `json:"effects"`   // of what arrived
	Repeats    int64       `json:"repeats"`   // known by their id
	Ignored    int64       `json:"ignored"`   // accepted and dropped: of suppressed people, or what does not exist
	People     int         `json:"people"`    // that it made known
	Rejected   int64       `json:"rejected"`  // would be dead letters
	Unsettled  int64       `json:"unsettled"` // when it ended
	Seconds    float64     `json:"seconds"`   // of the rehearsal
	Rejections []rejection `json:"rejections"`
}

// rejection counts the events that were refused alike.
type rejection struct {
	Events int64  `json:"events"`
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
	Status int    `json:"status"`
	First  string `json:"first"` // where one of them stands
}

// rejections counts what no attempt will deliver. It is safe for concurrent use.
type rejections struct {
	mu    sync.Mutex
	kinds map[string]*rejection // by what they have in common; guarded by mu
}

func newRejections() *rejections { return &rejections{kinds: map[string]*rejection{}} }

// add takes a dead letter, as pipeline.DirectConfig wants it.
func (j *rejections) add(_ context.Context, r event.Record) error {
	death, _, err := event.ParseDeath(r)
	if err != nil {
		return err
	}
	stood := ""
	for _, h := range r.Headers {
		if h.Key == headerStood {
			stood = string(h.Value)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	key := fmt.Sprintf("%d\x00%s\x00%s", death.Status, death.Reason, death.Detail)
	if j.kinds[key] == nil && len(j.kinds) >= mostReasons { // details may differ without end
		key, death.Status, death.Reason, death.Detail = "", 0, "of other kinds", ""
	}
	one := j.kinds[key]
	if one == nil {
		one = &rejection{Reason: death.Reason, Detail: death.Detail, Status: death.Status, First: stood}
		j.kinds[key] = one
	}
	one.Events++
	return nil
}

// mostReasons bounds the kinds of rejection that are told apart.
const mostReasons = 50

// list has the most frequent kind first.
func (j *rejections) list() []rejection {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := []rejection{}
	for _, one := range j.kinds {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b rejection) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.First, b.First))
	})
	return all
}
