package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"sluice/pipeline/state"
)

// Store is what is needed of the operators' state; *state.Store is one. For a
// Runner it must follow its topic by itself.
type Store interface {
	Refresh(ctx context.Context) error
	Get(key string) (state.Document, bool)
	List(prefix string) []state.Document
	Put(ctx context.Context, key string, body any) (version int64, err error)
	Swap(ctx context.Context, key string, seen int64, body any) (version int64, err error)
	Changed() <-chan struct{}
	Audit(ctx context.Context, e state.Entry) error
}

const keyPrefix = "replay/"

func jobKey(id string) string { return keyPrefix + id }

func shardKey(id string, number int32) string {
	return keyPrefix + id + "/shard/" + strconv.Itoa(int(number))
}

func claimKey(id string) string { return keyPrefix + id + "/claim" }

// stored is a job as the state has it.
type stored struct {
	Job
	version int64
}

// jobsIn are all jobs, in order of creation.
func jobsIn(s Store) ([]stored, error) {
	var jobs []stored
	for _, doc := range s.List(keyPrefix) {
		if strings.Contains(doc.Key[len(keyPrefix):], "/") {
			continue
		}
		var job Job
		if err := json.Unmarshal(doc.Body, &job); err != nil {
			return nil, fmt.Errorf("read %s: %w", doc.Key, err)
		}
		jobs = append(jobs, stored{job, doc.Version})
	}
	return jobs, nil
}

// jobIn is one job, or ErrUnknown.
func jobIn(s Store, id string) (stored, error) {
	doc, found := s.Get(jobKey(id))
	if !found || strings.Contains(id, "/") {
		return stored{}, fmt.Errorf("%q: %w", id, ErrUnknown)
	}
	var job Job
	if err := json.Unmarshal(doc.Body, &job); err != nil {
		return stored{}, fmt.Errorf("read %s: %w", doc.Key, err)
	}
	return stored{job, doc.Version}, nil
}

// progressIn is how far a job is with a shard; with one that was not begun it is
// at the window's start.
func progressIn(s Store, id string, r Range) (progress, error) {
	p := progress{Next: r.From}
	doc, found := s.Get(shardKey(id, r.Partition))
	if !found {
		return p, nil
	}
	if err := json.Unmarshal(doc.Body, &p); err != nil {
		return progress{}, fmt.Errorf("read %s: %w", doc.Key, err)
	}
	return p, nil
}
