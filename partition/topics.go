package partition

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TopicSpec is a topic as it should be.
type TopicSpec struct {
	Name        string
	Partitions  int32
	Replication int16
	Settings    map[string]string // topic configuration, e.g. retention.ms
	// Compacted marks a topic of state: compaction keeps what counts of it. Of
	// every other topic it would delete events.
	Compacted bool
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
func (a *Admin) Topics(ctx context.Context, names ...string) (infos map[string]TopicInfo, err error) {
	err = patiently(ctx, func() error {
		infos, err = a.describe(ctx, names)
		return err
	})
	return infos, err
}

// knownWithin bounds the wait for brokers to hear of a change.
const knownWithin = 10 * time.Second

// patiently asks again, for a bounded time, while the answer is one that passes
// by itself: brokers hear of a new topic, and of what they lead, one after the
// other.
func patiently(ctx context.Context, ask func() error) error {
	for patience := time.Now().Add(knownWithin); ; {
		err := ask()
		var answer *kerr.Error
		if !errors.As(err, &answer) || !answer.Retriable || time.Now().After(patience) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Partitions returns the partition count of each topic that exists. It needs
// less access than Topics: no settings are asked for.
func (a *Admin) Partitions(ctx context.Context, names ...string) (counts map[string]int32, err error) {
	err = patiently(ctx, func() error {
		found, _, err := describe(ctx, a.client, names)
		counts = make(map[string]int32, len(found))
		for name, t := range found {
			counts[name] = t.partitions
		}
		return err
	})
	return counts, err
}

func (a *Admin) describe(ctx context.Context, names []string) (map[string]TopicInfo, error) {
	found, _, err := describe(ctx, a.client, names)
	if err != nil {
		return nil, err
	}
	infos := map[string]TopicInfo{}
	for _, name := range names {
		infos[name] = TopicInfo{}
		if t, ok := found[name]; ok {
			infos[name] = TopicInfo{Exists: true, Partitions: t.partitions, Replication: t.replicas, Settings: map[string]string{}}
		}
	}
	exist := slices.Sorted(maps.Keys(found))
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
