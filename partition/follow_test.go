package partition_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/partition"
	"sluice/partition/partitiontest"
)

func newFollower(t *testing.T, c *partitiontest.Cluster, from int64) *partition.Follower {
	t.Helper()
	f, err := partition.NewFollower(c.Config(), "log", 0, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// follow reads to the end and returns the values.
func follow(t *testing.T, f *partition.Follower) []string {
	t.Helper()
	var values []string
	for next, end := int64(0), int64(1); next < end; next, end = f.Position() {
		records, err := f.Next(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			values = append(values, string(r.Value))
		}
	}
	return values
}

func TestFollowerReadsOn(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1, "log")
	f := newFollower(t, c, 0)
	if have := follow(t, f); len(have) > 0 {
		t.Errorf("an empty log: want nothing, have %v", have)
	}
	for n := range 5 {
		c.Produce(t, "log", 1, "k", fmt.Sprint(n))
	}
	if have, want := follow(t, f), []string{"0", "1", "2", "3", "4"}; !slices.Equal(have, want) {
		t.Errorf("want %v, have %v", want, have)
	}
	if have := follow(t, newFollower(t, c, 3)); !slices.Equal(have, []string{"3", "4"}) {
		t.Errorf("from the middle: want 3 and 4, have %v", have)
	}
	// What comes while Next waits is returned before its time is over.
	got := make(chan int, 1)
	go func() {
		records, err := f.Next(t.Context(), time.Minute)
		if err != nil {
			t.Error(err)
		}
		got <- len(records)
	}()
	c.Produce(t, "log", 1, "k", "5")
	if n := <-got; n != 1 {
		t.Errorf("want one record, have %d", n)
	}
	if next, end := f.Position(); next != 6 || end != 6 {
		t.Errorf("want to stand at the end, 6, have %d of %d", next, end)
	}
}

func TestFollowerGoesToTheStartOfTheLog(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1, "log")
	for n := range 5 {
		c.Produce(t, "log", 1, "k", fmt.Sprint(n))
	}
	c.DeleteBefore(t, "log", 0, 3)
	if have := follow(t, newFollower(t, c, 0)); !slices.Equal(have, []string{"3", "4"}) {
		t.Errorf("want what is left, have %v", have)
	}
	c.DeleteBefore(t, "log", 0, 5)
	if have := follow(t, newFollower(t, c, 1)); len(have) > 0 {
		t.Errorf("want nothing, have %v", have)
	}
}

func TestFollowerRefuses(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1, "log")
	c.Produce(t, "log", 1, "k", "0")
	if _, err := newFollower(t, c, 9).Next(t.Context(), 0); !errors.Is(err, partition.ErrPastEnd) {
		t.Errorf("past the end: want ErrPastEnd, have %v", err)
	}
	for topic, number := range map[string]int32{"none": 0, "log": 1} {
		f, err := partition.NewFollower(c.Config(), topic, number, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Next(t.Context(), 0); !errors.Is(err, partition.ErrNoTopic) {
			t.Errorf("%s/%d: want ErrNoTopic, have %v", topic, number, err)
		}
	}
}

// answers makes the cluster give the next fetches these answers for the one
// partition, then its own.
func answers(c *partitiontest.Cluster, given ...kmsg.FetchResponseTopicPartition) {
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if len(given) == 0 {
			return nil, nil, false
		}
		c.KeepControl()
		fetch, _ := req.(*kmsg.FetchRequest)
		resp, _ := fetch.ResponseKind().(*kmsg.FetchResponse)
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = fetch.Topics[0].Topic, fetch.Topics[0].TopicID
		topic.Partitions = given[:1]
		if given[0].Partition == 0 {
			resp.Topics = append(resp.Topics, topic)
		}
		given = given[1:]
		return resp, nil, true
	})
}

// TestFollowerReachesAnEndThatCompactionRemoved: at the offsets before the end
// nothing will ever come, and who waits for it waits for ever.
func TestFollowerReachesAnEndThatCompactionRemoved(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1, "log")
	c.Produce(t, "log", 1, "k", "0")
	f := newFollower(t, c, 0)
	if have := follow(t, f); len(have) != 1 {
		t.Fatalf("want the one record, have %v", have)
	}
	missing := kmsg.NewFetchResponseTopicPartition()
	missing.HighWatermark, missing.LastStableOffset = 4, 4
	answers(c, missing)
	records, err := f.Next(t.Context(), 0)
	if next, end := f.Position(); err != nil || len(records) > 0 || next != 4 || end != 4 {
		t.Errorf("want to stand at the end, 4, have %d of %d, %v", next, end, err)
	}
}

// TestFollowerWaitsForWhatPasses: a leader that moved, and a broker that
// throttles and so leaves the partition out.
func TestFollowerWaitsForWhatPasses(t *testing.T) {
	t.Parallel()
	c := partitiontest.New(t, 1, "log")
	c.Produce(t, "log", 1, "k", "0")
	moved, throttled := kmsg.NewFetchResponseTopicPartition(), kmsg.NewFetchResponseTopicPartition()
	moved.ErrorCode, throttled.Partition = kerr.NotLeaderForPartition.Code, -1
	answers(c, moved, throttled, moved)
	if have := follow(t, newFollower(t, c, 0)); !slices.Equal(have, []string{"0"}) {
		t.Errorf("want the record, have %v", have)
	}
	denied := kmsg.NewFetchResponseTopicPartition()
	denied.ErrorCode = kerr.TopicAuthorizationFailed.Code
	answers(c, denied)
	if _, err := newFollower(t, c, 0).Next(t.Context(), 0); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("not allowed: want that at once, have %v", err)
	}
}
