package doctor

import (
	"context"
	"fmt"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

// sample is what the newest records of one topic come to.
type sample struct {
	records   int
	misplaced int // their key does not hash to their partition
	empty     int // their key has no bytes, which is bad input
	first     partition.ShardID
	offset    int64         // of the first misplaced one
	ahead     time.Duration // of the record that is furthest in the future
}

func (s *sample) add(r event.Record, partitions int32, now time.Time) {
	s.records++
	s.ahead = max(s.ahead, r.Time.Sub(now))
	switch {
	case r.Key == nil: // no user, so no shard that would be the right one
	case len(r.Key) == 0:
		s.empty++
	case partition.ShardOf(r.Key, partitions) != r.Partition:
		if s.misplaced++; s.misplaced == 1 {
			s.first, s.offset = partition.ShardID{Stream: r.Topic, Partition: r.Partition}, r.Offset
		}
	}
}

// records looks at the newest records of every live topic that exists.
func (k *kafka) records(ctx context.Context) {
	topics := make([]string, len(k.cfg.Streams))
	for i, s := range k.cfg.Streams {
		topics[i] = s.Topic
	}
	partitions, err := k.admin.Partitions(ctx, topics...)
	var existing []string
	samples := map[string]*sample{}
	for _, topic := range topics {
		if partitions[topic] > 0 {
			existing = append(existing, topic)
			samples[topic] = new(sample)
		}
	}
	if err == nil {
		err = k.admin.Tail(ctx, existing, k.options.Records, func(r event.Record) {
			samples[r.Topic].add(r, partitions[r.Topic], time.Now())
		})
	}
	if err != nil {
		k.say(Finding{
			Check: Records, Subject: "newest", State: Warning, What: "could not all be read: " + err.Error(),
			Remedy: "sluice topics acls --roles operate lists what this needs; a transaction that stays open holds readers back too",
		})
	}
	for _, topic := range existing {
		for _, f := range samples[topic].findings(topic) {
			k.say(f)
		}
	}
}

func (s *sample) findings(topic string) []Finding {
	var found []Finding
	if s.misplaced > 0 {
		found = append(found, Finding{
			Check: Records, Subject: topic, State: Warning,
			What: fmt.Sprintf("%d of the %d newest records are misplaced, the first at %s offset %d: their key belongs to another partition, so their users' order cannot be promised",
				s.misplaced, s.records, s.first, s.offset),
			Remedy: "set partitioner=murmur2_random in producers built on librdkafka, and Kafka's default partitioner (murmur2) in others; records from before a change of the partition count look like this too",
		})
	}
	if s.empty > 0 {
		found = append(found, Finding{
			Check: Records, Subject: topic, State: Warning, What: fmt.Sprintf("%d of the %d newest records have an empty key, so no user", s.empty, s.records),
			Remedy: "let the producer write the user's id as the key, or no key at all",
		})
	}
	if s.ahead > time.Minute {
		found = append(found, Finding{
			Check: Clock, Subject: topic, State: Warning, What: "its newest records are up to " + s.ahead.Round(time.Second).String() + " in the future",
			Remedy: "set the producers' clocks by NTP: the time of a record decides which of two updates is the newer",
		})
	}
	if s.misplaced+s.empty == 0 {
		what := "the topic is empty"
		if s.records > 0 {
			what = fmt.Sprintf("the %d newest records stand where their keys belong", s.records)
		}
		found = append(found, Finding{Check: Records, Subject: topic, State: OK, What: what})
	}
	return found
}
