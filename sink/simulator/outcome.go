package simulator

import (
	"math"
	"net/http"
	"time"
)

// outcome is what becomes of a request.
type outcome struct {
	status     int           // of the answer, were it to arrive
	accepted   bool          // what has no flaw is carried out
	lost       bool          // accepted and lost: the account is flooded
	delay      time.Duration // before the answer
	retryAfter int           // seconds; 0: not said
	hang       bool          // no answer, ever
	cut        bool          // the connection is closed instead
	half       bool          // in the middle of the answer, and not before it
	home       string        // the region of the account, where the answer tells it
}

// silent reports that the client learns nothing.
func (o outcome) silent() bool { return o.hang || o.cut }

// arrive is the moment of truth of a request: in one step it gets its place in
// the order of arrival, its outcome, its effect and its lines in the history.
// Only then does the client wait for the answer.
func (s *Simulator) arrive(q *request) outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	w := s.workspace(q.site)
	set := s.settingsOf(q.site)
	o := s.judge(q, w, set, now)
	s.attempts++
	w.counts.Requests++
	if o.silent() {
		w.answers[0]++
	} else {
		w.answers[o.status]++
	}
	for i := range q.calls {
		s.settle(&q.calls[i], w, o, now)
	}
	return o
}

// judge decides on a request. The faults go first, from the outermost inwards.
func (s *Simulator) judge(q *request, w *workspace, set *settings, now int64) outcome {
	switch {
	case set.faults[faultDown].active(now):
		return outcome{status: http.StatusServiceUnavailable}
	case set.faults[faultHang].active(now):
		return outcome{hang: true}
	}
	o := s.admit(q, w, set, now)
	if set.latency != (Latency{}) {
		o.delay += set.latency.at(s.dice.NormFloat64())
	}
	if set.faults[faultCut].active(now) {
		// Half of them take effect, and of those half say so in part: that no
		// byte came back must prove nothing.
		coins := s.dice.Uint64()
		o.cut = true
		o.accepted = o.accepted && coins&1 == 0
		o.half = o.accepted && coins&2 == 0
	}
	return o
}

// admit is judge without the faults of the network.
func (s *Simulator) admit(q *request, w *workspace, set *settings, now int64) outcome {
	if !q.endpoint.open {
		if set.faults[faultReject].active(now) {
			return outcome{status: http.StatusUnauthorized}
		}
		switch s.access(q.site, q.secret) {
		case refused:
			return outcome{status: http.StatusUnauthorized}
		case elsewhere:
			if q.endpoint.shape != shapeRegion {
				return outcome{status: http.StatusMovedPermanently, home: s.homeOf(q.site)}
			}
		case granted:
		}
	}
	o := outcome{accepted: true}
	if q.endpoint.shape == shapeRegion {
		o.home = s.homeOf(q.site)
	}
	if set.limit > 0 {
		taken, wait := w.bucket.take(now, set.limit, set.burst, set.onLimit == Degrade)
		switch {
		case taken:
		case set.onLimit == Degrade:
			o.lost = true
			o.delay = wait
		default:
			return outcome{status: http.StatusTooManyRequests, retryAfter: max(1, int(math.Ceil(wait.Seconds())))}
		}
	}
	if set.errors > 0 && s.dice.Float64() < float64(set.errors) || q.mentions(set.failUsers) {
		return outcome{status: http.StatusInternalServerError, delay: o.delay}
	}
	o.status = q.verdict()
	o.accepted = o.status != http.StatusBadRequest
	return o
}

// verdict is the status of a request that nothing but its content decides.
func (q *request) verdict() int {
	flawed := q.flaw != nil
	for i := range q.calls {
		flawed = flawed || q.calls[i].flaw != nil
	}
	switch {
	case flawed && q.endpoint.shape == shapeBatch && q.flaw == nil:
		return http.StatusMultiStatus
	case flawed:
		return http.StatusBadRequest
	case q.endpoint.shape == shapeForm:
		return http.StatusNoContent
	}
	return http.StatusOK
}

// settle carries out one call and writes its line. The caller holds mu.
func (s *Simulator) settle(c *call, w *workspace, o outcome, now int64) {
	status, took := o.status, false
	w.counts.Events++
	switch {
	case o.silent():
		status = 0
	case status == http.StatusMultiStatus && c.flaw != nil:
		status = http.StatusBadRequest
	case status == http.StatusMultiStatus:
		status = http.StatusOK
	}
	switch {
	case c.flaw != nil && (o.accepted || o.status == http.StatusBadRequest):
		w.counts.Rejected++
	case !o.accepted:
		w.counts.Failed++
	case o.lost:
		w.counts.Degraded++
	default:
		took = w.carryOut(c, now)
	}
	s.history.add(c, w.site, lineState{at: now, attempt: s.attempts, status: status, effect: took})
}
