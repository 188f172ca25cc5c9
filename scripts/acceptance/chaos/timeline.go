package chaos

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Fault is one entry of a timeline. What it does not use is zero.
type Fault struct {
	Kind Kind
	At   time.Duration // since the traffic flowed
	For  time.Duration // until it is mended

	Member    int           // the place in the fleet, from 0 on
	Owner     bool          // rather the member that owns most of the workspace then
	Workspace int           // from 0 on
	Node      int           // a broker, 1 to 3; 0: all of them
	Delay     time.Duration // of a slow link
	Users     []int         // whose events fail
	Stay      [2]int        // the places of those that remain of four
}

// String tells all that was drawn.
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%6.1fs %-12s", f.At.Seconds(), f.Kind)
	switch f.Kind {
	case Kill, Freeze:
		if f.Owner {
			fmt.Fprintf(&b, " the owner of %s, else", workspaces()[f.Workspace].name)
		}
		fmt.Fprintf(&b, " member %d", f.Member)
	case BrokerStop, BrokerKill:
		if f.Owner {
			fmt.Fprint(&b, " the coordinator, else")
		}
		fmt.Fprintf(&b, " node %d", f.Node)
	case KafkaCut, KafkaStall, KafkaSlow:
		if f.Node == 0 {
			fmt.Fprint(&b, " all nodes")
		} else {
			fmt.Fprintf(&b, " node %d", f.Node)
		}
	case SinkCut, SinkHang, SinkSlow, SinkHalf, Throttled, Errors, Down, Hanging, Cutting:
		fmt.Fprintf(&b, " %s", workspaces()[f.Workspace].name)
	case Users:
		fmt.Fprintf(&b, " %d", f.Users)
	case ScaleDown:
		fmt.Fprintf(&b, " members %d and %d stay", f.Stay[0], f.Stay[1])
	case Roll, ScaleUp, Leaders, Coordinator, kinds:
	}
	if f.Delay > 0 {
		fmt.Fprintf(&b, ", %v late", f.Delay)
	}
	if f.For > 0 {
		fmt.Fprintf(&b, ", for %.1fs", f.For.Seconds())
	}
	return b.String()
}

// Timeline draws the faults of a run from a seed: the same seed and length give
// the same ones. They are in the order of their times, those of one track one
// after the other, and the last are over when the calm begins.
func Timeline(seed uint64, length time.Duration) []Fault {
	d := draft{dice: rand.New(rand.NewPCG(seed, 0x5107ce))}
	from, to := 4*time.Second, length-calm(length)
	d.members(from, to)
	d.fill(from, to, Freeze, Freeze)
	d.fill(from, to, BrokerStop, BrokerKill)
	d.fill(from, to, Leaders, Coordinator)
	d.fill(from, to, KafkaCut, KafkaStall, KafkaSlow)
	d.fill(from, to, SinkCut, SinkHang, SinkSlow, SinkHalf)
	d.fill(from, to, Throttled, Errors, Down, Hanging, Cutting)
	d.fill(from, from+(to-from)*2/3, Users) // what is set aside by it is tried again while others flow
	slices.SortStableFunc(d.faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	return d.faults
}

// calm is how long nothing goes wrong at the end of a run.
func calm(length time.Duration) time.Duration { return min(20*time.Second, length/4) }

// Shortest is the least length of a run that has room for faults.
const Shortest = 30 * time.Second

type draft struct {
	dice   *rand.Rand
	faults []Fault
}

// members lays out the fleet: one, then four, at last two, with restarts
// between.
func (d *draft) members(from, to time.Duration) {
	window := to - from
	up := d.draw(ScaleUp)
	up.At = from + d.upTo(window/10)
	down := d.draw(ScaleDown)
	down.At = from + window*13/20 + d.upTo(window*3/20)
	d.faults = append(d.faults, up, down)
	d.fill(up.At+up.takes(), down.At, Kill, Roll, Kill)
	d.fill(down.At+down.takes(), to, Kill)
}

// fill lays faults into a span, one after the other with time between: one of
// each of these kinds, in any order, as far as there is room, and further ones
// until they take a fifth of it.
func (d *draft) fill(from, to time.Duration, wanted ...Kind) {
	room := to - from
	var chosen []Fault
	var busy time.Duration
	for _, i := range d.dice.Perm(len(wanted)) {
		if f := d.draw(wanted[i]); busy+f.takes() <= room*13/20 {
			chosen = append(chosen, f)
			busy += f.takes()
		}
	}
	for most := 3 * len(wanted); len(chosen) < most; {
		f := d.draw(wanted[d.dice.IntN(len(wanted))])
		if busy += f.takes(); busy > room/5 {
			busy -= f.takes()
			break
		}
		chosen = append(chosen, f)
	}
	pauses := make([]time.Duration, len(chosen))
	for i := range pauses {
		pauses[i] = d.upTo(room - busy)
	}
	slices.Sort(pauses)
	var taken time.Duration
	for i, f := range chosen {
		f.At = from + pauses[i] + taken
		taken += f.takes()
		d.faults = append(d.faults, f)
	}
}

// takes is how long a fault keeps its track busy: what it lasts, and what
// usually passes until everything runs again.
func (f Fault) takes() time.Duration {
	switch f.Kind {
	case Roll:
		return 16 * time.Second
	case ScaleUp, ScaleDown, Kill:
		return f.For + 3*time.Second
	case BrokerStop, BrokerKill:
		return f.For + 15*time.Second
	case Leaders, Coordinator:
		return 8 * time.Second
	case Freeze, KafkaCut, KafkaStall, KafkaSlow, SinkCut, SinkHang, SinkSlow, SinkHalf, Throttled, Errors, Down, Hanging, Cutting, Users, kinds:
	}
	return f.For + time.Second
}

// draw makes a fault of a kind.
func (d *draft) draw(k Kind) Fault {
	f := Fault{Kind: k, Member: d.dice.IntN(fleetSize), Workspace: d.dice.IntN(len(workspaces()))}
	switch k {
	case Kill:
		f.Owner, f.For = d.chance(0.6), d.between(0, 5)
	case Freeze:
		f.Owner, f.For = d.chance(0.6), d.between(1, 8)
	case ScaleDown:
		order := d.dice.Perm(fleetSize)
		f.Stay = [2]int{min(order[0], order[1]), max(order[0], order[1])}
	case BrokerStop, BrokerKill:
		f.Owner, f.Node, f.For = d.chance(0.5), d.dice.IntN(3)+1, d.between(2, 6)
	case KafkaCut, KafkaStall, KafkaSlow:
		f.For = d.between(1, 8)
		if d.chance(0.4) {
			f.Node = d.dice.IntN(3) + 1
		}
	case SinkCut, SinkHalf, Cutting:
		f.For = d.between(1, 4)
	case SinkHang, SinkSlow, Errors, Hanging:
		f.For = d.between(2, 6)
	case Throttled, Down:
		f.For = d.between(3, 8)
	case Users:
		f.For, f.Users = d.between(6, 14), d.dice.Perm(users)[:users/100]
	case Roll, ScaleUp, Leaders, Coordinator, kinds:
	}
	if k == KafkaSlow || k == SinkSlow {
		f.Delay = d.between(0.05, 0.3).Round(time.Millisecond)
	}
	return f
}

func (d *draft) chance(p float64) bool { return d.dice.Float64() < p }

// between draws from so many seconds to so many.
func (d *draft) between(from, to float64) time.Duration {
	return time.Duration((from + (to-from)*d.dice.Float64()) * float64(time.Second)).Round(time.Millisecond)
}

func (d *draft) upTo(most time.Duration) time.Duration {
	return time.Duration(d.dice.Int64N(int64(max(most, 1))))
}
