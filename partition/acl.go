package partition

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The kinds of resource that Kafka guards and that we use.
const (
	ResourceTopic   = "topic"
	ResourceGroup   = "group"
	ResourceCluster = "cluster"
)

// The operations that Kafka knows and that we use, as kafka-acls writes them.
// Read and Write imply Describe, and AlterConfigs implies DescribeConfigs.
const (
	OperationRead            = "Read"
	OperationWrite           = "Write"
	OperationCreate          = "Create"
	OperationDescribe        = "Describe"
	OperationDescribeConfigs = "DescribeConfigs"
	OperationAlterConfigs    = "AlterConfigs"
)

// Access is one operation on one resource, named in full.
type Access struct {
	Resource  string `json:"resource"`
	Name      string `json:"name"`
	Operation string `json:"operation"`
}

// String is how a person says it: Write on topic purchases.
func (a Access) String() string {
	if a.Resource == ResourceCluster {
		return a.Operation + " on the cluster"
	}
	return fmt.Sprintf("%s on %s %s", a.Operation, a.Resource, a.Name)
}

// Denied returns those of want that Kafka's authorizer does not grant the
// configured principal, and asks nothing else of the cluster: topics tell which
// operations are allowed (KIP-430), and a heartbeat of a member that no group
// has tells whether a group may be read. A topic that does not exist is left
// out, as are brokers too old to tell.
func (a *Admin) Denied(ctx context.Context, want []Access) ([]Access, error) {
	var topics []string
	for _, w := range want {
		if w.Resource == ResourceTopic {
			topics = append(topics, w.Name)
		}
	}
	allowed, err := a.allowedOn(ctx, topics)
	if err != nil {
		return nil, err
	}
	var denied []Access
	for _, w := range want {
		granted := true
		switch w.Resource {
		case ResourceTopic:
			granted = allowed.grants(w)
		case ResourceGroup:
			if granted, err = a.mayRead(ctx, w.Name); err != nil {
				return nil, err
			}
		}
		if !granted {
			denied = append(denied, w)
		}
	}
	return denied, nil
}

// allowed holds what may be done with each topic, as a set of bits; a topic
// that is not there is not known.
type allowed map[string]int32

// untold is what a broker that was not asked, or is too old, answers.
const untold = -1 << 31

func (a allowed) grants(w Access) bool {
	bits, known := a[w.Name]
	op, err := kmsg.ParseACLOperation(w.Operation)
	return !known || bits == untold || err != nil || bits>>op&1 != 0
}

func (a *Admin) allowedOn(ctx context.Context, topics []string) (allowed, error) {
	if len(topics) == 0 {
		return allowed{}, nil
	}
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = new(name)
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, fmt.Errorf("ask what is allowed on topics: %w", err)
	}
	found := allowed{}
	for _, t := range resp.Topics {
		switch err := kerr.ErrorForCode(t.ErrorCode); {
		case t.Topic == nil, errors.Is(err, kerr.UnknownTopicOrPartition):
		case errors.Is(err, kerr.TopicAuthorizationFailed):
			found[*t.Topic] = 0
		case err != nil:
			return nil, fmt.Errorf("ask what is allowed on topic %s: %w", *t.Topic, err)
		default:
			found[*t.Topic] = t.AuthorizedOperations
		}
	}
	return found, nil
}

// mayRead sends the heartbeat of a member that no group has: a group that may
// not be read refuses it before the member is looked for.
func (a *Admin) mayRead(ctx context.Context, group string) (bool, error) {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID = group, "nobody"
	resp, err := req.RequestWith(ctx, a.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	switch {
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return false, nil
	case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.IllegalGeneration), errors.Is(err, kerr.RebalanceInProgress),
		errors.Is(err, kerr.FencedInstanceID), errors.Is(err, kerr.GroupIDNotFound), err == nil:
		return true, nil
	}
	return false, fmt.Errorf("ask whether group %s may be read: %w", group, err)
}
