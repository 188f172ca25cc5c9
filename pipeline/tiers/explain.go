package tiers

import (
	"slices"

	"sluice/partition"
	"sluice/pipeline/config"
)

// PropertyTier is the property of a topic that says what it is for, in the
// plans that Explain returns.
const PropertyTier = "tier"

// What the tiers are for that only some streams have, for somebody who ran this
// program before there were any.
const (
	overflowPurpose = "new beside the stream's other topics: a rule of a workspace of the stream has a rate of its own; " +
		"events above it wait here, in their users' order, and hold up nobody else"
	delayPurpose = "new beside the stream's other topics: a rule of a workspace of the stream, or its deferral: true, has events sent later than they come; " +
		"until then they go round these topics, each of which keeps them for as long as its name says"
)

// Explain returns the plan with a step more for each topic that it creates and
// that only streams with rules have: which tier it is, and why it is needed. The
// plan itself stays as it is; both may be carried out.
func Explain(cfg config.Config, plan partition.Plan) partition.Plan {
	known := map[string]tier{}
	for _, s := range cfg.Streams {
		for _, t := range of(s) {
			if t.purpose != "" {
				known[t.topic(s)] = t
			}
		}
	}
	told := partition.Plan{Topics: slices.Clone(plan.Topics)}
	for i, topic := range told.Topics {
		t, ok := known[topic.Topic]
		if !ok || !slices.ContainsFunc(topic.Steps, func(s partition.Step) bool { return s.Action == partition.Create }) {
			continue
		}
		step := partition.Step{Property: PropertyTier, Action: partition.Create, Want: t.name, Note: t.purpose}
		told.Topics[i].Steps = append([]partition.Step{step}, topic.Steps...)
	}
	return told
}

// DrainRule is a rule, as a workspace's rules have it, that no event comes to but
// one whose header names it. It gives the streams of the workspace an overflow, so
// that whatever is left on one is delivered.
const DrainRule = "{name: drain, rate: 1/s}"

// Absent are the topics of those tiers that the stream does not have, and would
// with other rules: what stands in one of them from before, nobody reads. Each
// comes with what would give the stream that tier again.
func Absent(s config.Stream) map[string]string {
	absent := map[string]string{}
	if whole := s; !s.Overflow {
		whole.Overflow = true
		absent[whole.OverflowTopic()] = "give a rule of its workspace a rate, if only one that nothing comes to: " + DrainRule
	}
	if whole := s; !s.Deferral {
		whole.Deferral = true
		for _, topic := range whole.DelayTopics() {
			absent[topic] = "set deferral: true in it"
		}
	}
	return absent
}
