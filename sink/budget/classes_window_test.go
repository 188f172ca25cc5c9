package budget_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/sink/budget"
)

const newsletter = 1 // the class of campaign

// campaign is 1500/min inside what Customer.io takes.
func campaign() budget.Config {
	cfg := budget.DefaultConfig()
	cfg.Classes = []budget.Class{{Name: "default"}, {Name: "newsletter", Rate: 25}}
	return cfg
}

// backlog has all that may go of every class, those with a limit first: in
// turn, as some attempts have not enough room for all.
func (f *fleet) backlog(classes int) func(room budget.Room, most int) []int {
	return func(room budget.Room, most int) []int {
		taken := make([]int, classes)
		if room.Classes == nil {
			taken[0] = most
			return taken
		}
		for i, from := 0, f.dice.IntN(classes); i < classes; i++ {
			class := 1 + (from+i)%classes
			if class < classes {
				taken[class] = min(room.Classes[class], most)
				most -= taken[class]
			}
		}
		taken[0] = min(room.Classes[0], most)
		return taken
	}
}

// of returns the attempts with only the events of a class in them.
func of(sent []attempt, class int) []attempt {
	var all []attempt
	for _, a := range sent {
		if n := a.classes[class]; n > 0 {
			all = append(all, attempt{at: a.at, events: n})
		}
	}
	return all
}

func total(sent []attempt) (events int) {
	for _, a := range sent {
		events += a.events
	}
	return events
}

// slightly is how late timers are.
func (f *fleet) slightly() time.Duration {
	return time.Duration(f.dice.ExpFloat64() * float64(300*time.Microsecond))
}

// TestClassLeavesOneByOne: 1500/min is one event each 40 ms, all minute long,
// while the rest of the budget is used by others.
func TestClassLeavesOneByOne(t *testing.T) {
	t.Parallel()
	f := newFleet(1, campaign(), 100, 1)
	f.late, f.classes = f.slightly, f.backlog(2)
	f.share(0, 1, 1)
	f.play(2 * time.Minute)
	sent := of(f.sent, newsletter)
	for i, a := range sent {
		if a.events > 1 {
			t.Fatalf("%d in one attempt", a.events)
		}
		if i > 0 && a.at.Sub(sent[i-1].at) < 25*time.Millisecond {
			t.Fatalf("%v after the one before", a.at.Sub(sent[i-1].at))
		}
	}
	if have := float64(len(sent)) / 120 / 25; have < 0.98 || have > 1 {
		t.Errorf("%.3f of its rate used", have)
	}
	if have := float64(total(f.sent)) / 120 / 1000; have < 0.98 || have > 1.01 {
		t.Errorf("%.3f of the budget used", have)
	}
	if _, have := worst(sent, time.Second); have > 25 {
		t.Errorf("%d of it within a second", have)
	}
}

// TestClassHoldsWhateverChanges: no second of a class holds more than its rate
// and one, whoever owns the workspace, however the share comes over and
// whatever the budget was meanwhile.
func TestClassHoldsWhateverChanges(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		f := newFleet(3, campaign(), 100, seed)
		f.classes = f.backlog(2)
		switch seed % 3 {
		case 1:
			f.late = f.slightly
		case 2:
			f.pause = f.pauses(80, false)
		}
		owner := 0
		f.share(owner, 12, 12)
		for range 40 {
			f.play(time.Duration(f.dice.Int64N(int64(700 * time.Millisecond))))
			owner = f.unsettle(owner)
		}
		sent := of(f.sent, newsletter)
		if _, have := worst(sent, time.Second); have > 26 || have == 0 {
			t.Errorf("seed %d: %d within a second", seed, have)
		}
		// Attempts of 5 a second hold up to 5 events each.
		if _, have := worst(sent, 100*time.Millisecond); have > 6 {
			t.Errorf("seed %d: %d within 100 ms", seed, have)
		}
	}
}

// unsettle changes who owns what, what is answered or the budget, which is
// never above that of campaign. It returns the owner.
func (f *fleet) unsettle(owner int) int {
	next := (owner + 1 + f.dice.IntN(2)) % 3
	cfg := campaign()
	switch f.dice.IntN(7) {
	case 0: // at once
		f.share(owner, 0, 12)
		f.share(next, 12, 12)
		return next
	case 1: // in pieces
		f.share(owner, 0, 12)
		for n := 1; n <= 12; n++ {
			f.share(next, n, 12)
			f.play(time.Duration(f.dice.Int64N(int64(3 * time.Millisecond))))
		}
		return next
	case 2: // and back
		f.share(owner, f.dice.IntN(12), 12)
		f.play(time.Duration(f.dice.Int64N(int64(50 * time.Millisecond))))
		f.share(owner, 12, 12)
	case 3:
		for range 30 {
			f.pacers[owner].Answered(f.now, f.dice.IntN(3) == 0)
		}
	case 4:
		cfg.Requests = []budget.Rate{80, 0, 5, 30}[f.dice.IntN(4)]
		cfg.Classes[newsletter].Rate = budget.Rate(1 + f.dice.IntN(25))
		f.set(cfg, 0)
	case 5: // round and round
		for range 6 {
			f.share(owner, 0, 12)
			owner = (owner + 1) % 3
			f.share(owner, 12, 12)
			f.play(time.Duration(f.dice.Int64N(int64(60 * time.Millisecond))))
		}
	default:
		f.set(cfg, time.Duration(f.dice.Int64N(int64(time.Second))))
	}
	return owner
}

// set changes the budget of all.
func (f *fleet) set(cfg budget.Config, after time.Duration) {
	for i, p := range f.pacers {
		p.Set(cfg, f.batch, after)
		f.next[i] = f.now
	}
}

// TestMembersOfAClassDoNotSendTogether: they get their shares, or the rule, at
// the same instant, and each has a backlog.
func TestMembersOfAClassDoNotSendTogether(t *testing.T) {
	t.Parallel()
	const members = 4
	for _, reloaded := range []bool{false, true} {
		worstOf, together := 0, 0
		for seed := range uint64(30) {
			cfg := campaign()
			if reloaded {
				cfg.Classes = nil
			}
			f := newFleet(members, cfg, 100, seed)
			f.late, f.classes = f.slightly, f.backlog(2)
			for i := range members {
				f.share(i, 3, 12)
			}
			f.play(10 * time.Second)
			if reloaded {
				f.set(campaign(), time.Second)
				f.sent = f.sent[:0]
			}
			f.play(20 * time.Second)
			_, have := worst(of(f.sent, newsletter), time.Second)
			worstOf, together = max(worstOf, have), together+have
		}
		if mean := float64(together) / 30; worstOf > 28 || mean > 27.5 {
			t.Errorf("reloaded %v: up to %d within a second, %.1f on average", reloaded, worstOf, mean)
		}
	}
}

// drawn is a workspace that a property is tried on.
type drawn struct {
	cfg          budget.Config
	batch        int
	owned, total int
	enough       bool // every attempt has room for an event of each class
}

// draw makes up a workspace whose classes leave something to the others, and
// are no more than its attempts could take one by one.
func draw(rt *rapid.T) drawn {
	d := drawn{batch: rapid.IntRange(1, 100).Draw(rt, "batch"), total: rapid.IntRange(1, 12).Draw(rt, "total")}
	d.owned = rapid.IntRange(1, d.total).Draw(rt, "owned")
	if rapid.Bool().Draw(rt, "with requests") {
		d.cfg.Requests = budget.Rate(rapid.IntRange(2, 400).Draw(rt, "requests"))
	}
	if d.cfg.Requests == 0 || rapid.Bool().Draw(rt, "with events") {
		d.cfg.Events = budget.Rate(rapid.IntRange(2, 2000).Draw(rt, "events"))
	}
	attempts, n := d.cfg.Requests, rapid.IntRange(1, 4).Draw(rt, "limited")
	if attempts == 0 || d.cfg.Events > 0 && d.cfg.Events < attempts {
		attempts = d.cfg.Events
	}
	d.cfg.Classes = []budget.Class{{Name: "default"}}
	for i := range n {
		part := rapid.Float64Range(0.01, 0.9/float64(n)).Draw(rt, "part")
		d.cfg.Classes = append(d.cfg.Classes, budget.Class{Name: string(rune('a' + i)), Rate: attempts * budget.Rate(part)})
	}
	perAttempt := float64(d.batch)
	if d.cfg.Events > 0 { // others take what is left of them at once
		perAttempt = min(perAttempt, float64(d.cfg.Events)*float64(d.owned)/float64(d.total)/10)
		if d.cfg.Requests > 0 {
			perAttempt = min(perAttempt, float64(d.cfg.Events/d.cfg.Requests))
		} else {
			perAttempt = 1
		}
	}
	d.enough = n == 1 || perAttempt >= float64(2*n)
	return d
}

func (d drawn) share() float64 { return float64(d.owned) / float64(d.total) }

// play has a fleet of one send for so long.
func (d drawn) play(cfg budget.Config, long time.Duration) *fleet {
	f := newFleet(1, cfg, d.batch, 1)
	f.classes = f.backlog(len(d.cfg.Classes))
	timer := rand.New(rand.NewPCG(1, 5)) // classes throw the fleet's dice too
	f.late = func() time.Duration { return time.Duration(timer.ExpFloat64() * float64(300*time.Microsecond)) }
	f.share(0, d.owned, d.total)
	f.play(long)
	return f
}

// TestClassesAlwaysHold: whatever the budget, the share, the batches and the
// classes are, none goes above its rate, each uses it, and the workspace's own
// bounds hold as before.
func TestClassesAlwaysHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := draw(rt)
		f := d.play(d.cfg, 40*time.Second)
		whole := float64(total(f.sent)) / 40
		for i, class := range d.cfg.Classes[1:] {
			sent, rate := of(f.sent, i+1), float64(class.Rate)*d.share()
			for _, window := range []time.Duration{time.Second, 10 * time.Second} {
				_, have := worst(sent, window)
				if most := int(math.Ceil(rate*window.Seconds())) + 1; have > most {
					rt.Errorf("%v/s: %d within %v, want at most %d", rate, have, window, most)
				}
			}
			_, have := worst(sent, 100*time.Millisecond)
			if most := 1 + max(0.9, 0.015*0.985*rate) + 0.0985*rate; float64(have) > most {
				rt.Errorf("%v/s: %d within 100 ms, want at most %.2f", rate, have, most)
			}
			if len(sent) < 100 || !d.enough || rate > 0.9*whole {
				continue // too few to tell a part from, or it is not the class that is in its way
			}
			took := sent[len(sent)-1].at.Sub(sent[0].at).Seconds()
			if have := float64(total(sent[1:])) / took / rate; have < 0.97 {
				rt.Errorf("%v/s: %.4f of it used", rate, have)
			}
		}
		requests, events := worst(f.sent, time.Second)
		if most := float64(d.cfg.Requests) * d.share(); most > 0 && requests > int(math.Ceil(most)) {
			rt.Errorf("%d requests within a second, want at most %v", requests, most)
		}
		if most := float64(d.cfg.Events) * d.share(); most > 0 && float64(events) > most+max(1, min(float64(d.batch), most/10)) {
			rt.Errorf("%d events within a second of %v", events, most)
		}
	})
}

// TestOthersAreNeverSlowed: with a backlog of what has no limit, the attempts
// are the same ones, at the same instants and as full, with limited classes
// among them or not.
func TestOthersAreNeverSlowed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := draw(rt)
		free := d.cfg
		free.Classes = nil
		have, want := d.play(d.cfg, 20*time.Second).sent, d.play(free, 20*time.Second).sent
		if len(have) != len(want) {
			rt.Fatalf("%d attempts, want %d", len(have), len(want))
		}
		for i := range have {
			a, b := have[i], want[i]
			a.classes, b.classes = nil, nil
			if !reflect.DeepEqual(a, b) {
				rt.Fatalf("attempt %d: have %+v, want %+v", i, a, b)
			}
		}
	})
}
