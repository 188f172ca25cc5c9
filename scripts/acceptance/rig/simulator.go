package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Simulator is one `sluice simulate` process.
type Simulator struct {
	*Process
	URL string
}

// Simulate starts a simulator that accepts the credentials of these workspaces,
// with further flags, and waits until it answers.
func (r *Rig) Simulate(ctx context.Context, workspaces []string, flags ...string) (*Simulator, error) {
	binary, err := r.Sluice()
	if err != nil {
		return nil, err
	}
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	args := []string{"simulate", "--listen", addr}
	for _, w := range workspaces {
		args = append(args, "--key", Credentials(w))
	}
	p, err := r.Start("simulate", Pipes{}, binary, append(args, flags...)...)
	if err != nil {
		return nil, err
	}
	s := &Simulator{Process: p, URL: "http://" + addr}
	err = Await(ctx, 20*time.Second, "the simulator to answer", func(ctx context.Context) bool {
		status, _, err := Get(ctx, s.URL+"/_sim/stats")
		return err == nil && status == http.StatusOK || !p.Running()
	})
	if err == nil && !p.Running() {
		err = fmt.Errorf("simulator ended: %s", p.Tail(3))
	}
	return s, err
}

// Configure changes settings at run time: POST /_sim/config.
func (s *Simulator) Configure(ctx context.Context, settings map[string]any) error {
	body, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("configure the simulator: %w", err)
	}
	status, answer, err := exchange(ctx, http.MethodPost, s.URL+"/_sim/config", bytes.NewReader(body))
	if err != nil {
		return err
	}
	if status/100 != 2 {
		return fmt.Errorf("configure the simulator with %s: %d %s", body, status, answer)
	}
	return nil
}

// Arrival is one event of one request, as the simulator saw it.
type Arrival struct {
	Time      int64  `json:"time"` // ns
	Workspace string `json:"workspace"`
	User      string `json:"user"`
	ID        string `json:"id"`
	Seq       int64  `json:"_seq"`
	N         int64  `json:"_n"`
	Status    int    `json:"status"`
	Attempt   int64  `json:"attempt"`
	Effect    bool   `json:"effect"`
	Op        string `json:"op"`
	Name      string `json:"name"` // of the event, form, metric or segment
}

// Accepted tells whether the event was taken.
func (a Arrival) Accepted() bool { return a.Status/100 == 2 }

// History reads the arrivals from the given one on (0: all), in order.
func (s *Simulator) History(ctx context.Context, since int64) ([]Arrival, error) {
	status, body, err := Get(ctx, fmt.Sprintf("%s/_sim/history?since=%d", s.URL, since))
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("read the simulator's history: %d %s", status, body)
	}
	var arrivals []Arrival
	for d := json.NewDecoder(bytes.NewReader(body)); d.More(); {
		var a Arrival
		if err := d.Decode(&a); err != nil {
			return nil, fmt.Errorf("read line %d of the simulator's history: %w", len(arrivals)+1, err)
		}
		arrivals = append(arrivals, a)
	}
	return arrivals, nil
}
