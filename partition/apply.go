package partition

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Change is one thing that Apply did, or found to be right already.
type Change struct {
	Topic string `json:"topic"`
	What  string `json:"what"`
}

// Apply makes topics as specified: it creates what is missing and mends
// settings that differ, and may be repeated. It changes nothing, and returns
// every fault joined, when a topic could lose or disorder events: another
// partition count than the one that exists (users would change shards),
// compaction, or, unless force is set, fewer than 3 replicas or 2 in sync.
func (a *Admin) Apply(ctx context.Context, specs []TopicSpec, force bool) ([]Change, error) {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	existing, err := a.Topics(ctx, names...)
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, s := range specs {
		faults = append(faults, s.faults(existing[s.Name], force)...)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	var changes []Change
	for _, s := range specs {
		what, err := a.apply(ctx, s, existing[s.Name])
		if err != nil {
			return changes, err
		}
		changes = append(changes, Change{Topic: s.Name, What: what})
	}
	return changes, a.known(ctx, specs)
}

// known waits until every broker knows the topics as specified: they hear of a
// change one after the other, and the next command may ask any of them.
func (a *Admin) known(ctx context.Context, specs []TopicSpec) error {
	ctx, cancel := context.WithTimeout(ctx, knownWithin)
	defer cancel()
	brokers, err := a.kadm.ListBrokers(ctx)
	if err != nil {
		return fmt.Errorf("list brokers: %w", err)
	}
	for _, b := range brokers.NodeIDs() {
		for {
			unknown := a.knows(ctx, b, specs)
			if unknown == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("what was asked for is done, but broker %d has not heard of it: %w", b, unknown)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// knows asks one broker for the settings of every topic and says what it does
// not know yet.
func (a *Admin) knows(ctx context.Context, broker int32, specs []TopicSpec) error {
	req := kmsg.NewPtrDescribeConfigsRequest()
	want := map[string]map[string]string{}
	for _, s := range specs {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, s.Name
		req.Resources = append(req.Resources, r)
		want[s.Name] = s.Settings
	}
	answer, err := a.client.Broker(int(broker)).RetriableRequest(ctx, req)
	if err != nil {
		return fmt.Errorf("describe topics: %w", err)
	}
	resp, _ := answer.(*kmsg.DescribeConfigsResponse)
	for _, r := range resp.Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return fmt.Errorf("describe topic %s: %w", r.ResourceName, err)
		}
		for _, c := range r.Configs {
			if value, ours := want[r.ResourceName][c.Name]; ours && (c.Value == nil || *c.Value != value) {
				return fmt.Errorf("topic %s: %s is not %s yet", r.ResourceName, c.Name, value)
			}
		}
	}
	return nil
}

// faults are the reasons not to apply s.
func (s TopicSpec) faults(have TopicInfo, force bool) []error {
	var faults []error
	refuse := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("topic "+s.Name+": "+format, args...))
	}
	if strings.Contains(s.Settings["cleanup.policy"], "compact") || strings.Contains(have.Settings["cleanup.policy"], "compact") {
		refuse("compaction deletes events that are not the newest of their user; set cleanup.policy to delete, or use another topic")
	}
	if have.Exists && have.Partitions != s.Partitions {
		refuse("has %d partitions and the configuration says %d: changing the count moves users to other shards and breaks their order; "+
			"set partitions to %d, or make a new topic and move the producers to it", have.Partitions, s.Partitions, have.Partitions)
	}
	if force {
		return faults
	}
	replication := int(s.Replication)
	if have.Exists {
		replication = have.Replication
	}
	if replication < 3 {
		refuse("%d replicas may lose acknowledged events with one broker; use 3, or --force for a test cluster", replication)
	}
	if isr, err := strconv.Atoi(s.Settings["min.insync.replicas"]); err == nil && isr < 2 {
		refuse("min.insync.replicas %d may lose acknowledged events with one broker; use 2, or --force for a test cluster", isr)
	}
	return faults
}

func (a *Admin) apply(ctx context.Context, s TopicSpec, have TopicInfo) (string, error) {
	if !have.Exists {
		said := fmt.Sprintf("created with %d partitions, %d replicas", s.Partitions, s.Replication)
		err := a.Create(ctx, s)
		if !errors.Is(err, ErrTopicExists) {
			return said, err
		}
		if have, err = a.created(ctx, s); err != nil {
			return said, err
		}
	}
	var alter []kadm.AlterConfig
	var said []string
	for _, key := range slices.Sorted(maps.Keys(s.Settings)) {
		want := s.Settings[key]
		if have.Settings[key] == want {
			continue
		}
		alter = append(alter, kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: &want})
		said = append(said, fmt.Sprintf("%s from %s to %s", key, have.Settings[key], want))
	}
	if len(alter) == 0 {
		return "as it should be", nil
	}
	resp, err := a.kadm.AlterTopicConfigs(ctx, alter, s.Name)
	if err != nil {
		return "", fmt.Errorf("set %s of topic %s: %w", strings.Join(said, ", "), s.Name, err)
	}
	for _, r := range resp {
		if r.Err != nil {
			return "", fmt.Errorf("set %s of topic %s: %w", strings.Join(said, ", "), s.Name, r.Err)
		}
	}
	return "set " + strings.Join(said, ", "), nil
}

// created describes a topic that somebody else, or our own first try, just made.
func (a *Admin) created(ctx context.Context, s TopicSpec) (TopicInfo, error) {
	topics, err := a.Topics(ctx, s.Name)
	if err != nil {
		return TopicInfo{}, err
	}
	return topics[s.Name], errors.Join(s.faults(topics[s.Name], true)...)
}
