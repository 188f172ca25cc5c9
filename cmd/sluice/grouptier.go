package main

import (
	"slices"
	"time"

	"sluice/partition"
	"sluice/pipeline/config"
)

// everyTier is the tiers that a stream's shards may have, the live one first.
func everyTier() []partition.Tier {
	return []partition.Tier{
		partition.Live, partition.Held, partition.Replay, partition.Overflow, partition.Delay10s, partition.Delay10m, partition.Delay6h,
	}
}

// tierNames are the names of all of them.
func tierNames() []string {
	var names []string
	for _, t := range everyTier() {
		names = append(names, t.String())
	}
	return names
}

// tiersOf is the tiers that a stream's shards have, the live one first.
func tiersOf(s config.Stream) []partition.Tier {
	return slices.DeleteFunc(everyTier(), func(t partition.Tier) bool { return t != partition.Live && topicOf(s, t) == "" })
}

// topicOf is the topic of one of a stream's tiers; empty when it has none.
func topicOf(s config.Stream, t partition.Tier) string {
	switch t {
	case partition.Held:
		return s.HeldTopic()
	case partition.Replay:
		return s.ReplayTopic()
	case partition.Overflow:
		return s.OverflowTopic()
	case partition.Delay10s, partition.Delay10m, partition.Delay6h:
		return s.DelayTopics()[t-partition.Delay10s]
	case partition.Live:
	}
	return s.Topic
}

// streamOn finds the stream of which a topic is one of the tiers.
func streamOn(cfg config.Config, topic string) (config.Stream, partition.Tier) {
	for _, s := range cfg.Streams {
		for _, t := range tiersOf(s) {
			if topicOf(s, t) == topic {
				return s, t
			}
		}
	}
	return config.Stream{}, partition.Live
}

// lagsOf are the lags of one topic.
func lagsOf(lags []partition.ShardLag, topic string) []partition.ShardLag {
	var of []partition.ShardLag
	for _, l := range lags {
		if l.Topic == topic {
			of = append(of, l)
		}
	}
	return of
}

// sumOf is how many events the lags count.
func sumOf(lags []partition.ShardLag) int64 {
	n := int64(0)
	for _, l := range lags {
		n += l.Lag()
	}
	return n
}

// stepsOf is for how long records sleep on the topics of the streams' delay tiers.
func stepsOf(streams []config.Stream) map[string]time.Duration {
	steps := map[string]time.Duration{}
	for _, s := range streams {
		for _, t := range tiersOf(s) {
			if t.Delays() {
				steps[topicOf(s, t)] = t.Step()
			}
		}
	}
	return steps
}
