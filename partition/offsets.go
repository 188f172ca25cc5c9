package partition

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Special timestamps of ListOffsets.
const (
	atStart = -2
	atEnd   = -1
)

// listOffsets asks for one offset of each partition: atStart, atEnd or the first
// at or after a time in unix ms.
func listOffsets(ctx context.Context, cl *kgo.Client, partitions map[string][]int32, at int64) (map[string]map[int32]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	for topic, numbers := range partitions {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for _, n := range numbers {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = n, at
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	found := map[string]map[int32]int64{}
	for _, shard := range cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, fmt.Errorf("list offsets: %w", shard.Err)
		}
		resp, _ := shard.Resp.(*kmsg.ListOffsetsResponse)
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, fmt.Errorf("list offsets of %s/%d: %w", t.Topic, p.Partition, err)
				}
				if found[t.Topic] == nil {
					found[t.Topic] = map[int32]int64{}
				}
				found[t.Topic][p.Partition] = p.Offset
			}
		}
	}
	return found, nil
}

// logStart is the first offset in a partition's log, -1 when it cannot be learnt.
func logStart(ctx context.Context, cl *kgo.Client, at topicPartition) int64 {
	starts, err := listOffsets(ctx, cl, map[string][]int32{at.topic: {at.partition}}, atStart)
	if err != nil {
		return -1
	}
	return starts[at.topic][at.partition]
}
