package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// Profile is what a simulator knows of a person or an object.
type Profile struct {
	ID          string                     `json:"id"`
	Email       string                     `json:"email"`
	AnonymousID string                     `json:"anonymous_id"`
	Object      string                     `json:"object"` // type:id
	Attributes  map[string]json.RawMessage `json:"attributes"`
	Devices     []Device                   `json:"devices"`
	Related     []struct {
		With string `json:"with"`
	} `json:"related"`
	Segments []string `json:"segments"`
	Events   int64    `json:"events"` // that took effect
}

// Device is one of a person's devices: v1 calls its token an id.
type Device struct {
	ID         string         `json:"id"`
	Token      string         `json:"token"`
	Platform   string         `json:"platform"`
	LastUsed   int64          `json:"last_used"`
	Attributes map[string]any `json:"attributes"`
}

// Name is its token, however that is called.
func (d Device) Name() string {
	if d.Token != "" {
		return d.Token
	}
	return d.ID
}

// Person asks for whom an identifier names in a workspace; false: nobody.
func (s *Simulator) Person(ctx context.Context, workspace, id string) (Profile, bool, error) {
	return s.profile(ctx, workspace, "people/"+url.PathEscape(id))
}

// Object is like Person, of an object's type and id.
func (s *Simulator) Object(ctx context.Context, workspace, kind, id string) (Profile, bool, error) {
	return s.profile(ctx, workspace, "objects/"+url.PathEscape(kind)+"/"+url.PathEscape(id))
}

func (s *Simulator) profile(ctx context.Context, workspace, path string) (Profile, bool, error) {
	var p Profile
	status, body, err := Get(ctx, s.URL+"/_sim/"+path+"?workspace="+url.QueryEscape(workspace))
	switch {
	case err != nil:
		return p, false, err
	case status == http.StatusNotFound:
		return p, false, nil
	case status != http.StatusOK:
		return p, false, fmt.Errorf("ask the simulator for %s: %d %s", path, status, body)
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return p, false, fmt.Errorf("read %s of the simulator: %w", path, err)
	}
	return p, true, nil
}
