package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Rewound is a committed offset that lay beyond its log and was set to the
// log's end. It happens when retention had deleted all of a partition before
// the process ended: the broker then numbers from 0 again, and a group that
// waits at the old offset would pass over that many new records.
type Rewound struct {
	Group     string
	Topic     string
	Partition int32
	From, To  int64 // next offsets to settle
}

// rewindTime bounds the questions to a broker in this very process.
const rewindTime = 30 * time.Second

// rewind finds and sets back such commits. Nobody can append meanwhile, so what
// lies below the end that it sees was there before, and is settled.
func rewind(cluster *kfake.Cluster) ([]Rewound, error) {
	appends := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: -1})
	defer appends.Remove()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		return nil, fmt.Errorf("compare commits with logs: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), rewindTime)
	defer cancel()
	admin := kadm.NewClient(client)
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("compare commits with logs: %w", err)
	}
	ends, err := admin.ListEndOffsets(ctx)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("compare commits with logs: %w", err)
	}
	var all []Rewound
	for _, group := range groups.Groups() {
		rewound, err := rewindGroup(ctx, admin, group, ends)
		if err != nil {
			return nil, fmt.Errorf("compare the commits of group %s with logs: %w", group, err)
		}
		all = append(all, rewound...)
	}
	return all, nil
}

func rewindGroup(ctx context.Context, admin *kadm.Client, group string, ends kadm.ListedOffsets) ([]Rewound, error) {
	committed, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return nil, err
	}
	var rewound []Rewound
	back := kadm.Offsets{}
	for _, c := range committed.Sorted() {
		end, ok := ends.Lookup(c.Topic, c.Partition)
		if !ok || c.At <= end.Offset {
			continue
		}
		// Without metadata: what it said of offsets above is void as well.
		back.Add(kadm.Offset{Topic: c.Topic, Partition: c.Partition, At: end.Offset, LeaderEpoch: -1})
		rewound = append(rewound, Rewound{Group: group, Topic: c.Topic, Partition: c.Partition, From: c.At, To: end.Offset})
	}
	if len(back) == 0 {
		return nil, nil
	}
	set, err := admin.CommitOffsets(ctx, group, back)
	return rewound, errors.Join(err, set.Error())
}
