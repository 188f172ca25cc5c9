package rig

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Access is one thing that a principal may do: an operation on a topic, a group
// or the cluster, in the words of kafka-acls.
type Access struct {
	Resource  string `json:"resource"`
	Name      string `json:"name"`
	Operation string `json:"operation"`
}

// Allow adds an ACL for the principal, as User:sluice.
func (c *Cluster) Allow(ctx context.Context, principal string, a Access) error {
	b, err := a.builder(principal)
	if err != nil {
		return err
	}
	results, err := c.admin.CreateACLs(ctx, b)
	if err != nil {
		return fmt.Errorf("allow %s %v: %w", principal, a, err)
	}
	for _, r := range results {
		if r.Err != nil {
			return fmt.Errorf("allow %s %v: %w", principal, a, r.Err)
		}
	}
	return nil
}

// Forbid removes that very ACL.
func (c *Cluster) Forbid(ctx context.Context, principal string, a Access) error {
	b, err := a.builder(principal)
	if err != nil {
		return err
	}
	results, err := c.admin.DeleteACLs(ctx, b)
	if err != nil {
		return fmt.Errorf("forbid %s %v: %w", principal, a, err)
	}
	for _, r := range results {
		if r.Err != nil || len(r.Deleted) == 0 {
			return fmt.Errorf("forbid %s %v: %d removed: %w", principal, a, len(r.Deleted), r.Err)
		}
	}
	return nil
}

func (a Access) builder(principal string) (*kadm.ACLBuilder, error) {
	operation, err := kmsg.ParseACLOperation(a.Operation)
	if err != nil {
		return nil, fmt.Errorf("operation %q: %w", a.Operation, err)
	}
	b := kadm.NewACLs().ResourcePatternType(kadm.ACLPatternLiteral).Operations(operation).Allow(principal).AllowHosts("*")
	switch a.Resource {
	case "topic":
		b.Topics(a.Name)
	case "group":
		b.Groups(a.Name)
	case "cluster":
		b.Clusters()
	default:
		return nil, fmt.Errorf("resource %q is none of topic, group, cluster", a.Resource)
	}
	return b, nil
}
