package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"sluice/partition"
	"sluice/sink"
)

// WorkspaceHealth is one workspace's entry in /health.
type WorkspaceHealth struct {
	CircuitState string     `json:"circuit_state"`
	FailureCount int        `json:"failure_count"`
	LastFailure  *time.Time `json:"last_failure"`
	Refused      bool       `json:"refused"`
}

// Health returns every workspace's breaker and whether all are well.
func (p *Pipeline) Health() (map[string]WorkspaceHealth, bool) {
	all, well := map[string]WorkspaceHealth{}, true
	for _, w := range p.order {
		h := w.now.Load().breaker.Health()
		entry := WorkspaceHealth{CircuitState: h.State.String(), FailureCount: h.Failures, Refused: w.hold.isRefused()}
		if !h.LastFailure.IsZero() {
			entry.LastFailure = &h.LastFailure
		}
		all[w.Name] = entry
		well = well && h.State == sink.Closed && !entry.Refused
	}
	return all, well
}

// Probes answers /livez, /readyz and /health. Ready means that the group has
// given this member its shards, or that it holds none because others hold all.
func (p *Pipeline) Probes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(rw http.ResponseWriter, _ *http.Request) { answer(rw, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) {
		if !p.consumer.Joined() {
			answer(rw, http.StatusServiceUnavailable, "not in the group yet")
			return
		}
		answer(rw, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /health", func(rw http.ResponseWriter, _ *http.Request) {
		all, well := p.Health()
		status := http.StatusOK
		if !well {
			status = http.StatusServiceUnavailable
		}
		answer(rw, status, all)
	})
	return mux
}

// Actions answers what an operator may ask of this member. It must not be
// reachable by anybody else.
func (p *Pipeline) Actions() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /shards/stopped", func(rw http.ResponseWriter, _ *http.Request) {
		stopped := map[string]partition.Stop{}
		for _, s := range p.consumer.Stops() {
			stopped[s.Shard.String()] = s
		}
		answer(rw, http.StatusOK, stopped)
	})
	mux.HandleFunc("GET /balance", func(rw http.ResponseWriter, _ *http.Request) { answer(rw, http.StatusOK, p.Balance()) })
	mux.HandleFunc("POST /shards/{stream}/{partition}/resume", p.resume)
	return mux
}

// resumeTimeout bounds an operator's resume.
const resumeTimeout = 10 * time.Second

func (p *Pipeline) resume(rw http.ResponseWriter, r *http.Request) {
	if r.PathValue("partition") == "all" {
		p.resumeAll(rw, r)
		return
	}
	n, err := strconv.ParseInt(r.PathValue("partition"), 10, 32)
	if err != nil || n < 0 {
		refuse(rw, http.StatusBadRequest, errors.New("the partition must be a number"))
		return
	}
	at := int64(partition.AtLogStart)
	if text := r.URL.Query().Get("at"); text != "start" {
		if at, err = strconv.ParseInt(text, 10, 64); err != nil || at < 0 {
			refuse(rw, http.StatusBadRequest, errors.New(`at must be "start" or an offset`))
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), resumeTimeout)
	defer cancel()
	done, err := p.consumer.Resume(ctx, partition.ShardID{Stream: r.PathValue("stream"), Partition: int32(n)}, at)
	switch {
	case errors.Is(err, partition.ErrNotOwned):
		refuse(rw, http.StatusNotFound, err)
	case err != nil:
		refuse(rw, http.StatusConflict, err)
	default:
		answer(rw, http.StatusOK, done)
	}
}

// resumption is what became of one of several shards.
type resumption struct {
	partition.Resumed
	Error string `json:"error,omitempty"`
}

// resumeAll sets every stopped shard of a stream going that is this member's.
func (p *Pipeline) resumeAll(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("at") != "start" {
		refuse(rw, http.StatusBadRequest, errors.New(`several shards can only go on at "start"`))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), resumeTimeout)
	defer cancel()
	became := map[string]resumption{}
	p.consumer.ResumeAll(ctx, r.PathValue("stream"), func(id partition.ShardID, done partition.Resumed, err error) {
		one := resumption{Resumed: done}
		if err != nil {
			one.Error = err.Error()
		}
		became[id.String()] = one
	})
	answer(rw, http.StatusOK, became)
}

func refuse(rw http.ResponseWriter, status int, err error) {
	answer(rw, status, map[string]string{"error": err.Error()})
}

func answer(rw http.ResponseWriter, status int, body any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(body) // the client is gone; there is nobody to tell
}
