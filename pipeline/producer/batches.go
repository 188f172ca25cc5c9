package producer

import (
	"context"
	"sync/atomic"
	"time"

	"sluice/partition"
)

// handOver gives the appender every batch that is due, in order, while one
// more may be out; all tells to give the whole buffer regardless.
func (p *Producer) handOver(all bool) {
	p.turn.Lock()
	defer p.turn.Unlock()
	for {
		batch := p.take(all)
		if len(batch) == 0 {
			return
		}
		p.append(batch)
	}
}

// take takes the next batch out of the buffer, nil when none is due.
func (p *Producer) take(all bool) []entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !all && !p.ready() || len(p.buffer) == 0 {
		return nil
	}
	n := min(len(p.buffer), p.config.BatchEvents)
	batch := p.buffer[:n:n]
	p.buffer = append([]entry(nil), p.buffer[n:]...)
	p.out++
	p.due = false
	if len(p.buffer) > 0 {
		p.wait()
	} else if p.timer != nil {
		p.timer.Stop()
	}
	return batch
}

// ready says whether a batch is due and may go out. The caller holds mu.
func (p *Producer) ready() bool {
	return p.out < p.config.Concurrency && (p.due || p.closed || len(p.buffer) >= p.config.BatchEvents)
}

// wait makes the buffer due when its first event has waited. The caller holds mu.
func (p *Producer) wait() {
	if p.timer != nil {
		p.timer.Stop()
	}
	p.timer = time.AfterFunc(time.Until(p.buffer[0].at.Add(p.config.BatchWait)), func() {
		p.mu.Lock()
		p.due = len(p.buffer) > 0
		p.mu.Unlock()
		p.handOver(false)
	})
}

// append gives one batch to the appender. The events were taken for good, so
// no caller's context ends their way to Kafka.
func (p *Producer) append(batch []entry) {
	var left atomic.Int64
	left.Store(int64(len(batch)))
	for _, e := range batch {
		p.appender.Append(context.Background(), e.record, func(_ partition.Position, err error) {
			if err != nil {
				p.fail(e.event, err)
			}
			if left.Add(-1) == 0 {
				p.settled()
			}
			<-p.room
		})
	}
}

func (p *Producer) fail(e Event, err error) {
	p.mu.Lock()
	p.failed++
	if p.first == nil {
		p.first = err
	}
	p.mu.Unlock()
	if p.config.Failed != nil {
		p.config.Failed(e, err)
	}
}

// settled makes room for the next batch. The appender may call it from within
// Append, while the turn is held: what is due by now is handed over from a
// goroutine of its own.
func (p *Producer) settled() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out--
	if p.ready() && len(p.buffer) > 0 {
		p.wakers.Go(func() { p.handOver(false) })
	}
}
