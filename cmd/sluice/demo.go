package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"go.uber.org/zap/zapcore"

	"sluice/partition"
	"sluice/pipeline/checker"
	"sluice/pipeline/producer"
	"sluice/scripts/data"
)

// demo plays the purchases through a world of its own and judges what arrived.
func (sh *shell) demo(ctx context.Context) error {
	w, err := sh.newWorld(ctx, devFlags{kafka: "127.0.0.1:0", simulator: "127.0.0.1:0", gateway: gatewayOff}, sh.logger(zapcore.WarnLevel))
	if err != nil {
		return err
	}
	defer w.close()
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.run(running) }()
	_, _ = fmt.Fprintf(sh.err, "embedded Kafka %s, simulated Customer.io %s, budget 80 requests/s and 1,000 events/s\n",
		w.broker.Addrs()[0], w.simulatorURL)

	played := make(chan playback, 1)
	go func() { played <- sh.play(running, w) }()
	p, err := sh.watch(running, w, played, ended)
	if err == nil {
		err = p.err
	}
	stop()
	if ran := <-ended; err == nil {
		err = ran
	}
	if err != nil {
		return err
	}
	return sh.judge(w)
}

// playback is how producing the purchases ended.
type playback struct {
	report producer.Report
	err    error
}

// sample opens the purchases as events.
func sample() (producer.Input, error) {
	return producer.CSV(data.Sample(), producer.Mapping{
		Columns: map[string]string{"user": "customer_id", "timestamp": "date"}, Event: "purchase",
	})
}

func (sh *shell) play(ctx context.Context, w *world) playback {
	in, err := sample()
	if err != nil {
		return playback{err: err}
	}
	appender, err := partition.NewAppender(w.config.Kafka, sh.logger(zapcore.WarnLevel))
	if err != nil {
		return playback{err: err}
	}
	defer appender.Close()
	report, err := producer.Run(ctx, appender, in, producer.Options{
		Topic: w.config.Streams[0].Topic, Seq: true, Form: producer.Entity,
	})
	return playback{report: report, err: err}
}

// watch shows the flow until everything that was produced is settled.
func (sh *shell) watch(ctx context.Context, w *world, played <-chan playback, ended chan error) (playback, error) {
	terminal := isTerminal(sh.err)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var p playback
	var produced bool
	start := time.Now()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return p, errors.New("stopped before the end")
		case err := <-ended:
			ended <- nil
			return p, errors.Join(errors.New("the pipeline ended early"), err)
		case p = <-played:
			if p.err != nil {
				return p, nil
			}
			produced, played = true, nil
		case <-tick.C:
		}
		b := w.member.pipeline.Balance()
		settled := b.Delivered + b.DeadLettered + b.Dropped
		done := produced && settled >= int64(p.report.Succeeded)
		sh.show(terminal, n, done, fmt.Sprintf("delivered %6d   in hand %5d   dead letters %d   %.0f events/s",
			b.Delivered, b.InHand, b.DeadLettered, float64(settled)/time.Since(start).Seconds()))
		if done {
			return p, nil
		}
	}
}

// show writes a line over itself on a terminal, else one a second.
func (sh *shell) show(terminal bool, n int, last bool, line string) {
	switch {
	case terminal && last:
		_, _ = fmt.Fprintf(sh.err, "\r%s\n", line)
	case terminal:
		_, _ = fmt.Fprintf(sh.err, "\r%s", line)
	case last || n%5 == 0:
		_, _ = fmt.Fprintln(sh.err, line)
	}
}

// judge checks the simulator's history against the purchases.
func (sh *shell) judge(w *world) error {
	in, err := sample()
	if err != nil {
		return err
	}
	b := w.member.pipeline.Balance()
	report, err := checker.Check(checker.Expect(in, producer.Entity), arrivals(w), checker.Extra{
		DeadLettered: int(b.DeadLettered), Dropped: int(b.Dropped), InHand: int(b.InHand),
	})
	if err != nil {
		return err
	}
	if err := sh.answer(report, func(out io.Writer) { _, _ = io.WriteString(out, report.Table()) }); err != nil {
		return err
	}
	if !report.OK() {
		return verdict(exitFailed, "%d lost, %d double effects, %d order breaks", report.Lost, report.DoubleEffects, report.OrderBreaks)
	}
	return nil
}

// arrivals is the simulator's history as the checker reads it.
func arrivals(w *world) iter.Seq2[checker.Arrival, error] {
	return func(yield func(checker.Arrival, error) bool) {
		for a := range w.simulator.Arrivals(0) {
			if !yield(checker.Arrival{
				Time: a.Time, Workspace: a.Workspace, User: a.User, ID: a.ID, Seq: a.Seq, N: a.N,
				Status: a.Status, Attempt: a.Attempt, Op: a.Op, Effect: a.Effect,
			}, nil) {
				return
			}
		}
	}
}
