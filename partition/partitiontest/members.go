package partitiontest

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Forget takes a dead member out of the group, as its session's end does: the
// fake brokers give no session to one that died between joining and its
// assignment.
func (c *Cluster) Forget(t testing.TB, member string) {
	t.Helper()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = c.Config().Group, member
	one := kmsg.NewLeaveGroupRequestMember()
	one.MemberID = member
	req.Members = append(req.Members, one)
	if _, err := req.RequestWith(context.Background(), c.Client); err != nil {
		t.Error(err)
	}
}

// LoseBounds returns a function that has the next so many questions about where
// a topic's logs start or end fail.
func (c *Cluster) LoseBounds(topic string) (next func(n int32)) {
	var left atomic.Int32
	c.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req, ok := r.(*kmsg.ListOffsetsRequest)
		if !ok || left.Load() == 0 || !slices.ContainsFunc(req.Topics, func(t kmsg.ListOffsetsRequestTopic) bool { return t.Topic == topic }) {
			return nil, nil, false
		}
		left.Add(-1)
		resp, _ := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, rt := range req.Topics {
			st := kmsg.NewListOffsetsResponseTopic()
			st.Topic = rt.Topic
			for _, rp := range rt.Partitions {
				sp := kmsg.NewListOffsetsResponseTopicPartition()
				sp.Partition, sp.ErrorCode = rp.Partition, kerr.UnknownServerError.Code
				st.Partitions = append(st.Partitions, sp)
			}
			resp.Topics = append(resp.Topics, st)
		}
		return resp, nil, true
	})
	return left.Store
}
