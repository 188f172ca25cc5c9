package partition

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// A generation in which shards still have to be given up says so to all of its
// members, and one in which none has to does not.
func TestUnfinishedGenerationIsTold(t *testing.T) {
	t.Parallel()
	topics := map[string]int32{"a": 8, "b": 8}
	all := []int32{0, 1, 2, 3, 4, 5, 6, 7}
	for name, test := range map[string]struct {
		claims map[string][]int32 // of the one member; the other one is new
		want   bool
	}{
		"both are new":       {nil, false},
		"one has everything": {map[string][]int32{"a": all, "b": all}, true},
	} {
		leader := newBalancer(fleetConfig(nil))
		data := said(t, leader)
		group, _, err := leader.MemberBalancer([]kmsg.JoinGroupResponseMember{
			joining(planMember{id: "m", topics: []string{"a", "b"}, claims: test.claims, generation: 1}, data),
			joining(planMember{id: "n", topics: []string{"a", "b"}, generation: -1}, data),
		})
		if err != nil {
			t.Fatal(err)
		}
		into, err := group.(kgo.GroupMemberBalancerOrError).BalanceOrError(topics)
		if err != nil {
			t.Fatal(err)
		}
		assigned := 0
		for _, a := range into.IntoSyncAssignment() {
			reader := newBalancer(fleetConfig(func(told adoption) {
				if told.pending != test.want {
					t.Errorf("%s: %s was told that something is pending: %v, want %v", name, a.MemberID, told.pending, test.want)
				}
				for _, partitions := range told.assigned {
					assigned += len(partitions)
				}
			}))
			if _, err := reader.ParseSyncAssignment(a.MemberAssignment); err != nil {
				t.Fatal(err)
			}
		}
		if left := 16 - assigned; (left > 0) != test.want {
			t.Errorf("%s: %d shards are nobody's", name, left)
		}
	}
}

// Who is in a generation that leaves shards to nobody asks for another one, again
// and again, until one comes that does not; the group hears of it as a change of
// what the member says.
func TestUnfinishedGenerationIsNotLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := newUnfinished()
		var calls atomic.Int64
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			u.run(ctx, zap.NewNop(), func() { calls.Add(1) })
		}()
		expect := func(when string, least, most int) {
			t.Helper()
			synctest.Wait()
			again := int(calls.Load())
			if again < least || again > most || u.asks() != again {
				t.Errorf("%s: asked %d times, and says %d, want %d to %d", when, again, u.asks(), least, most)
			}
		}
		u.adopt(false)
		time.Sleep(time.Hour)
		expect("nothing is pending", 0, 0)
		u.adopt(true)
		time.Sleep(unfinishedFor - time.Second)
		expect("it may still come by itself", 0, 0)
		u.adopt(true) // as it did, and the next one leaves something as well
		time.Sleep(unfinishedFor - time.Second)
		expect("so may the next", 0, 0)
		time.Sleep(unfinishedFor/2 + 2*time.Second)
		expect("it did not", 1, 1)
		time.Sleep(4 * unfinishedFor)
		expect("nor after that", 3, 5)
		u.adopt(false)
		was := int(calls.Load())
		time.Sleep(time.Hour)
		expect("it came", was, was)
		stop()
		<-done
	})
}
