package chaos

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// journal tells a run's events with their times since it began. It is safe for
// concurrent use.
type journal struct {
	mu    sync.Mutex
	out   io.Writer
	began time.Time // guarded by mu
}

// begin sets the time that lines are told from.
func (j *journal) begin(at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.began = at
}

// line adds one line. That it cannot be written changes nothing about the run.
func (j *journal) line(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, _ = fmt.Fprintf(j.out, "%7.1fs  %s\n", time.Since(j.began).Seconds(), fmt.Sprintf(format, args...))
}
