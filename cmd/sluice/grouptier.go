package main

import (
	"strings"

	"sluice/partition"
	"sluice/pipeline"
	"sluice/pipeline/config"
)

// everyTier is the tiers that a stream's shards have, the live one first.
func everyTier() []partition.Tier {
	return []partition.Tier{partition.Live, partition.Held, partition.Replay}
}

// topicOf is the topic of one of a stream's tiers.
func topicOf(s config.Stream, t partition.Tier) string {
	switch t {
	case partition.Held:
		return s.HeldTopic()
	case partition.Replay:
		return s.ReplayTopic()
	case partition.Live:
	}
	return s.Topic
}

// tierOf tells by the name of a topic which tier of a stream it is: one beside
// a live topic that is known, else a live one itself.
func tierOf(topic string, known func(live string) bool) partition.Tier {
	for suffix, tier := range map[string]partition.Tier{pipeline.HeldSuffix: partition.Held, pipeline.ReplaySuffix: partition.Replay} {
		if live, beside := strings.CutSuffix(topic, suffix); beside && known(live) {
			return tier
		}
	}
	return partition.Live
}

// streamOn finds the stream of which a topic is one of the tiers.
func streamOn(cfg config.Config, topic string) (config.Stream, partition.Tier) {
	for _, s := range cfg.Streams {
		for _, t := range everyTier() {
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
