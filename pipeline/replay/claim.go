package replay

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"sluice/pipeline/state"
)

const (
	renewEvery = 5 * time.Second
	// claimLives is how long after it saw the last renewal a member takes a claim
	// for dead. It measures that by its own clock alone, so clocks may differ.
	claimLives = 15 * time.Second
	// claimHolds is how long after it sent the last renewal its holder goes on: so
	// much less that nothing is under way any more when somebody takes over.
	claimHolds = 10 * time.Second
)

// errLost says that a claim is not ours any more, or may not be.
var errLost = errors.New("the claim on the replay is lost")

// tenancy is what the state keeps of a claim.
type tenancy struct {
	Holder string `json:"holder"`          // the member; empty: it was given back
	Token  string `json:"token,omitempty"` // of the claim: two processes may bear one name
	Turn   int64  `json:"turn"`            // counts renewals
}

// tenant is who holds a claim, as far as the state tells.
func tenant(s Store, job string) (t tenancy, version int64) {
	doc, found := s.Get(claimKey(job))
	if !found {
		return tenancy{}, 0
	}
	if json.Unmarshal(doc.Body, &t) != nil {
		t = tenancy{Holder: "unreadable"} // it dies of old age like any other
	}
	return t, doc.Version
}

// watch tells which claims are dead. It belongs to one goroutine.
type watch map[string]sighting

// sighting is when a claim was first seen as it is.
type sighting struct {
	version int64
	at      time.Time
}

// free tells whether nobody holds a claim, and which version of it says so: it
// was never made or given back, or has stood unchanged for claimLives.
func (w watch) free(s Store, job string, now time.Time) (version int64, free bool) {
	t, version := tenant(s, job)
	if t.Holder == "" {
		return version, true
	}
	seen, known := w[job]
	if !known || seen.version != version {
		w[job] = sighting{version, now}
		return version, false
	}
	return version, now.Sub(seen.at) >= claimLives
}

// claim is one that we hold, or have held. It is safe for concurrent use.
type claim struct {
	store   Store
	job     string
	tenancy tenancy // as version, used by keep alone while that runs
	version int64
	sent    atomic.Pointer[time.Time] // when the last renewal that was accepted was sent
}

// take claims a job that was free at a version of its claim; errLost when
// somebody has written it since, be it the holder that was taken for dead.
func take(ctx context.Context, s Store, job, holder string, version int64) (*claim, error) {
	c := &claim{store: s, job: job, tenancy: tenancy{Holder: holder, Token: rand.Text()}, version: version}
	bounded, cancel := context.WithTimeout(ctx, claimHolds)
	defer cancel()
	if err := c.renew(bounded); err != nil {
		return nil, err
	}
	return c, nil
}

// renew writes the claim anew. It fails with errLost once somebody else has.
func (c *claim) renew(ctx context.Context) error {
	sent := time.Now()
	next := c.tenancy
	next.Turn++
	version, err := c.store.Swap(ctx, claimKey(c.job), c.version, next)
	switch {
	case errors.Is(err, state.ErrChanged):
		return errLost
	case err != nil:
		return fmt.Errorf("renew the claim: %w", err)
	}
	c.tenancy, c.version = next, version
	c.sent.Store(&sent)
	return nil
}

// held tells whether the claim is certainly still ours. Both clocks are asked:
// the monotonic one may stand still while a machine sleeps.
func (c *claim) held() bool {
	sent, now := *c.sent.Load(), time.Now()
	return now.Sub(sent) < claimHolds && now.Round(0).Sub(sent.Round(0)) < claimHolds
}

// keep renews the claim until ctx ends. It calls lose when the claim is lost or
// could not be renewed in time.
func (c *claim) keep(ctx context.Context, lose context.CancelCauseFunc) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for err := c.renewInTime(ctx); err != nil; err = c.renewInTime(ctx) {
			if ctx.Err() != nil {
				return
			}
			if errors.Is(err, errLost) || !c.held() || pause(ctx, time.Second) != nil {
				lose(errors.Join(errLost, err))
				return
			}
		}
	}
}

// renewInTime renews the claim while it is certainly ours.
func (c *claim) renewInTime(ctx context.Context) error {
	bounded, cancel := context.WithDeadline(ctx, c.sent.Load().Add(claimHolds))
	defer cancel()
	// A renewal whose answer was lost may have been kept: then the claim is ours at
	// another version.
	if t, version := tenant(c.store, c.job); t.Token == c.tenancy.Token {
		c.tenancy, c.version = t, version
	}
	return c.renew(bounded)
}

// giveBack lets others claim at once. It must be called only when nothing of
// ours is under way any more, and after keep has ended. When it does not work
// out, they wait until the claim is dead.
func (c *claim) giveBack(ctx context.Context) error {
	if !c.held() {
		return errLost
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_, err := c.store.Swap(bounded, claimKey(c.job), c.version, tenancy{Turn: c.tenancy.Turn + 1})
	return err
}

// pause waits, at most until ctx ends; then its cause is returned.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
