package partition

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TopicSpec is a topic as it should be.
type TopicSpec struct {
	Name        string
	Partitions  int32
	Replication int16
	Settings    map[string]string // topic configuration, e.g. retention.ms
}

// TopicInfo is a topic as it is.
type TopicInfo struct {
	Exists      bool
	Partitions  int32
	Replication int
	Settings    map[string]string
}

// Topics describes topics by name; those that do not exist are there with
// Exists false.
func (a *Admin) Topics(ctx context.Context, names ...string) (map[string]TopicInfo, error) {
	listed, err := a.kadm.ListTopics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	infos := map[string]TopicInfo{}
	var exist []string
	for _, name := range names {
		t := listed[name]
		switch {
		case errors.Is(t.Err, kerr.UnknownTopicOrPartition) || !listed.Has(name) && t.Err == nil:
			infos[name] = TopicInfo{}
		case t.Err != nil:
			return nil, fmt.Errorf("describe topic %s: %w", name, t.Err)
		default:
			exist = append(exist, name)
			infos[name] = TopicInfo{
				Exists: true, Partitions: int32(len(t.Partitions)), //nolint:gosec // a count
				Replication: t.Partitions.NumReplicas(), Settings: map[string]string{},
			}
		}
	}
	if len(exist) == 0 {
		return infos, nil
	}
	configs, err := a.kadm.DescribeTopicConfigs(ctx, exist...)
	if err != nil {
		return nil, fmt.Errorf("describe topic settings: %w", err)
	}
	for _, c := range configs {
		if c.Err != nil {
			return nil, fmt.Errorf("describe settings of topic %s: %w", c.Name, c.Err)
		}
		for _, setting := range c.Configs {
			infos[c.Name].Settings[setting.Key] = setting.MaybeValue()
		}
	}
	return infos, nil
}

// ErrTopicExists says that a topic to be created is there already.
var ErrTopicExists = errors.New("the topic exists already")

// Create makes a topic as specified; ErrTopicExists when it is there already,
// which may be the work of this very call, asked twice over a slow broker.
func (a *Admin) Create(ctx context.Context, spec TopicSpec) error {
	settings := make(map[string]*string, len(spec.Settings))
	for _, key := range slices.Sorted(maps.Keys(spec.Settings)) {
		value := spec.Settings[key]
		settings[key] = &value
	}
	_, err := a.kadm.CreateTopic(ctx, spec.Partitions, spec.Replication, settings, spec.Name)
	switch {
	case errors.Is(err, kerr.TopicAlreadyExists):
		return fmt.Errorf("create topic %s: %w", spec.Name, ErrTopicExists)
	case err != nil:
		return fmt.Errorf("create topic %s: %w", spec.Name, err)
	}
	return nil
}
