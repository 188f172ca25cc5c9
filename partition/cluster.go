package partition

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Cluster is what the brokers say of themselves.
type Cluster struct {
	ID      string
	Brokers []Broker // by number
}

// Broker is one broker as the cluster names it to its clients: unlike the
// addresses in the configuration, these are what they will connect to.
type Broker struct {
	Node    int32
	Address string // as advertised, host:port
	Version string // Kafka's, as far as what it supports tells; empty when it did not answer
	Old     bool   // lacks what sluice needs: it is older than 2.4
	Err     error  // why it did not answer
}

// answerWithin bounds the wait for a broker that is named and not reached.
const answerWithin = 5 * time.Second

// Cluster asks every broker, each at the address that it advertises, which
// version of Kafka it is. An error means that no broker told of the cluster.
func (a *Admin) Cluster(ctx context.Context) (Cluster, error) {
	meta, err := a.kadm.BrokerMetadata(ctx)
	if err != nil {
		return Cluster{}, fmt.Errorf("list brokers: %w", err)
	}
	c := Cluster{ID: meta.Cluster}
	bounded, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	versions, err := a.kadm.ApiVersions(bounded)
	if err != nil && len(versions) == 0 {
		return Cluster{}, fmt.Errorf("ask brokers for their version: %w", err)
	}
	for _, b := range meta.Brokers {
		broker := Broker{Node: b.NodeID, Address: net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))}
		switch v, asked := versions[b.NodeID]; {
		case !asked:
			broker.Err = errors.New("it was not asked")
		case v.Err != nil:
			broker.Err = v.Err
		default:
			broker.Version, broker.Old = v.VersionGuess(), old(v)
		}
		c.Brokers = append(c.Brokers, broker)
	}
	slices.SortFunc(c.Brokers, func(a, b Broker) int { return int(a.Node) - int(b.Node) })
	return c, nil
}

// old tells whether a broker lacks a request that we make. All of them came
// with 2.4 at the latest: a static member's leave, by its instance alone.
func old(v kadm.BrokerApiVersions) bool {
	needs := []struct {
		request kmsg.Key
		version int16
	}{
		{kmsg.IncrementalAlterConfigs, 0}, {kmsg.JoinGroup, 5}, {kmsg.LeaveGroup, 3}, {kmsg.OffsetCommit, 7}, {kmsg.Metadata, 8},
	}
	for _, need := range needs {
		if _, most, known := v.KeyVersions(need.request.Int16()); !known || most < need.version {
			return true
		}
	}
	return false
}

// ErrNoClock says that the cluster does not tell its time: it has no KRaft
// quorum, or the principal may not describe the cluster.
var ErrNoClock = errors.New("the cluster does not tell its time")

// Clock returns the time on the active controller's clock and how far off that
// may be: the quorum's description says when each node was last heard of, and
// every one of them is heard of twice a second at least.
func (a *Admin) Clock(ctx context.Context) (at time.Time, within time.Duration, err error) {
	const heard = 500 * time.Millisecond
	req := kmsg.NewPtrDescribeQuorumRequest()
	t := kmsg.NewDescribeQuorumRequestTopic()
	t.Topic = "__cluster_metadata"
	t.Partitions = append(t.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, t)
	sent := time.Now()
	resp, err := req.RequestWith(ctx, a.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return at, 0, errors.Join(ErrNoClock, err)
	}
	latest := int64(-1)
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			for _, r := range slices.Concat(p.CurrentVoters, p.Observers) {
				latest = max(latest, r.LastFetchTimestamp)
			}
		}
	}
	if latest < 0 {
		return at, 0, ErrNoClock
	}
	return time.UnixMilli(latest), time.Since(sent) + heard, nil
}
