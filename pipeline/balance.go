package pipeline

import (
	"context"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/partition"
)

// Balance sums what became of the events that this process read. At all times
// Read = Delivered + DeadLettered + Dropped + Moved + HandedBack + InHand.
type Balance struct {
	Read         int64 `json:"read"`
	Delivered    int64 `json:"delivered"`
	DeadLettered int64 `json:"dead_lettered"`
	Dropped      int64 `json:"dropped"`
	Moved        int64 `json:"moved"`
	HandedBack   int64 `json:"handed_back"`
	InHand       int64 `json:"in_hand"`
	Misplaced    int64 `json:"misplaced"`
}

func balanceOf(tallies []partition.Tally) Balance {
	var b Balance
	for _, t := range tallies {
		b.Read += t.Read
		b.Delivered += t.Delivered
		b.DeadLettered += t.DeadLettered
		b.Dropped += t.Dropped
		b.Moved += t.Moved
		b.HandedBack += t.HandedBack
		b.InHand += t.InHand
		b.Misplaced += t.Misplaced
	}
	return b
}

// Holds tells whether the balance adds up.
func (b Balance) Holds() bool {
	return b.Read == b.Delivered+b.DeadLettered+b.Dropped+b.Moved+b.HandedBack+b.InHand
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (b Balance) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddInt64("read", b.Read)
	e.AddInt64("delivered", b.Delivered)
	e.AddInt64("dead_lettered", b.DeadLettered)
	e.AddInt64("dropped", b.Dropped)
	e.AddInt64("moved", b.Moved)
	e.AddInt64("handed_back", b.HandedBack)
	e.AddInt64("in_hand", b.InHand)
	return nil
}

// reportEvery is how often the queue is reported.
const reportEvery = 30 * time.Second

// report logs a line for each workspace now and then, and an error should the
// balance ever not add up.
func (p *Pipeline) report(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, w := range p.order {
			records, flying := w.lanes.InHand(w.Name)
			w.log.Info("queue", zap.Int("waiting", records-flying), zap.Int("active", flying),
				zap.Int64("failed", w.counts.failed.Load()), zap.Int64("completed", w.counts.completed.Load()))
		}
		if b := p.Balance(); !b.Holds() {
			p.log.Error("the balance does not add up; please report this", zap.Object("balance", b))
		}
	}
}
