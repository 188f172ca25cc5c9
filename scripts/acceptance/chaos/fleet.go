package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sluice/scripts/acceptance/rig"
)

// fleet is the members, each at a place of its own that keeps its identity and
// its way to Kafka over restarts. It is safe for concurrent use.
type fleet struct {
	rig    *rig.Rig
	log    *journal
	places [fleetSize]*place

	mu     sync.Mutex
	all    []*rig.Member // guarded by mu: that were ever started, for their logs
	exits  []string      // guarded by mu: ends that nobody asked for
	leaves []spell       // guarded by mu: members that were stopped in good order
}

// place is where one member after the other runs.
type place struct {
	config   rig.Config
	instance string

	mu     sync.Mutex  // held while something happens to the member
	up     bool        // guarded by mu: a member should run here
	member *rig.Member // guarded by mu: the latest; nil before the first
}

// newFleet starts nothing. Two places reach Kafka by the wire; one of those and
// one of the others have an identity.
func newFleet(r *rig.Rig, log *journal, config rig.Config, relayed string) *fleet {
	f := &fleet{rig: r, log: log}
	for i, instance := range [fleetSize]string{"", "b", "", "d"} {
		f.places[i] = &place{config: config, instance: instance}
		if i == 1 || i == 2 {
			f.places[i].config.Brokers = relayed
		}
	}
	return f
}

// start starts a member at a place, which the caller has locked.
func (f *fleet) start(i int) error {
	p := f.places[i]
	m, err := f.rig.Run(p.config, p.instance)
	if err != nil {
		return err
	}
	p.up, p.member = true, m
	f.mu.Lock()
	f.all = append(f.all, m)
	f.mu.Unlock()
	f.log.line("member %d: %s starts", i, m.Name)
	return nil
}

// open starts a member at a place where none runs.
func (f *fleet) open(i int) error {
	p := f.places[i]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.up {
		return nil
	}
	return f.start(i)
}

// shut stops the member at a place in good order and notes when it did.
func (f *fleet) shut(i int, again bool) error {
	p := f.places[i]
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.up {
		return nil
	}
	from := time.Now()
	f.log.line("member %d: %s is asked to end", i, p.member.Name)
	err := p.member.Stop(40 * time.Second)
	p.up = false
	f.mu.Lock()
	f.leaves = append(f.leaves, spell{Fault{Kind: Roll, Member: i}, from, time.Now()})
	if err != nil {
		f.exits = append(f.exits, err.Error())
	}
	f.mu.Unlock()
	if err != nil {
		f.log.line("member %d: %v", i, err)
	}
	if again {
		return f.start(i)
	}
	return nil
}

// kill kills the member at a place and starts another after a while.
func (f *fleet) kill(ctx context.Context, i int, dead time.Duration) error {
	p := f.places[i]
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.up {
		f.log.line("member %d: nobody to kill", i)
		return nil
	}
	p.member.Kill()
	f.log.line("member %d: %s is dead", i, p.member.Name)
	if err := rig.Pause(ctx, dead); err != nil {
		return err
	}
	return f.start(i)
}

// freeze stops the member at a place where it is for a while.
func (f *fleet) freeze(ctx context.Context, i int, long time.Duration) error {
	p := f.places[i]
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.up || !p.member.Running() {
		f.log.line("member %d: nobody to freeze", i)
		return nil
	}
	if err := p.member.Freeze(); err != nil {
		return err
	}
	f.log.line("member %d: %s stands still", i, p.member.Name)
	return errors.Join(rig.Pause(ctx, long), p.member.Thaw())
}

// roll restarts every member that runs, each when the one before it is ready.
func (f *fleet) roll(ctx context.Context) error {
	for i := range f.places {
		if !f.runs(i) {
			continue
		}
		if err := f.shut(i, true); err != nil {
			return err
		}
		// One that cannot be ready yet, for Kafka is away, holds up nothing.
		waiting, cancel := context.WithTimeout(ctx, 10*time.Second)
		_ = f.member(i).Ready(waiting)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// runs tells whether a member should run at a place.
func (f *fleet) runs(i int) bool {
	f.places[i].mu.Lock()
	defer f.places[i].mu.Unlock()
	return f.places[i].up
}

// member is the latest at a place.
func (f *fleet) member(i int) *rig.Member {
	f.places[i].mu.Lock()
	defer f.places[i].mu.Unlock()
	return f.places[i].member
}

// owner is the place whose member has most of a workspace's budget, of those
// that tell; else where the other result says that somebody runs.
func (f *fleet) owner(ctx context.Context, workspace string, otherwise int) int {
	ctx, cancel := context.WithTimeout(ctx, time.Second) // one that stands still does not tell
	defer cancel()
	best, most := -1, 0.0
	for i, p := range f.places {
		if !p.mu.TryLock() {
			continue // something happens to it already
		}
		if p.up {
			if share, told := p.member.Share(ctx, workspace); told && share > most {
				best, most = i, share
			}
		}
		p.mu.Unlock()
	}
	if best >= 0 {
		return best
	}
	return f.living(otherwise)
}

// living is the place itself when somebody runs there, else the next one where
// somebody does.
func (f *fleet) living(i int) int {
	for step := range fleetSize {
		if at := (i + step) % fleetSize; f.runs(at) {
			return at
		}
	}
	return i
}

// tend starts anew whoever ended although nobody asked, as a supervisor would,
// until ctx ends.
func (f *fleet) tend(ctx context.Context) error {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for i, p := range f.places {
			if !p.mu.TryLock() {
				continue
			}
			var err error
			if p.up && !p.member.Running() {
				f.died(i, p.member)
				err = f.start(i)
			}
			p.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
}

func (f *fleet) died(i int, m *rig.Member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.exits = append(f.exits, fmt.Sprintf("%s ended by itself: %s", m.Name, m.Tail(2)))
	f.log.line("member %d: %s ended by itself", i, m.Name)
}

// stop stops all members in good order, at the same time.
func (f *fleet) stop() error {
	errs := make([]error, fleetSize)
	var all sync.WaitGroup
	for i := range f.places {
		all.Go(func() { errs[i] = f.shut(i, false) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// end ends whoever still runs, at once.
func (f *fleet) end() {
	for _, m := range f.members() {
		m.Kill()
	}
}

// members are all that were ever started.
func (f *fleet) members() []*rig.Member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

// ended tells of ends that nobody asked for, or that were not in good order.
func (f *fleet) ended() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.exits)
}

// left tells when members were stopped in good order.
func (f *fleet) left() []spell {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.leaves)
}
