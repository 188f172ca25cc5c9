package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/guard"
	"sluice/sink"
)

// DirectConfig is what a Direct is made of. A Direct drops nothing: of its
// Workspace, Dedup is not heeded.
type DirectConfig struct {
	Workspace Workspace
	Drain     time.Duration // bound on the wait for attempts in flight at the end

	// GiveUpAfter is for how long nothing may succeed: then the workspace is
	// given up, or, while others get through, the one event that fails. A
	// workspace that refuses us before it took anything (wrong credentials,
	// region or URL) is given up at once. 0 is never.
	GiveUpAfter time.Duration

	// DeadLetter is given each event that no attempt will deliver, in the form
	// of a record of a dead topic, which event.ParseDeath reads. The event is
	// settled when DeadLetter returns nil, else it is tried again. It is called
	// from several goroutines; the record is its own only until it returns. Nil
	// leaves the events to the report's count.
	DeadLetter func(ctx context.Context, r event.Record) error

	// Settled is told how many events an outcome settled, from several
	// goroutines; it must not block. Nil is nobody.
	Settled func(n int)

	Namespace  string // part of the ids of events that carry none; empty: one of this Direct's own
	From       int64  // the first place of a record; see Direct.Send
	MaxRecords int    // events in hand at most
	MaxBytes   int    // bytes in hand at most, roughly

	Log     *zap.Logger           // nil: none
	Metrics prometheus.Registerer // nil: none
}

// DefaultDirectConfig holds back 4,096 events or 32 MiB and gives up after an
// hour. The workspace's name and sink are the caller's to set.
func DefaultDirectConfig() DirectConfig {
	return DirectConfig{
		Workspace: Workspace{
			InFlight: DefaultInFlight, MaxInFlight: DefaultMaxInFlight, BatchItems: DefaultBatchItems,
			Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(),
		},
		Drain: DefaultDrain, GiveUpAfter: time.Hour, From: 1, MaxRecords: 4096, MaxBytes: 32 << 20,
	}
}

// Validate returns every fault, joined. What bounds memory is checked by
// partition.LocalConfig.
func (c DirectConfig) Validate() error {
	faults := c.Workspace.faults("workspace")
	if c.Drain <= 0 {
		faults = append(faults, fmt.Errorf("drain: must be above 0, have %v", c.Drain))
	}
	if c.GiveUpAfter < 0 {
		faults = append(faults, fmt.Errorf("give_up_after: must not be below 0, have %v", c.GiveUpAfter))
	}
	return errors.Join(faults...)
}

// Why a Direct takes nothing more.
var (
	// ErrClosed is returned by Send after Close was called.
	ErrClosed = errors.New("closed")
	// ErrGaveUp is returned once nothing has succeeded for GiveUpAfter.
	ErrGaveUp = errors.New("given up")
	// ErrRefused is returned when the destination refuses the workspace before
	// it took anything.
	ErrRefused = errors.New("refused")
)

// Direct delivers events to one workspace without Kafka: the same lanes,
// budget, breaker and retries, fed by Send. What is in hand is lost when the
// process dies, so an event is safe when it is settled, not when Send returned.
// It is safe for concurrent use; the events that one goroutine sends of one
// user keep their order.
type Direct struct {
	cfg     DirectConfig
	local   *partition.Local
	ws      *workspace
	witness *witness
	launch  func()             // starts what works, once
	stop    context.CancelFunc // ends intake
	abandon context.CancelFunc // ends attempts in flight
	running sync.WaitGroup
	gaveUp  chan struct{} // closed when giveUpErr is set
	reason  error         // why the workspace was given up; written before gaveUp closes
	given   atomic.Int64  // dead letters of events that were given up unsettled

	closing sync.Once
	report  DirectReport // written under closing
	err     error        // written under closing
}

// DirectReport is what became of the events given to Send.
type DirectReport struct {
	Read      int64 // taken by Send
	Delivered int64
	Failed    int64 // settled without being delivered: rejected, faulted, given up alone
	GivenUp   int64 // not settled when the workspace was given up; their dead letters are written
	Left      int64 // not settled for another reason

	// Next is the first place that is not settled; Settled are the places above
	// it that are. All is well when Read is Delivered.
	Next    int64
	Settled []partition.Span
}

// NewDirect checks its argument and starts nothing; the first Send does. The
// sink is closed by Close.
func NewDirect(cfg DirectConfig) (*Direct, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Metrics == nil {
		cfg.Metrics = prometheus.NewRegistry()
	}
	if cfg.Namespace == "" {
		cfg.Namespace = ulid.Make().String()
	}
	d := &Direct{cfg: cfg, witness: &witness{Sink: cfg.Workspace.Sink}, gaveUp: make(chan struct{})}
	var err error
	d.local, err = partition.NewLocal(partition.LocalConfig{
		Workspace: cfg.Workspace.Name, Settled: cfg.Settled, Namespace: cfg.Namespace,
		Prepare: func(_ string, e *event.Event) {
			d.witness.Prepare(e)
			d.ws.rule(d.ws.now.Load(), e, place{defers: true}, time.Now()) // in memory
		},
		From: cfg.From, MaxRecords: cfg.MaxRecords, MaxBytes: cfg.MaxBytes,
	})
	if err != nil {
		return nil, err
	}
	cfg.Workspace.Sink = d.witness
	cfg.Workspace.GiveUpAfter = cfg.GiveUpAfter
	cfg.Workspace.Dedup = guard.Rules{} // the report says of each event that it was delivered
	d.ws = newWorkspace(cfg.Workspace, workspaceParts{
		lanes: d.local, appender: undertaker(cfg.DeadLetter), log: cfg.Log.Named("pipeline"), metrics: newMetrics(cfg.Metrics),
	})
	d.ws.pacer.SetShare(1, 1) // nobody else sends by this budget
	intake, stop := context.WithCancel(context.Background())
	delivery, abandon := context.WithCancel(context.Background())
	d.stop, d.abandon = stop, abandon
	d.launch = sync.OnceFunc(func() {
		d.running.Go(func() { d.ws.dispatch(intake, delivery) })
		d.running.Go(func() { d.watch(intake) })
	})
	return d, nil
}

// Send takes one event, as a copy. It blocks while as much as may be is in
// hand, until ctx ends. A record without a time has the present one; topic and
// partition mean nothing here. The offset is the record's place in wherever it
// comes from, such as a line number, above that of every record before; 0 takes
// the next place. An error means that the event was not taken: ctx ended, the
// place is wrong, or the Direct is closed (ErrClosed) or has given up
// (ErrGaveUp, ErrRefused).
func (d *Direct) Send(ctx context.Context, r event.Record) error {
	d.launch()
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	if err := d.local.Add(ctx, r); err != nil {
		return fmt.Errorf("send to %s: %w", d.cfg.Workspace.Name, err)
	}
	return nil
}

// Flush waits until everything taken so far is settled. It fails when ctx ends
// or the workspace is given up.
func (d *Direct) Flush(ctx context.Context) error {
	for {
		changed := d.local.Changed()
		if records, _ := d.local.InHand(d.cfg.Workspace.Name); records == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-d.gaveUp:
			return d.reason
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", d.cfg.Workspace.Name, context.Cause(ctx))
		}
	}
}

// Close takes no more events and waits until all are settled. When ctx ends
// first, or the workspace is given up, attempts in flight may end for at most
// the drain time, and the report says what is left. When Close returns, every
// goroutine that the Direct started has ended. A second call returns what the
// first did.
func (d *Direct) Close(ctx context.Context) (DirectReport, error) {
	d.closing.Do(func() { d.err = d.end(ctx) })
	return d.report, d.err
}

func (d *Direct) end(ctx context.Context) error {
	d.launch() // so that a late first Send starts nothing beside us
	d.local.End(ErrClosed)
	err := d.Flush(ctx)
	d.stop()
	d.local.Drain(d.cfg.Drain)
	d.abandon()
	d.running.Wait()
	d.ws.attempts.Wait()
	d.ws.close()
	d.local.Close()
	if errors.Is(err, ErrGaveUp) {
		err = errors.Join(err, d.buryLeft())
	}
	b := d.Balance()
	d.report = DirectReport{
		Read: b.Read, Delivered: b.Delivered, Failed: b.DeadLettered, GivenUp: d.given.Load(),
	}
	d.report.Left = b.InHand - d.report.GivenUp
	d.report.Next, d.report.Settled = d.local.Position()
	if b.InHand == 0 {
		return nil // the last one settled while we stopped
	}
	return err
}

// Balance sums what became of the events so far.
func (d *Direct) Balance() Balance { return balanceOf(d.local.Tallies()) }

// Position is the first place that is not settled: everything below needs
// nothing any more.
func (d *Direct) Position() int64 {
	next, _ := d.local.Position()
	return next
}
