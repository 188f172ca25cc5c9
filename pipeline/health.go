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
	Waiting      *Waiting   `json:"waiting,omitempty"` // for a topic that takes nothing
}

// Health returns every workspace's breaker and what it waits for, and whether
// all are well. It is safe for concurrent use.
func (p *Pipeline) Health() (map[string]WorkspaceHealth, bool) {
	all, well, now := map[string]WorkspaceHealth{}, true, time.Now()
	for _, w := range p.order {
		h := w.now.Load().breaker.Health()
		entry := WorkspaceHealth{CircuitState: h.State.String(), FailureCount: h.Failures, Refused: w.hold.isRefused(), Waiting: w.waiting(now)}
		if !h.LastFailure.IsZero() {
			entry.LastFailure = &h.LastFailure
		}
		all[w.Name] = entry
		well = well && h.State == sink.Closed && !entry.Refused && entry.Waiting == nil
	}
	return all, well
}

// notJoined is what /readyz says before the group has given an assignment.
const notJoined = "not in the group yet"

// Ready tells whether the group has given this member an assignment, be it an
// empty one, and which topics of other tiers have taken nothing for more than
// five seconds, a line each; empty: none. It is safe for concurrent use.
func (p *Pipeline) Ready() (joined bool, waits string) {
	return p.consumer.Joined(), p.unwritable(time.Now())
}

// Probes answers /livez, /readyz and /health. Ready means that the group has
// given this member its shards, or that it holds none because others hold all,
// and that whatever must be set aside can be: the answer names the topic that
// has taken nothing for more than five seconds.
func (p *Pipeline) Probes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(rw http.ResponseWriter, _ *http.Request) { answer(rw, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) {
		joined, waits := p.Ready()
		switch {
		case !joined:
			answer(rw, http.StatusServiceUnavailable, notJoined)
		case waits != "":
			answer(rw, http.StatusServiceUnavailable, waits)
		default:
			answer(rw, http.StatusOK, "ok")
		}
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
	mux.HandleFunc("GET /shards/waiting", func(rw http.ResponseWriter, _ *http.Request) { answer(rw, http.StatusOK, p.standstills(time.Now())) })
	mux.HandleFunc("GET /waiting", func(rw http.ResponseWriter, _ *http.Request) { answer(rw, http.StatusOK, p.Waiting()) })
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
	tier, err := partition.ParseTier(r.URL.Query().Get("tier"))
	if err != nil {
		refuse(rw, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), resumeTimeout)
	defer cancel()
	done, err := p.consumer.Resume(ctx, partition.ShardID{Stream: r.PathValue("stream"), Partition: int32(n), Tier: tier}, at)
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

// resumeAll sets every stopped shard of a stream going that is this member's,
// on each of its tiers.
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

// What a workspace's shards wait for. What a shard waits for by itself has the
// words of package partition.
const (
	WaitsForBreaker = "breaker" // the destination is down; it is asked again then
	WaitsForRefusal = "refused" // it refuses this workspace; it is asked again then
	WaitsForPause   = "pause"   // it asked to be left alone until then
)

// Standstill is what something waits for, in a word, and until when that lasts
// as far as is known.
type Standstill struct {
	For   string    `json:"for"`
	Until time.Time `json:"until,omitzero"`
}

// Standstills are why nothing is sent of some of a member's shards, and of some
// of its workspaces altogether, whatever there is to send.
type Standstills struct {
	Shards     map[string]Standstill `json:"shards"`
	Workspaces map[string]Standstill `json:"workspaces"`
}

func (p *Pipeline) standstills(now time.Time) Standstills {
	all := Standstills{Shards: map[string]Standstill{}, Workspaces: map[string]Standstill{}}
	for _, w := range p.consumer.Waits() {
		all.Shards[w.Shard.String()] = Standstill{For: w.For, Until: w.Until}
	}
	for _, w := range p.order {
		if s := w.standstill(now); s.For != "" {
			all.Workspaces[w.Name] = s
		}
	}
	return all
}

// standstill is why nothing of the workspace is sent; For is empty when it is.
func (w *workspace) standstill(now time.Time) Standstill {
	until, refused := w.hold.state()
	switch probe := w.now.Load().breaker.NextProbe(); {
	case refused:
		return Standstill{For: WaitsForRefusal, Until: until}
	case !probe.IsZero():
		return Standstill{For: WaitsForBreaker, Until: probe}
	case until.After(now):
		return Standstill{For: WaitsForPause, Until: until}
	}
	return Standstill{}
}

// state is until when nothing is sent, and whether the destination refuses us.
func (h *hold) state() (until time.Time, refused bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until, h.refused
}

func refuse(rw http.ResponseWriter, status int, err error) {
	answer(rw, status, map[string]string{"error": err.Error()})
}

func answer(rw http.ResponseWriter, status int, body any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(body) // the client is gone; there is nobody to tell
}
