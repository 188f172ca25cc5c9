package simulator

import (
	"fmt"
	"strconv"
	"time"
)

// faultKind is one way for the service to be out of order.
type faultKind uint8

const (
	faultDown   faultKind = iota // 503 at once
	faultHang                    // the request is taken and never answered
	faultCut                     // the connection is closed, half of the times after the effect
	faultReject                  // 401, whatever the key
	faultKinds                   // how many there are
)

// String is the fault's name in POST /_sim/config.
func (k faultKind) String() string {
	return [...]string{"down", "hang", "cut", "reject_key"}[k]
}

// fault is one fault's switch. The zero value is off.
type fault struct {
	on    bool
	until int64 // ns of the simulator's clock; 0: until it is switched off
}

func (f fault) active(now int64) bool { return f.on && (f.until == 0 || now < f.until) }

// describe is the form that parseFault reads, with the time that is left.
func (f fault) describe(now int64) string {
	if !f.active(now) || f.until == 0 {
		return strconv.FormatBool(f.active(now))
	}
	return time.Duration(f.until - now).Round(time.Millisecond).String()
}

// parseFault reads true, false, or for how long, such as "60s".
func parseFault(text string, now int64) (fault, error) {
	if on, err := strconv.ParseBool(text); err == nil {
		return fault{on: on}, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fault{}, fmt.Errorf("have %q, must be true, false or a duration such as 60s", text)
	}
	return fault{on: d > 0, until: now + int64(d)}, nil
}

// settings is how the service behaves towards one workspace. A copy shares
// failUsers, which is replaced and never written.
type settings struct {
	latency   Latency
	limit     Limit
	burst     int
	onLimit   OnLimit
	errors    Share
	faults    [faultKinds]fault
	failUsers map[string]bool // any request about one of them is answered 500
}

// settingsOf returns what holds for a site. The caller holds mu.
func (s *Simulator) settingsOf(site string) *settings {
	if own, found := s.own[site]; found {
		return own
	}
	return &s.base
}

// change makes changes to one workspace, or with an empty site to all of them
// with those that have settings of their own. The caller holds mu.
func (s *Simulator) change(site string, changes []func(*settings)) {
	targets := []*settings{&s.base}
	if site == "" {
		for _, own := range s.own {
			targets = append(targets, own)
		}
	} else {
		if s.own[site] == nil {
			own := s.base
			s.own[site] = &own
		}
		targets = []*settings{s.own[site]}
	}
	for _, target := range targets {
		for _, apply := range changes {
			apply(target)
		}
	}
}
