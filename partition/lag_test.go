package partition_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
)

// noon is when the first event of each partition was produced; the others
// follow a minute apart.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// appendMinutes appends events to a partition, those from from to to-1.
func appendMinutes(t *testing.T, kafka *partitiontest.Cluster, p int32, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		kafka.Append(t, event.Record{
			Topic: "events", Partition: p, Key: fmt.Appendf(nil, "user-%d", i), Value: []byte("{}"),
			Time: noon().Add(time.Duration(i) * time.Minute),
		})
	}
}

func adminOf(t *testing.T, cfg partition.Config) *partition.Admin {
	t.Helper()
	a, err := partition.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func lagOf(t *testing.T, a *partition.Admin, topics ...string) []partition.ShardLag {
	t.Helper()
	lags, err := a.Lag(t.Context(), "g", topics...)
	if err != nil {
		t.Fatal(err)
	}
	return lags
}

// awaitLag asks until fit says that the lags are as they should be.
func awaitLag(t *testing.T, a *partition.Admin, fit func([]partition.ShardLag) bool) []partition.ShardLag {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var lags []partition.ShardLag
	for range 500 {
		if lags = lagOf(t, a, "events"); fit(lags) {
			return lags
		}
		<-tick.C
	}
	t.Fatalf("have %+v", lags)
	return nil
}

func TestLagOfAGroupThatIsBehind(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 4, "events", "others")
	a := adminOf(t, kafka.Config())
	for p := range int32(2) {
		appendMinutes(t, kafka, p, 0, 10)
	}
	dest := newSunk()
	m := start(t, kafka.Config(), dest)
	dest.await(t, 20)
	m.stop()
	appendMinutes(t, kafka, 0, 10, 15)
	kafka.DeleteBefore(t, "events", 0, 12)
	appendMinutes(t, kafka, 3, 0, 2)

	lags := lagOf(t, a, "events", "nowhere")
	if len(lags) != 4 {
		t.Fatalf("want the four partitions of the topic that exists, have %+v", lags)
	}
	if err := a.FindOldest(t.Context(), lags); err != nil {
		t.Fatal(err)
	}
	for p, want := range []struct {
		watermark, lag, gone int64
		oldest               time.Time
		halted               bool
	}{
		{10, 3, 2, noon().Add(12 * time.Minute), true},
		{10, 0, 0, time.Time{}, false},
		{0, 0, 0, time.Time{}, false},
		{0, 2, 0, noon(), false},
	} {
		l := lags[p]
		if l.Watermark != want.watermark || l.Lag() != want.lag || l.Gone() != want.gone || !l.Oldest.Equal(want.oldest) || (l.Halted() != "") != want.halted {
			t.Errorf("partition %d: want %+v, have %+v, %d behind, %d gone, %q", p, want, l, l.Lag(), l.Gone(), l.Halted())
		}
		if !l.Released || !l.Ours {
			t.Errorf("partition %d: want it released, have %+v", p, l)
		}
	}
}

// One event is in an attempt that does not end; what came after it is settled,
// and is not counted as lag.
func TestLagLeavesOutWhatIsSettledAboveTheWatermark(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 1, "events")
	appendMinutes(t, kafka, 0, 0, 30)
	cfg := kafka.Config()
	cfg.Instance, cfg.Region, cfg.AdminAddr = "eu-a", "eu", "10.0.0.1:9091"
	c, err := partition.NewConsumer(cfg, partition.Options{
		Streams: []partition.Stream{{Name: "events", Topic: "events", Routes: []partition.Route{{Workspace: "w"}}}},
		Prepare: func(_ string, e *event.Event) { e.PrepareObject() },
		Log:     zap.NewNop(), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, 10*time.Millisecond) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for taken := 0; taken < 30; {
		<-c.Lanes().Ready("w")
		b := c.Lanes().Take("w", partition.Limit{Items: 30})
		for i := range b.Picks {
			if b.Picks[i].Event.Source.Offset != 4 {
				c.Lanes().Finish(b.Picks[i:i+1], partition.Outcome{Kind: partition.Delivered})
			}
		}
		taken += len(b.Picks)
	}
	a := adminOf(t, kafka.Config())
	lags := awaitLag(t, a, func(lags []partition.ShardLag) bool { return lags[0].Lag() == 1 })
	if err := a.FindOldest(t.Context(), lags); err != nil {
		t.Fatal(err)
	}
	l := lags[0]
	if l.Watermark != 4 || l.Settled() != 25 || !l.Oldest.Equal(noon().Add(4*time.Minute)) || l.Released || l.Dispatched != 29 {
		t.Errorf("have %+v, %d settled above", l, l.Settled())
	}
	if m, err := l.Move(10); err != nil || m.Skipped != 1 || m.Again != 20 {
		t.Errorf("want the one skipped and what is settled from 10 on sent again, have %+v, %v", m, err)
	}
	g, err := a.Group(t.Context(), "g")
	if err != nil || !g.Settled() || len(g.Members) != 1 || !g.Members[0].Owns("events", 0) {
		t.Fatalf("have %+v, %v", g, err)
	}
	owner, ok := g.Owner("events", 0)
	if !ok || owner.Instance != "eu-a" || owner.Told.Region != "eu" || owner.Told.Admin != "10.0.0.1:9091" || owner.Host == "" || owner.ID == "" {
		t.Errorf("have %+v", owner)
	}
	if _, ok := g.Owner("events", 1); ok {
		t.Error("nobody owns a partition that is not there")
	}
	_, err = a.SetOffsets(t.Context(), "g", []partition.Move{{ShardLag: l, To: 0}})
	if !errors.Is(err, partition.ErrGroupActive) {
		t.Errorf("a reset under a running member: want it refused, have %v", err)
	}
}

func TestGroupsAreThoseOfSluice(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 2, "events", "others")
	a := adminOf(t, kafka.Config())
	if have, err := a.Groups(t.Context()); err != nil || len(have) != 0 {
		t.Fatalf("want none on a new cluster, have %+v, %v", have, err)
	}
	appendMinutes(t, kafka, 0, 0, 5)
	dest := newSunk()
	m := start(t, kafka.Config(), dest)
	dest.await(t, 5)
	m.stop()
	appendMinutes(t, kafka, 0, 5, 8)
	other := kafka.Config()
	other.Group = "busy"
	startOn(t, other, "events", dest)
	dest.await(t, 8)
	// Two of somebody else: one that has committed, one that consumes.
	committed := kadm.Offsets{}
	committed.Add(kadm.Offset{Topic: "others", At: 0, LeaderEpoch: -1, Metadata: "theirs"})
	if _, err := kadm.NewClient(kafka.Client).CommitOffsets(t.Context(), "theirs", committed); err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()...), kgo.ConsumerGroup("consuming"), kgo.ConsumeTopics("events"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	cl.PollRecords(t.Context(), 1)

	have, err := a.Groups(t.Context(), "theirs", "nowhere")
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(have))
	for i, g := range have {
		names[i] = g.Name
	}
	if want := []string{"busy", "g", "theirs"}; !slices.Equal(names, want) {
		t.Fatalf("want %v, have %v", want, names)
	}
	if g := have[0]; g.State != "Stable" || g.Protocol != "sluice" || len(g.Members) != 1 {
		t.Errorf("have %+v", g)
	}
	if g := have[1]; g.State != "Empty" || len(g.Members) != 0 || !slices.Equal(g.Topics, []partition.TopicLag{{Topic: "events", Lag: 3}}) {
		t.Errorf("have %+v", g)
	}
	if g, err := a.Group(t.Context(), "nowhere"); err != nil || g.State != "Dead" || !g.Settled() {
		t.Errorf("have %+v, %v", g, err)
	}
}

func TestOffsetsAtATime(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 3, "events")
	a := adminOf(t, kafka.Config())
	appendMinutes(t, kafka, 0, 0, 10)
	appendMinutes(t, kafka, 1, 8, 10)
	for minute, want := range map[int][]int64{-5: {0, 0, 0}, 4: {4, 0, 0}, 9: {9, 1, 0}, 30: {10, 2, 0}} {
		have, err := a.OffsetsAt(t.Context(), "events", noon().Add(time.Duration(minute)*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		for p, want := range want {
			if have[int32(p)] != want {
				t.Errorf("minute %d, partition %d: want %d, have %d", minute, p, want, have[int32(p)])
			}
		}
	}
	if _, err := a.OffsetsAt(t.Context(), "nowhere", noon()); err == nil {
		t.Error("want a topic that does not exist refused")
	}
}

func TestSetOffsetsCommitsPlainOnes(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 3, "events")
	a := adminOf(t, kafka.Config())
	appendMinutes(t, kafka, 0, 0, 10)
	appendMinutes(t, kafka, 1, 0, 10)
	dest := newSunk()
	m := start(t, kafka.Config(), dest)
	dest.await(t, 20)
	m.stop()
	lags := lagOf(t, a, "events")
	moves := make([]partition.Move, 2)
	for p, to := range []int64{4, 0} {
		var err error
		if moves[p], err = lags[p].Move(to); err != nil {
			t.Fatal(err)
		}
	}
	refused, err := a.SetOffsets(t.Context(), "g", moves)
	if err != nil || len(refused) != 0 {
		t.Fatalf("have %v, %v", refused, err)
	}
	lags = lagOf(t, a, "events")
	for p, want := range []int64{4, 0, 0} {
		if l := lags[p]; l.Watermark != want || l.Ours != (p == 2) {
			t.Errorf("partition %d: want %d, have %+v", p, want, l)
		}
	}
	again := newSunk()
	start(t, kafka.Config(), again)
	again.await(t, 16)
}

// The cluster, not this package, has the last word: a member that joins between
// the question and the commit makes it refuse, and one partition may fail alone.
func TestSetOffsetsTellsWhatTheBrokerRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code    error
		only    int32 // the partition that is refused; -1: all
		refused int
		active  bool
	}{
		{kerr.UnknownMemberID, -1, 0, true},
		{kerr.RebalanceInProgress, -1, 0, true},
		{kerr.TopicAuthorizationFailed, 1, 1, false},
	} {
		kafka := partitiontest.New(t, 2, "events")
		a := adminOf(t, kafka.Config())
		appendMinutes(t, kafka, 0, 0, 3)
		appendMinutes(t, kafka, 1, 0, 3)
		var code *kerr.Error
		errors.As(tt.code, &code)
		kafka.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
			resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
			for _, asked := range req.(*kmsg.OffsetCommitRequest).Topics {
				answer := kmsg.NewOffsetCommitResponseTopic()
				answer.Topic, answer.TopicID = asked.Topic, asked.TopicID
				for _, p := range asked.Partitions {
					one := kmsg.NewOffsetCommitResponseTopicPartition()
					one.Partition = p.Partition
					if tt.only < 0 || tt.only == p.Partition {
						one.ErrorCode = code.Code
					}
					answer.Partitions = append(answer.Partitions, one)
				}
				resp.Topics = append(resp.Topics, answer)
			}
			return resp, nil, true
		})
		lags := lagOf(t, a, "events")
		moves := []partition.Move{{ShardLag: lags[0], To: 2}, {ShardLag: lags[1], To: 2}}
		refused, err := a.SetOffsets(t.Context(), "g", moves)
		if len(refused) != tt.refused || errors.Is(err, partition.ErrGroupActive) != tt.active || tt.active != (err != nil) {
			t.Errorf("%v: have %v, %v", tt.code, refused, err)
		}
		if tt.refused > 0 && !errors.Is(refused[tt.only], tt.code) {
			t.Errorf("%v: have %v", tt.code, refused)
		}
	}
}

// Nothing comes from a partition whose first records are not to be read; the
// wait for it ends with the context, and what the others gave is kept.
func TestFindOldestKeepsWhatItFound(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 2, "events")
	a := adminOf(t, kafka.Config())
	appendMinutes(t, kafka, 0, 0, 3)
	lags := lagOf(t, a, "events")
	lags[1].End = 5 // it holds nothing
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := a.FindOldest(ctx, lags); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want the wait ended, have %v", err)
	}
	if !lags[0].Oldest.Equal(noon()) || !lags[1].Oldest.IsZero() {
		t.Errorf("have %v and %v", lags[0].Oldest, lags[1].Oldest)
	}
}
