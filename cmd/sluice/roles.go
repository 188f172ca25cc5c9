package main

import (
	"errors"
	"fmt"
	"strings"

	"sluice/pipeline/config"
)

// The roles that a member may play.
const (
	roleDeliver = "deliver"
	roleGateway = "gateway"
)

// roles are what one member does: at least one of them.
type roles struct{ deliver, gateway bool }

// parseRoles reads a comma-separated list; an empty one leaves the choice to
// the configuration.
func parseRoles(text string) (roles, error) {
	var r roles
	if text == "" {
		return r, nil
	}
	for role := range strings.SplitSeq(text, ",") {
		switch strings.TrimSpace(role) {
		case roleDeliver:
			r.deliver = true
		case roleGateway:
			r.gateway = true
		default:
			return r, usage(fmt.Errorf("--roles: %q is not a role that this version knows; it knows %s and %s", role, roleDeliver, roleGateway))
		}
	}
	return r, nil
}

// rolesFor are those of a flag, else all that the configuration has a part for.
func rolesFor(flag string, cfg config.Config) (roles, error) {
	r, err := parseRoles(flag)
	switch {
	case err != nil:
		return r, err
	case flag == "":
		return roles{deliver: true, gateway: cfg.Gateway != nil}, nil
	case r.gateway && cfg.Gateway == nil:
		return r, usage(errors.New("--roles gateway: the configuration has no gateway; add gateway: {credentials: …}, as deploy/sluice.example.yaml shows"))
	}
	return r, nil
}
