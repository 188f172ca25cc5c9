package partition

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Action is what a plan means to do about one property of a topic.
type Action string

// The actions, from the most to the least pressing.
const (
	Refuse Action = "refuse" // nothing at all is done until this is mended
	Create Action = "create"
	Change Action = "change"
	Report Action = "report" // differs, and is not this command's to change
	Keep   Action = "keep"   // as it should be
)

// Mark is the sign that stands for the action in a table.
func (a Action) Mark() string {
	switch a {
	case Create:
		return "+"
	case Change:
		return "~"
	case Keep:
		return "="
	case Refuse, Report:
	}
	return "!"
}

// The properties of a topic that are no settings of Kafka's own.
const (
	PropertyPartitions  = "partitions"
	PropertyReplication = "replication"
)

// The settings of a topic that plans know the meaning of.
const (
	SettingCleanup   = "cleanup.policy"
	SettingRetention = "retention.ms"
	SettingInSync    = "min.insync.replicas"
	SettingMaxBytes  = "max.message.bytes"
)

// What SettingCleanup may be: events are deleted by age, of state the newest
// record of each key stays.
const (
	CleanupDelete  = "delete"
	CleanupCompact = "compact"
)

// A topic that keeps acknowledged events when one broker is lost has so many
// copies, and takes an event only when so many of them have it.
const (
	safeReplicas = 3
	safeInSync   = 2
)

// Step is one property of a topic: as it is, as it should be, and what is to
// be done about it.
type Step struct {
	Property string `json:"property"`
	Action   Action `json:"action"`
	Have     string `json:"have,omitempty"` // empty: the topic does not exist
	Want     string `json:"want"`
	Note     string `json:"note,omitempty"` // why, and what to do
}

// TopicPlan is what is to be done about one topic.
type TopicPlan struct {
	Topic string `json:"topic"`
	Steps []Step `json:"steps"`

	spec TopicSpec
}

// Action is the most pressing one of the topic's steps.
func (t TopicPlan) Action() Action {
	for _, a := range []Action{Refuse, Create, Change, Report} {
		if t.count(a) > 0 {
			return a
		}
	}
	return Keep
}

func (t TopicPlan) count(a Action) (n int) {
	for _, s := range t.Steps {
		if s.Action == a {
			n++
		}
	}
	return n
}

// Plan is the way from the topics as they are to the topics as they should be.
type Plan struct {
	Topics []TopicPlan `json:"topics"`
}

// Count is how many topics have this as their most pressing action.
func (p Plan) Count(a Action) (n int) {
	for _, t := range p.Topics {
		if t.Action() == a {
			n++
		}
	}
	return n
}

// Pending is how many topics would be created or changed.
func (p Plan) Pending() (n int) {
	for _, t := range p.Topics {
		if t.count(Create)+t.count(Change) > 0 {
			n++
		}
	}
	return n
}

// ErrRefused says that a plan would lose or disorder events.
var ErrRefused = errors.New("refused")

// Refused joins everything that the plan refuses, each an ErrRefused with its
// topic and the remedy; nil when it may be carried out.
func (p Plan) Refused() error {
	var faults []error
	for _, t := range p.Topics {
		for _, s := range t.Steps {
			if s.Action == Refuse {
				faults = append(faults, fmt.Errorf("topic %s: %s: %w: %s", t.Topic, s.Property, ErrRefused, s.Note))
			}
		}
	}
	return errors.Join(faults...)
}

// Rules say how strict a plan is and what the cluster can hold.
type Rules struct {
	// Force accepts fewer than three replicas and fewer than two in sync, for
	// a test cluster.
	Force bool
	// Brokers bounds the replicas of a new topic; 0: unknown.
	Brokers int
}

// NewPlan compares topics as they should be with those that exist. It refuses
// what could lose or disorder events: another partition count than the one
// that exists (users would change shards), compaction of a topic of events,
// and, unless forced, fewer than three replicas or two in sync.
func NewPlan(specs []TopicSpec, have map[string]TopicInfo, rules Rules) Plan {
	p := Plan{Topics: make([]TopicPlan, 0, len(specs))}
	for _, s := range specs {
		p.Topics = append(p.Topics, s.plan(have[s.Name], rules))
	}
	return p
}

func (s TopicSpec) plan(have TopicInfo, rules Rules) TopicPlan {
	t := TopicPlan{Topic: s.Name, spec: s}
	t.Steps = append(t.Steps, s.partitions(have), s.replication(have, rules))
	for _, key := range slices.Sorted(maps.Keys(s.Settings)) {
		t.Steps = append(t.Steps, s.setting(key, have, rules))
	}
	return t
}

// newStep is a step before any judgement of it.
func newStep(property string, exists bool, have, want string) Step {
	step := Step{Property: property, Action: Keep, Have: have, Want: want}
	switch {
	case !exists:
		step.Action, step.Have = Create, ""
	case have != want:
		step.Action = Change
	}
	return step
}

func (s TopicSpec) partitions(have TopicInfo) Step {
	step := newStep(PropertyPartitions, have.Exists, strconv.Itoa(int(have.Partitions)), strconv.Itoa(int(s.Partitions)))
	switch {
	case step.Action == Change && s.Compacted:
		step.Action = Refuse
		step.Note = fmt.Sprintf("the topic has %d, and the order of operator state needs all of it in %d; name a new topic in kafka.state_topic", have.Partitions, s.Partitions)
	case step.Action == Change:
		step.Action = Refuse
		step.Note = fmt.Sprintf("the topic has %d and the configuration says %d: another count moves users to other shards and breaks their order; "+
			"set partitions to %d, or name a new topic in the configuration, move the producers to it and let this one run empty first",
			have.Partitions, s.Partitions, have.Partitions)
	}
	return step
}

func (s TopicSpec) replication(have TopicInfo, rules Rules) Step {
	step := newStep(PropertyReplication, have.Exists, strconv.Itoa(have.Replication), strconv.Itoa(int(s.Replication)))
	replicas := int(s.Replication)
	if have.Exists {
		replicas = have.Replication
	}
	switch {
	case replicas < safeReplicas && !rules.Force:
		step.Action = Refuse
		step.Note = fmt.Sprintf("%d may lose acknowledged events with one broker; use %d, or --force for a test cluster", replicas, safeReplicas)
	case !have.Exists && rules.Brokers > 0 && replicas > rules.Brokers:
		step.Action = Refuse
		step.Note = fmt.Sprintf("%d replicas need as many brokers and the cluster has %d; add brokers, or set replication to %d", replicas, rules.Brokers, rules.Brokers)
	case step.Action == Change:
		step.Action = Report
		step.Note = "replicas are moved by kafka-reassign-partitions, not from here; reassign them, or set replication to " + step.Have
	}
	return step
}

func (s TopicSpec) setting(key string, have TopicInfo, rules Rules) Step {
	step := newStep(key, have.Exists, have.Settings[key], s.Settings[key])
	refuse := func(note string) { step.Action, step.Note = Refuse, note }
	switch key {
	case SettingCleanup:
		switch {
		case s.Compacted && step.Action == Change && strings.Contains(step.Have, CleanupDelete):
			step.Note = "state older than the topic's retention was deleted until now; from here on it is kept"
		case !s.Compacted && strings.Contains(step.Have+","+step.Want, CleanupCompact):
			refuse("compaction deletes events that are not the newest of their user; set cleanup.policy to delete, or use another topic")
		}
	case SettingInSync:
		if n, err := strconv.Atoi(step.Want); err == nil && n < safeInSync && !rules.Force {
			refuse(fmt.Sprintf("%d may lose acknowledged events with one broker; use %d, or --force for a test cluster", n, safeInSync))
		}
	case SettingRetention:
		was, err := strconv.ParseInt(step.Have, 10, 64)
		will, wrong := strconv.ParseInt(step.Want, 10, 64)
		if step.Action == Change && err == nil && wrong == nil && (was < 0 || will < was) {
			step.Note = "shorter: Kafka will delete what is older, delivered or not"
		}
	}
	return step
}
