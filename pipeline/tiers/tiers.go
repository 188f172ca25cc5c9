// Package tiers says which topics the streams of a configuration need, how
// each should be, and who must be allowed to do what with them. It asks Kafka
// nothing: package partition compares with what is there, and mends it.
//
// A new tier is one line in the table of tiers: plans, access lists and the
// checks of doctor follow it.
package tiers

import (
	"strconv"

	"sluice/partition"
	"sluice/pipeline/config"
)

const (
	// usualMaxBytes is Kafka's own default for a record batch.
	usualMaxBytes = 1048588
	// deadRoom is how much larger a dead letter may be than its source: its
	// headers say why.
	deadRoom = 64 << 10
	// minInSync is how many replicas must have an event that is acknowledged.
	minInSync = 2
)

// tier is one kind of topic that every stream has.
type tier struct {
	topic func(config.Stream) string
	// sharded tiers have the live topic's partitions; another's count is no
	// concern of its stream, so one that exists keeps its own.
	sharded bool
	// room is how much larger than the live topic's its records may be.
	room int
	// reads and writes are what a delivering member does with it.
	reads, writes bool
}

// tiers is every tier that this version has, the live one first.
func tiers() []tier {
	return []tier{
		{topic: func(s config.Stream) string { return s.Topic }, sharded: true, reads: true},
		{topic: config.Stream.DeadTopic, room: deadRoom, writes: true},
	}
}

// Topics are the names of all topics of the streams, stream after stream, each
// with its live topic first.
func Topics(streams []config.Stream) []string {
	var names []string
	for _, s := range streams {
		for _, t := range tiers() {
			names = append(names, t.topic(s))
		}
	}
	return names
}

// Specs says how the topics of the streams should be, in the order of Topics.
// What a live topic takes is left as it is, and its other tiers follow it.
func Specs(streams []config.Stream, have map[string]partition.TopicInfo) []partition.TopicSpec {
	var specs []partition.TopicSpec
	for _, s := range streams {
		maxBytes := usualMaxBytes
		if known, err := strconv.Atoi(have[s.Topic].Settings[partition.SettingMaxBytes]); err == nil {
			maxBytes = known
		}
		for _, t := range tiers() {
			specs = append(specs, t.spec(s, maxBytes, have[t.topic(s)]))
		}
	}
	return specs
}

func (t tier) spec(s config.Stream, maxBytes int, have partition.TopicInfo) partition.TopicSpec {
	spec := partition.TopicSpec{
		Name: t.topic(s), Partitions: s.Partitions, Replication: s.Replication,
		Settings: settings(s),
	}
	spec.Settings[partition.SettingMaxBytes] = strconv.Itoa(maxBytes + t.room)
	if have.Exists && !t.sharded {
		spec.Partitions = have.Partitions
	}
	return spec
}

// settings are those of every tier.
func settings(s config.Stream) map[string]string {
	return map[string]string{
		partition.SettingCleanup:   "delete",
		partition.SettingRetention: strconv.FormatInt(s.Retention.Milliseconds(), 10),
		// More than there are replicas would refuse every append.
		partition.SettingInSync: strconv.Itoa(min(minInSync, int(s.Replication))),
	}
}
