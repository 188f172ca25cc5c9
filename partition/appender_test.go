package partition_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
)

// A record that its topic does not take fails alone, and says so; the events
// around it, which a broker would refuse with it, do not.
func TestAppendTooLargeFailsAlone(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 4, "events")
	appender, err := partition.NewAppender(kafka.Config(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(appender.Close)
	noise := make([]byte, 1<<20+200_000) // does not compress below the broker's 1 MiB
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	const small = 3000
	failed := make(chan error, small+1)
	add := func(value []byte) {
		r := event.Record{Topic: "events", Partition: -1, Key: []byte("u"), Value: value}
		appender.Append(context.Background(), r, func(_ partition.Position, err error) { failed <- err })
	}
	for i := range small {
		if i == small/2 {
			add(noise)
		}
		add(fmt.Append(noise[:1000:1000], i))
	}
	if err := appender.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	tooLarge := 0
	for range small + 1 {
		if err := <-failed; errors.Is(err, partition.ErrTooLarge) {
			tooLarge++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if tooLarge != 1 {
		t.Errorf("%d records were too large, want the one", tooLarge)
	}
	if have := len(kafka.Read(t, "events")); have != small {
		t.Errorf("%d records are there, want %d", have, small)
	}
}
