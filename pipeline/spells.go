package pipeline

import (
	"context"
	"sync"
	"sync/atomic"

	"sluice/sink"
)

// spells makes the context of a workspace's attempts: one for each tenure, so
// that an attempt costs none of its own. It is safe for concurrent use.
type spells struct {
	now atomic.Pointer[spell] // stored under mu
	mu  sync.Mutex
}

// spell is the time of one tenure in which attempts are made.
type spell struct {
	delivery, tenure context.Context //nolint:containedctx // what ctx was made of
	ctx              context.Context //nolint:containedctx // of the attempts
}

// during returns the context of an attempt that begins now: it ends with
// delivery and with the tenure, and lets nothing be written once the lease is
// over, whatever was granted before.
func (w *workspace) during(delivery context.Context) context.Context {
	tenure := w.lanes.Tenure(w.Name)
	if s := w.spells.now.Load(); s != nil && s.tenure == tenure && s.delivery == delivery {
		return s.ctx
	}
	w.spells.mu.Lock()
	defer w.spells.mu.Unlock()
	if s := w.spells.now.Load(); s != nil && s.tenure == tenure && s.delivery == delivery {
		return s.ctx
	}
	ctx, end := context.WithCancel(delivery)
	context.AfterFunc(tenure, end)
	ctx = sink.Guarded(ctx, w.lanes.Leased)
	w.spells.now.Store(&spell{delivery: delivery, tenure: tenure, ctx: ctx})
	return ctx
}
