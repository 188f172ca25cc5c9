package partition

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Plan compares topics as specified with the cluster's and changes nothing;
// see NewPlan.
func (a *Admin) Plan(ctx context.Context, specs []TopicSpec, force bool) (Plan, error) {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	have, err := a.Topics(ctx, names...)
	if err != nil {
		return Plan{}, err
	}
	brokers, err := a.kadm.ListBrokers(ctx)
	if err != nil {
		return Plan{}, fmt.Errorf("list brokers: %w", err)
	}
	return NewPlan(specs, have, Rules{Force: force, Brokers: len(brokers)}), nil
}

// Apply carries a plan out: it creates what is missing and mends settings that
// differ. It may be repeated. A plan that refuses anything changes nothing at
// all and is returned as its error. The topics returned are those that are
// done, all of them unless there is an error.
func (a *Admin) Apply(ctx context.Context, p Plan) (done []TopicPlan, err error) {
	if err := p.Refused(); err != nil {
		return nil, err
	}
	specs := make([]TopicSpec, 0, len(p.Topics))
	for _, t := range p.Topics {
		if t, err = a.apply(ctx, t); err != nil {
			return done, err
		}
		done = append(done, t)
		specs = append(specs, t.spec)
	}
	return done, a.known(ctx, specs)
}

// apply returns the plan as it was carried out.
func (a *Admin) apply(ctx context.Context, t TopicPlan) (TopicPlan, error) {
	if t.count(Create) > 0 {
		err := a.Create(ctx, t.spec)
		if !errors.Is(err, ErrTopicExists) {
			return t, err
		}
		// Somebody else, or our own first try over a slow broker, has just made it.
		topics, err := a.Topics(ctx, t.Topic)
		if err != nil {
			return t, err
		}
		t = t.spec.plan(topics[t.Topic], Rules{Force: true})
		if err := (Plan{Topics: []TopicPlan{t}}).Refused(); err != nil {
			return t, err
		}
	}
	if t.count(Change) == 0 {
		return t, nil
	}
	return t, a.alter(ctx, t)
}

func (a *Admin) alter(ctx context.Context, t TopicPlan) error {
	var alter []kadm.AlterConfig
	var said []string
	for _, s := range t.Steps {
		if s.Action == Change {
			alter = append(alter, kadm.AlterConfig{Op: kadm.SetConfig, Name: s.Property, Value: new(s.Want)})
			said = append(said, s.Property+" to "+s.Want)
		}
	}
	answers, err := a.kadm.AlterTopicConfigs(ctx, alter, t.Topic)
	if err != nil {
		return fmt.Errorf("set %s of topic %s: %w", strings.Join(said, ", "), t.Topic, err)
	}
	for _, answer := range answers {
		if answer.Err != nil {
			return fmt.Errorf("set %s of topic %s: %w", strings.Join(said, ", "), t.Topic, answer.Err)
		}
	}
	return nil
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
