package partition

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/plugin/kzap"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// watched are the options of a client that lasts: those that every client of
// ours shares, and a hook that logs why brokers refuse it.
func (c Config) watched(log *zap.Logger) []kgo.Opt {
	return append(c.options(log), kgo.Dialer(c.dialer(cutsLong)), kgo.WithHooks(newWatch(log)))
}

// options are what every client of ours shares.
func (c Config) options(log *zap.Logger) []kgo.Opt {
	quiet := log.Named("kafka")
	if quiet.Core().Enabled(zapcore.WarnLevel) {
		quiet = quiet.WithOptions(zap.IncreaseLevel(zapcore.WarnLevel))
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.WithLogger(kzap.New(quiet)),
		kgo.Dialer(c.dialer(cutsOnce)),
	}
	if mechanism := c.SASL.mechanism(); mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts
}

// consumerOptions are those of a group member. Where to start is explicit: a
// shard without a committed offset begins at the log's start, and an offset
// that is not in the log stops its shard instead of moving it.
func (c Config) consumerOptions(topics []string) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.ConsumerGroup(c.Group),
		kgo.ConsumeTopics(topics...),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.SessionTimeout(c.SessionTimeout),
		kgo.RebalanceTimeout(c.RebalanceTimeout),
		kgo.HeartbeatInterval(c.Heartbeat),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.FetchMaxPartitionBytes(int32(min(c.FetchBytes, 1<<30))), //nolint:gosec // bounded
		kgo.FetchMaxWait(c.FetchWait),
		kgo.WithPools(newPools()),
	}
	if c.Instance != "" {
		opts = append(opts, kgo.InstanceID(c.Instance))
	}
	return opts
}

// topicInfo is what the cluster says of a topic.
type topicInfo struct {
	name       string
	id         [16]byte
	partitions int32
	replicas   int // of its partition with the fewest
}

// describe asks for topics and for the cluster's id. Topics that do not exist
// are left out.
func describe(ctx context.Context, cl *kgo.Client, names []string) (map[string]topicInfo, string, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = new(name)
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, "", fmt.Errorf("describe topics: %w", err)
	}
	infos := map[string]topicInfo{}
	for _, t := range resp.Topics {
		switch err := kerr.ErrorForCode(t.ErrorCode); {
		case t.Topic == nil, errors.Is(err, kerr.UnknownTopicOrPartition):
		case err != nil:
			return nil, "", fmt.Errorf("describe topic %s: %w", *t.Topic, err)
		default:
			info := topicInfo{name: *t.Topic, id: t.TopicID, partitions: int32(len(t.Partitions))} //nolint:gosec // a count
			for i, p := range t.Partitions {
				if i == 0 || len(p.Replicas) < info.replicas {
					info.replicas = len(p.Replicas)
				}
			}
			infos[info.name] = info
		}
	}
	cluster := ""
	if resp.ClusterID != nil {
		cluster = *resp.ClusterID
	}
	return infos, cluster, nil
}
