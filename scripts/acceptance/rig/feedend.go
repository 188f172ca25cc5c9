package rig

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Finish is Stop for a producer that may have ended by itself, or may not have
// had all its events acknowledged: that is told in early, which is nil when all
// went well, and its report stands. An error means that there is no report.
func (f *Feed) Finish(ctx context.Context) (report Report, early, err error) {
	f.once.Do(func() { close(f.stop) })
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	early = f.process.Wait(ctx)
	if ctx.Err() != nil {
		return report, nil, early
	}
	fed := <-f.fed
	if early == nil && fed != nil {
		return report, nil, fed
	}
	if err := LastObject(f.out.String(), &report); err != nil {
		return report, nil, fmt.Errorf("read the producer's report: %w", errors.Join(err, early))
	}
	return report, early, nil
}
