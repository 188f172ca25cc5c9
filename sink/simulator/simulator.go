// Package simulator plays Customer.io's Track API, v1 and v2, for tests and
// rehearsals: its credentials, size limits, answers, people, deduplication of
// event ids and timestamps that order attribute updates; and, when told to,
// its bad days: latency, limits, errors, outages, hung and cut connections.
//
// It follows the published Track API specification (OpenAPI 3.1, journeys-track)
// and what the official client libraries were seen to send. It records what
// arrives and judges none of it: whether events were lost, repeated or out of
// order is for a checker, which reads the history.
//
// The API is at /, the controls at /_sim/. A request's place in the order, its
// outcome and its effect are decided in one step on arrival; latency is waited
// for after that, without any lock, so a slow answer is late and not undecided.
//
// Where nothing is published, this is what it does: a request or item that is
// too large or malformed is a 400, also by v1; an event whose id is not a ULID
// is accepted and dropped; ids are remembered for the whole run; of two sites
// of different regions both get the 301; what is ignored is answered 200.
//
// The rate limiter is a token bucket for each workspace (site ID): a request
// with good credentials takes one token, one that finds none is answered 429
// and takes nothing. When degrading, as the real service does, it is answered
// 200 later and later, its events are lost, and its token is owed: the account
// recovers once the debt of at most ten seconds is worked off.
package simulator

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Simulator is a Track API of one region with any number of workspaces. It is
// an http.Handler and safe for concurrent use. Its state is in memory.
type Simulator struct {
	log       *zap.Logger
	table     []endpoint // never written
	start     time.Time
	startUnix int64
	requests  sync.Pool // of *request

	mu         sync.Mutex // guards all below; never held while waiting
	region     string
	keys       []Key
	base       settings
	own        map[string]*settings // of the sites that have their own
	dice       *rand.Rand
	workspaces map[string]*workspace // by site ID
	history    history
	attempts   uint32 // HTTP requests so far
}

// New returns a simulator that behaves as cfg says. It starts nothing.
func New(cfg Config, log *zap.Logger) (*Simulator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	start := time.Now()
	return &Simulator{
		log:       log,
		table:     endpoints(),
		start:     start,
		startUnix: start.UnixNano(),
		requests:  sync.Pool{New: func() any { return new(request) }},
		region:    cfg.Region,
		keys:      append([]Key(nil), cfg.Keys...),
		base: settings{
			latency: cfg.Latency, limit: cfg.Limit, burst: cfg.Burst, onLimit: cfg.OnLimit, errors: cfg.Errors,
		},
		own:        make(map[string]*settings),
		dice:       rand.New(rand.NewPCG(cfg.Seed, 0)),
		workspaces: make(map[string]*workspace),
	}, nil
}

// now is the time in unix ns. It never goes back, whatever the wall clock does.
func (s *Simulator) now() int64 { return s.startUnix + int64(time.Since(s.start)) }

// workspace returns the state of a site, new on first sight. The caller holds mu.
func (s *Simulator) workspace(site string) *workspace {
	w, found := s.workspaces[site]
	if !found {
		w = newWorkspace(site)
		s.workspaces[site] = w
	}
	return w
}

// ServeHTTP answers the API at / and the controls at /_sim/.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serve(exchange{w: w, r: r})
}

func (s *Simulator) serve(x exchange) {
	w, r := x.w, x.r
	path := r.URL.EscapedPath()
	if control, found := strings.CutPrefix(path, controlPrefix); found {
		s.serveControl(w, r, control)
		return
	}
	e, args, status := find(s.table, r.Method, path)
	if e == nil {
		write(w, status, metaError(http.StatusText(status)))
		return
	}
	q, _ := s.requests.Get().(*request)
	defer s.requests.Put(q)
	if err := q.read(r, e, args); err != nil {
		s.log.Debug("request was not whole", zap.Error(err))
		sever(w, outcome{}, nil)
		return
	}
	x.answer(q, s.arrive(q))
}
