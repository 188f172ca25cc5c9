package config

import (
	"sluice/partition"
	"sluice/pipeline"
)

// delays are the tiers that a stream with deferral has, as partition has them.
func delays() [3]partition.Tier {
	return [3]partition.Tier{partition.Delay10s, partition.Delay10m, partition.Delay6h}
}

// suffix makes the topic of a tier of the live one, of those that only some
// streams have.
func suffix(t partition.Tier) string { return "." + t.String() }

// tierSuffixes are the endings of all topics that are not live.
func tierSuffixes() []string {
	all := []string{pipeline.HeldSuffix, pipeline.ReplaySuffix, pipeline.DeadSuffix, suffix(partition.Overflow)}
	for _, t := range delays() {
		all = append(all, suffix(t))
	}
	return all
}

// HeldTopic is the topic of what waits for a later attempt, with its users'
// later events behind it.
func (s Stream) HeldTopic() string { return s.Topic + pipeline.HeldSuffix }

// ReplayTopic is the topic of what is sent again on purpose.
func (s Stream) ReplayTopic() string { return s.Topic + pipeline.ReplaySuffix }

// OverflowTopic is the topic of what waits because its class is over its rate;
// empty when the stream has no such tier.
func (s Stream) OverflowTopic() string {
	if !s.Overflow {
		return ""
	}
	return s.Topic + suffix(partition.Overflow)
}

// DelayTopics are the topics of what is to be sent later, in the order of the
// tiers from Delay10s on; all are empty when the stream has none.
func (s Stream) DelayTopics() [3]string {
	var topics [3]string
	for i, t := range delays() {
		if s.Deferral {
			topics[i] = s.Topic + suffix(t)
		}
	}
	return topics
}

// DeadTopic is the topic of the stream's dead letters.
func (s Stream) DeadTopic() string { return s.Topic + pipeline.DeadSuffix }

// TierTopics are the topics of those tiers that the stream has, the live one
// first: all that its shards are made of, and so without dead letters.
func (s Stream) TierTopics() []string {
	topics := []string{s.Topic, s.HeldTopic(), s.ReplayTopic()}
	if s.Overflow {
		topics = append(topics, s.OverflowTopic())
	}
	if s.Deferral {
		delays := s.DelayTopics()
		topics = append(topics, delays[:]...)
	}
	return topics
}

// Topics are the names of all topics of the stream, the live one first and that
// of dead letters last.
func (s Stream) Topics() []string { return append(s.TierTopics(), s.DeadTopic()) }
