// Package tiers says which topics a configuration needs, how each should be,
// and who must be allowed to do what with them: those of its streams, and one of
// operator state for all of them. It asks Kafka nothing: package partition
// compares with what is there, and mends it.
//
// A new tier is one line in the table of tiers: plans, access lists and the
// checks of doctor follow it. A stream whose workspaces have no rules has none
// but the first three and its dead letters.
package tiers

import (
	"slices"
	"strconv"
	"time"

	"sluice/partition"
	"sluice/pipeline/config"
)

const (
	// usualMaxBytes is Kafka's own default for a record batch.
	usualMaxBytes = 1048588
	// movedRoom is how much larger a moved event may be than it was: its headers
	// say where it came from.
	movedRoom = 4 << 10
	// deadRoom is that of a dead letter: its headers say why as well.
	deadRoom = 64 << 10
	// spare is how long what slept may be late.
	spare = 24 * time.Hour
	// minInSync is how many replicas must have an event that is acknowledged.
	minInSync = 2
)

// tier is one kind of topic that streams have.
type tier struct {
	// topic is its name, empty for a stream that does not have it.
	topic func(config.Stream) string
	// name and purpose say what it is; empty for those that every stream has.
	name, purpose string
	// sharded tiers have the live topic's partitions; another's count is no
	// concern of its stream, so one that exists keeps its own.
	sharded bool
	// room is how much larger than the live topic's its records may be.
	room int
	// sleeps is how long all of its records wait before anybody looks at them.
	sleeps time.Duration
	// delivers and operates are what a member that delivers, and an operator's
	// command, do with its records.
	delivers, operates use
}

// use is what is done with a topic's records.
type use struct{ reads, writes bool }

// The ways in which topics are used; looking is to ask where a topic begins and
// ends, and reads no record.
func reading() use { return use{reads: true} }
func writing() use { return use{writes: true} }
func both() use    { return use{reads: true, writes: true} }

// tiers is every tier that this version has, the live one first. Commands
// write to the live one what was dead, and to the dead one what became of it;
// what they have replayed is copied by the members.
func tiers() []tier {
	all := []tier{
		{topic: func(s config.Stream) string { return s.Topic }, sharded: true, delivers: reading(), operates: both()},
		{topic: config.Stream.HeldTopic, sharded: true, room: movedRoom, delivers: both(), operates: reading()},
		{topic: config.Stream.ReplayTopic, sharded: true, room: movedRoom, delivers: both(), operates: reading()},
		{topic: config.Stream.OverflowTopic, sharded: true, room: movedRoom, delivers: both(), operates: reading(), name: "overflow", purpose: overflowPurpose},
	}
	for i, t := range [3]partition.Tier{partition.Delay10s, partition.Delay10m, partition.Delay6h} {
		all = append(all, tier{
			topic: func(s config.Stream) string { return s.DelayTopics()[i] }, sharded: true, room: movedRoom, sleeps: t.Step(),
			delivers: both(), operates: reading(), name: t.String(), purpose: delayPurpose,
		})
	}
	return append(all, tier{topic: config.Stream.DeadTopic, room: deadRoom, delivers: writing(), operates: both()})
}

// of are the tiers that the stream has.
func of(s config.Stream) []tier {
	return slices.DeleteFunc(tiers(), func(t tier) bool { return t.topic(s) == "" })
}

// Topics are the names of all topics, stream after stream, each with its live
// topic first; the topic of operator state is the last.
func Topics(cfg config.Config) []string {
	var names []string
	for _, s := range cfg.Streams {
		for _, t := range of(s) {
			names = append(names, t.topic(s))
		}
	}
	return append(names, cfg.StateTopic)
}

// Specs says how the topics should be, in the order of Topics. What a live topic
// takes is left as it is, and its other tiers follow it.
func Specs(cfg config.Config, have map[string]partition.TopicInfo) []partition.TopicSpec {
	var specs []partition.TopicSpec
	for _, s := range cfg.Streams {
		maxBytes := usualMaxBytes
		if known, err := strconv.Atoi(have[s.Topic].Settings[partition.SettingMaxBytes]); err == nil {
			maxBytes = known
		}
		for _, t := range of(s) {
			specs = append(specs, t.spec(s, maxBytes, have[t.topic(s)]))
		}
	}
	return append(specs, state(cfg))
}

func (t tier) spec(s config.Stream, maxBytes int, have partition.TopicInfo) partition.TopicSpec {
	spec := partition.TopicSpec{
		Name: t.topic(s), Partitions: s.Partitions, Replication: s.Replication,
		Settings: map[string]string{
			partition.SettingCleanup:   partition.CleanupDelete,
			partition.SettingRetention: strconv.FormatInt(t.retention(s).Milliseconds(), 10),
			partition.SettingInSync:    inSync(s.Replication),
			partition.SettingMaxBytes:  strconv.Itoa(maxBytes + t.room),
		},
	}
	if have.Exists && !t.sharded {
		spec.Partitions = have.Partitions
	}
	return spec
}

// retention is the stream's; where records sleep, so long that a day is left to
// whoever was down when they woke.
func (t tier) retention(s config.Stream) time.Duration {
	if t.sleeps == 0 {
		return s.Retention
	}
	return max(s.Retention, t.sleeps+spare)
}

// state is the topic of operator state, kept as safely as the safest stream. It
// has one partition, for its order decides, and compaction keeps what counts.
func state(cfg config.Config) partition.TopicSpec {
	replication := int16(1)
	for _, s := range cfg.Streams {
		replication = max(replication, s.Replication)
	}
	return partition.TopicSpec{
		Name: cfg.StateTopic, Partitions: 1, Replication: replication, Compacted: true,
		Settings: map[string]string{
			partition.SettingCleanup:  partition.CleanupCompact,
			partition.SettingInSync:   inSync(replication),
			partition.SettingMaxBytes: strconv.Itoa(usualMaxBytes),
		},
	}
}

// inSync is how many replicas must have a record. More than there are would
// refuse every append.
func inSync(replication int16) string { return strconv.Itoa(min(minInSync, int(replication))) }
