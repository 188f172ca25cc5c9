package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// behaviourForm is the body of POST /_sim/config. What is absent stays.
type behaviourForm struct {
	Workspace scalar  `json:"workspace"`
	Region    *scalar `json:"region"`
	Key       scalars `json:"key"`
	Latency   *scalar `json:"latency"`
	Limit     *scalar `json:"limit"`
	Burst     *scalar `json:"burst"`
	OnLimit   *scalar `json:"on_limit"`
	Errors    *scalar `json:"errors"`
	Down      *scalar `json:"down"`
	Hang      *scalar `json:"hang"`
	Cut       *scalar `json:"cut"`
	RejectKey *scalar `json:"reject_key"`
	FailUser  scalars `json:"fail_user"`
}

// Reconfigure changes the behaviour as the JSON body of POST /_sim/config
// says: any of region, key (one or a list, in place of those there were),
// latency, limit, burst, on_limit, errors as the flags are written; down,
// hang, cut, reject_key (true, false, or for how long, as "60s"); and
// fail_user (one user or a list, "" to end). With "workspace" they hold for
// that site ID alone, until a later change for it or for all.
//
// The error joins all faults of the body; then nothing has changed. It is safe
// for concurrent use.
func (s *Simulator) Reconfigure(body []byte) error {
	var form behaviourForm
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&form); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read configuration: there is more than one JSON value")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	changes, err := form.changes(s.now())
	account, err2 := form.account()
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	account(s)
	s.change(string(form.Workspace), changes)
	return nil
}

// account reads what holds for the whole simulator.
func (f *behaviourForm) account() (func(*Simulator), error) {
	var faults []error
	var keys []Key
	for i, text := range f.Key {
		key, err := ParseKey(string(text))
		if err != nil {
			faults = append(faults, fmt.Errorf("key[%d]: %w", i, err))
		}
		keys = append(keys, key)
	}
	if f.Region != nil && !isRegion(string(*f.Region)) {
		faults = append(faults, fmt.Errorf("region: must be us or eu, have %q", *f.Region))
	}
	if f.Workspace != "" && (f.Region != nil || f.Key != nil) {
		faults = append(faults, errors.New("workspace: region and key hold for all workspaces"))
	}
	return func(s *Simulator) {
		if f.Region != nil {
			s.region = string(*f.Region)
		}
		if f.Key != nil {
			s.keys = keys
		}
	}, errors.Join(faults...)
}

// changes reads what may differ between workspaces.
func (f *behaviourForm) changes(now int64) ([]func(*settings), error) {
	var list changeList
	read(&list, "latency", f.Latency, ParseLatency, func(s *settings, v Latency) { s.latency = v })
	read(&list, "limit", f.Limit, ParseLimit, func(s *settings, v Limit) { s.limit = v })
	read(&list, "burst", f.Burst, parseBurst, func(s *settings, v int) { s.burst = v })
	read(&list, "on_limit", f.OnLimit, ParseOnLimit, func(s *settings, v OnLimit) { s.onLimit = v })
	read(&list, "errors", f.Errors, ParseShare, func(s *settings, v Share) { s.errors = v })
	timed := func(text string) (fault, error) { return parseFault(text, now) }
	given := [faultKinds]*scalar{faultDown: f.Down, faultHang: f.Hang, faultCut: f.Cut, faultReject: f.RejectKey}
	for kind := range faultKinds {
		read(&list, kind.String(), given[kind], timed, func(s *settings, v fault) { s.faults[kind] = v })
	}
	if f.FailUser != nil {
		users := make(map[string]bool, len(f.FailUser))
		for _, user := range f.FailUser {
			users[string(user)] = true
		}
		list.changes = append(list.changes, func(s *settings) { s.failUsers = users })
	}
	return list.changes, errors.Join(list.faults...)
}

type changeList struct {
	changes []func(*settings)
	faults  []error
}

// read parses one setting when it is given.
func read[V any](list *changeList, name string, given *scalar, parse func(string) (V, error), set func(*settings, V)) {
	if given == nil {
		return
	}
	value, err := parse(string(*given))
	if err != nil {
		list.faults = append(list.faults, fmt.Errorf("%s: %w", name, err))
		return
	}
	list.changes = append(list.changes, func(s *settings) { set(s, value) })
}

func parseBurst(text string) (int, error) {
	burst, err := strconv.Atoi(text)
	if err != nil || burst < 0 {
		return 0, fmt.Errorf("have %q, must be a whole number", text)
	}
	return burst, nil
}

// Behaviour is what GET /_sim/config tells, in the words of POST. Secrets are
// left out.
type Behaviour struct {
	Region string   `json:"region"`
	Sites  []string `json:"sites"` // whose keys are accepted; empty: any
	settingsView
	Workspaces map[string]settingsView `json:"workspaces"` // those with settings of their own
}

// settingsView is settings in words.
type settingsView struct {
	Latency   string   `json:"latency"`
	Limit     string   `json:"limit"`
	Burst     int      `json:"burst"`
	OnLimit   OnLimit  `json:"on_limit"`
	Errors    string   `json:"errors"`
	Down      string   `json:"down"`
	Hang      string   `json:"hang"`
	Cut       string   `json:"cut"`
	RejectKey string   `json:"reject_key"`
	FailUser  []string `json:"fail_user"`
}

// Behaviour returns how the simulator behaves now. It is safe for concurrent use.
func (s *Simulator) Behaviour() Behaviour {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	b := Behaviour{Region: s.region, Sites: []string{}, settingsView: s.base.view(now), Workspaces: make(map[string]settingsView)}
	for _, key := range s.keys {
		b.Sites = append(b.Sites, key.Site)
	}
	for site, own := range s.own {
		b.Workspaces[site] = own.view(now)
	}
	return b
}

func (s *settings) view(now int64) settingsView {
	return settingsView{
		Latency: s.latency.String(), Limit: s.limit.String(), Burst: depthOf(s.limit, s.burst), OnLimit: s.onLimit,
		Errors: s.errors.String(), FailUser: sortedKeys(s.failUsers),
		Down: s.faults[faultDown].describe(now), Hang: s.faults[faultHang].describe(now),
		Cut: s.faults[faultCut].describe(now), RejectKey: s.faults[faultReject].describe(now),
	}
}
