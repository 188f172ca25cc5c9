// Package deferral looks after events that wait for their due time: which there
// are, and which are not wanted any more. A recall is a document of the
// operators' state; every member that follows it drops what it names when that
// is read, wakes or is due.
package deferral

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"sluice/pipeline/rules"
	"sluice/pipeline/state"
)

// Recall says that deferred events of a stream are not wanted any more: those
// of a user, of a rule, or of both together. Later events are not meant.
type Recall struct {
	ID     string    `json:"id"`
	Stream string    `json:"stream"`
	User   string    `json:"user,omitempty"` // the record key; empty: of any
	Rule   string    `json:"rule,omitempty"` // empty: of any
	Before time.Time `json:"before"`         // events whose time is earlier
	By     string    `json:"by"`
	Why    string    `json:"why,omitempty"`
}

// Over is when a recall has nothing left to drop: no event is deferred for
// longer.
func (r Recall) Over() time.Time { return r.Before.Add(rules.MaxAhead) }

// Validate returns what is wrong with a recall.
func (r Recall) Validate() error {
	var faults []error
	if r.Stream == "" {
		faults = append(faults, errors.New("stream: must be named"))
	}
	if r.User == "" && r.Rule == "" {
		faults = append(faults, errors.New("user, rule: one of them must be named"))
	}
	if r.Before.IsZero() {
		faults = append(faults, errors.New("before: must be a time"))
	}
	return errors.Join(faults...)
}

// prefix begins the keys of recalls.
const prefix = "recall/"

// Add keeps a recall, with an id of its own, leaves a line in the audit trail,
// and removes recalls that are over. It returns the recall as kept.
func Add(ctx context.Context, store *state.Store, r Recall) (Recall, error) {
	if err := r.Validate(); err != nil {
		return r, err
	}
	r.ID = ulid.Make().String()
	if _, err := store.Put(ctx, prefix+r.ID, r); err != nil {
		return r, fmt.Errorf("keep the recall: %w", err)
	}
	detail := map[string]string{"recall": r.ID}
	for key, value := range map[string]string{"user": r.User, "rule": r.Rule, "why": r.Why} {
		if value != "" {
			detail[key] = value
		}
	}
	if err := store.Audit(ctx, state.Entry{By: r.By, Action: "deferred cancel", What: r.Stream, Detail: detail}); err != nil {
		return r, err
	}
	return r, prune(ctx, store, time.Now())
}

// prune removes what has nothing left to drop.
func prune(ctx context.Context, store *state.Store, now time.Time) error {
	recalls, _ := List(store)
	for _, r := range recalls {
		if now.After(r.Over()) {
			if err := store.Delete(ctx, prefix+r.ID); err != nil {
				return fmt.Errorf("remove recall %s, which is over: %w", r.ID, err)
			}
		}
	}
	return nil
}

// Withdraw takes a recall back: what it has not dropped yet is delivered after
// all. It reports false when there is none of that id.
func Withdraw(ctx context.Context, store *state.Store, id, by string) (bool, error) {
	doc, known := store.Get(prefix + id)
	if !known {
		return false, nil
	}
	var r Recall
	_ = json.Unmarshal(doc.Body, &r) // what cannot be read can be withdrawn
	if err := store.Delete(ctx, prefix+id); err != nil {
		return true, fmt.Errorf("withdraw recall %s: %w", id, err)
	}
	return true, store.Audit(ctx, state.Entry{By: by, Action: "deferred withdraw", What: r.Stream, Detail: map[string]string{"recall": id}})
}

// List returns the recalls in the order in which they were made. The error names
// those that cannot be read; the others are returned.
func List(store *state.Store) ([]Recall, error) {
	var all []Recall
	var faults []error
	for _, doc := range store.List(prefix) {
		var r Recall
		if err := json.Unmarshal(doc.Body, &r); err != nil {
			faults = append(faults, fmt.Errorf("recall %s: %w", strings.TrimPrefix(doc.Key, prefix), err))
			continue
		}
		r.ID = strings.TrimPrefix(doc.Key, prefix)
		all = append(all, r)
	}
	return all, errors.Join(faults...)
}
