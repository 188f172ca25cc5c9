package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/errgroup"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/pipeline/deferral"
	"sluice/pipeline/replay"
	"sluice/pipeline/state"
)

// operator is what a member does, beside delivering, for the people who run it:
// it follows the operators' state and carries replays out.
type operator struct {
	cfg    config.Config
	log    *zap.Logger
	runner atomic.Pointer[replay.Runner] // set once the state is known
	book   deferral.Book

	// denied takes whether the first fault of reading the state is that Kafka does
	// not allow it: then delivering waits for who can mend that, else for nothing.
	denied chan bool // capacity 1
	// patience is how long delivering waits for either answer: what is left of a
	// cancelled replay is dropped only then. It matters more that events flow.
	patience time.Duration
	// topicPatience is how long the state's topic may be missing at the start, as
	// any other topic may: brokers hear of a new one a little later.
	topicPatience time.Duration
}

func newOperator(cfg config.Config, log *zap.Logger) *operator {
	return &operator{
		cfg: cfg, log: log.Named("operator"), denied: make(chan bool, 1), patience: 5 * time.Second, topicPatience: 10 * time.Second,
	}
}

// cancelled tells whether a replay was cancelled, as far as is known. It is safe
// for concurrent use.
func (o *operator) cancelled(job string) bool {
	runner := o.runner.Load()
	return runner != nil && runner.Cancelled(job)
}

// openTime bounds one try to read the state.
const openTime = 10 * time.Second

// run delivers until ctx ends, and carries replays out meanwhile. The first that
// fails ends the other. Deliver is called exactly once, so that it can let go of
// what it holds.
func (o *operator) run(ctx context.Context, deliver func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	known := make(chan struct{})
	var g errgroup.Group
	g.Go(func() error {
		err := o.serve(ctx, known)
		if err != nil {
			stop()
		}
		return err
	})
	g.Go(func() error {
		defer stop()
		o.await(ctx, known)
		return deliver(ctx)
	})
	return g.Wait()
}

// await returns when delivering may begin, or ctx has ended.
func (o *operator) await(ctx context.Context, known <-chan struct{}) {
	select {
	case <-known:
		return
	case <-ctx.Done():
		return
	case denied := <-o.denied:
		if denied {
			select {
			case <-known:
			case <-ctx.Done():
			}
			return
		}
	case <-time.After(o.patience):
	}
	o.log.Warn("the operators' state is not known yet: delivering meanwhile; replays wait, and what is left of a cancelled one may go out",
		zap.String("topic", o.cfg.StateTopic))
}

// serve follows the state and copies until ctx ends; known is closed once what
// was cancelled is known.
func (o *operator) serve(ctx context.Context, known chan<- struct{}) error {
	store, err := o.open(ctx)
	if err != nil || store == nil {
		return err
	}
	defer store.Close()
	deps, sinks, err := replayDeps(o.cfg, store, o.log)
	for _, s := range sinks {
		defer s.Close()
	}
	if err != nil {
		return err
	}
	runner := replay.NewRunner(deps, o.holder())
	o.runner.Store(runner)
	o.book.Take(store, o.log)
	close(known)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	g.Go(func() error { defer stop(); return store.Run(ctx) })
	g.Go(func() error { defer stop(); return runner.Run(ctx) })
	g.Go(func() error { o.book.Follow(ctx, store, o.log); return nil })
	return g.Wait()
}

// open reads the state, and tries again while Kafka gives no answer that helps.
// Without an error there is none either when ctx ended first.
func (o *operator) open(ctx context.Context) (*state.Store, error) {
	const rest, again = time.Second, 30 * time.Second
	patience := time.Now().Add(o.topicPatience)
	var said time.Time
	for {
		opening, cancel := context.WithTimeout(ctx, openTime)
		store, err := state.Open(opening, state.Config{Kafka: o.cfg.Kafka, Topic: o.cfg.StateTopic}, o.log)
		cancel()
		switch {
		case err == nil:
			return store, nil
		case ctx.Err() != nil:
			return nil, nil //nolint:nilnil,nilerr // it ended before there was one
		case errors.Is(err, state.ErrNoTopic) && time.Now().After(patience):
			return nil, fmt.Errorf("read the operators' state: %w", err)
		case !errors.Is(err, state.ErrNoTopic):
			o.unread(partition.Refused(err))
			if time.Since(said) >= again {
				said = time.Now()
				o.lament(err)
			}
		}
		select {
		case <-ctx.Done():
			return nil, nil //nolint:nilnil // as above
		case <-time.After(rest):
		}
	}
}

// unread notes that the state could not be read, and whether because Kafka does
// not allow it.
func (o *operator) unread(denied bool) {
	select {
	case o.denied <- denied:
	default:
	}
}

func (o *operator) lament(err error) {
	level, what := zapcore.WarnLevel, "the operators' state cannot be read; trying again"
	if partition.Refused(err) {
		level, what = zapcore.ErrorLevel, "the operators' state may not be read: unless delivering has begun, nothing is delivered until it may"
	}
	o.log.Log(level, what, zap.String("topic", o.cfg.StateTopic), zap.Error(diagnosed(err)))
}

// holder names this process among those that may copy: a person knows its
// beginning, and no other process has its end.
func (o *operator) holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	id := ulid.Make().String()
	const distinct = 8
	return cmp.Or(o.cfg.Kafka.Instance, host, "member") + "-" + id[len(id)-distinct:]
}
