package partition

import "time"

// fault is something that goes wrong, or merely changes, at one process or with
// Kafka.
type fault struct {
	weight int
	strike func(w *world, p *process)
}

// fewest and most bound how large the fleet gets through faults.
const (
	fewestProcesses = 4
	mostProcesses   = 11
)

func faults() []fault {
	return []fault{
		{3, crash},
		{3, func(w *world, p *process) { w.freezeFor(p, w.between(200*time.Millisecond, 12*time.Second)) }},
		{4, func(w *world, p *process) { w.cutFor(p, w.between(500*time.Millisecond, 15*time.Second)) }},
		{3, twin},
		{2, evict},
		{2, forget},
		{2, func(w *world, _ *process) { w.enlist("") }},
		{2, leave},
		{2, func(w *world, _ *process) { w.pause(w.between(100*time.Millisecond, 3*time.Second)) }},
		{1, func(w *world, _ *process) { w.pause(w.between(5*time.Second, 9*time.Second)) }},
		{2, depose},
		{2, storm},
		{1, slow},
	}
}

// strike lets a random fault happen to a random process that is well.
func (w *world) strike() {
	all := faults()
	sum := 0
	for _, f := range all {
		sum += f.weight
	}
	var well []*process
	for _, p := range w.living {
		if !p.frozen && !p.cut && !p.leaving && !p.deposed {
			well = append(well, p)
		}
	}
	if len(well) == 0 {
		return
	}
	p := well[w.dice.IntN(len(well))]
	n := w.dice.IntN(sum)
	for _, f := range all {
		if n -= f.weight; n < 0 {
			f.strike(w, p)
			return
		}
	}
}

// enlist starts a process unless there are enough.
func (w *world) enlist(instance string) {
	if len(w.living) < mostProcesses {
		w.start(instance)
	}
}

// crash ends a process; most often something starts another, which has the
// static identity of the first.
func crash(w *world, p *process) {
	w.witness.note("%v crashes", p)
	p.die()
	if len(w.living) < fewestProcesses || w.chance(0.7) {
		w.after(w.between(0, 6*time.Second), func() { w.enlist(p.instance) })
	}
}

func leave(w *world, p *process) {
	if len(w.living) > fewestProcesses {
		p.leave()
	}
	if w.chance(0.6) {
		w.after(w.between(0, 4*time.Second), func() { w.enlist(p.instance) })
	}
}

func (w *world) freezeFor(p *process, d time.Duration) {
	w.witness.note("%v freezes for %v", p, d)
	p.freeze()
	w.after(d, func() {
		w.witness.note("%v thaws", p)
		p.thaw()
	})
}

func (w *world) cutFor(p *process, d time.Duration) {
	w.witness.note("%v is cut from Kafka for %v", p, d)
	p.cut = true
	w.after(d, func() {
		w.witness.note("%v reaches Kafka again", p)
		p.cut = false
	})
}

// twin starts a second process with a static identity that is in use, while the
// first is there, cut off or not.
func twin(w *world, p *process) {
	if p.instance == "" {
		evict(w, p)
		return
	}
	if w.chance(0.7) {
		w.cutFor(p, w.between(time.Second, 10*time.Second))
	}
	w.witness.note("%v gets a twin", p)
	w.start(p.instance)
}

// evict is what an operator does with a member by hand: it is not told.
func evict(w *world, p *process) {
	if w.chance(0.5) {
		w.cutFor(p, w.between(500*time.Millisecond, 8*time.Second))
	}
	w.remove(p)
}

// forget evicts a member that wants to join again for a reason of its own: its
// first contact is a JoinGroup, under an id that nobody knows any more (K16).
func forget(w *world, p *process) {
	d := w.between(10*time.Millisecond, 8*time.Second)
	p.loud = false
	w.cutFor(p, d)
	w.remove(p)
	w.after(d, func() { p.do(func() { p.join(p.client) }) })
}

func (w *world) remove(p *process) {
	w.group.attend(func() {
		if s := w.group.seatOf(p); s != nil {
			w.witness.note("%v is removed from the group as %s", p, s.member)
			w.group.remove(s)
		}
	})
}

func (w *world) pause(d time.Duration) {
	w.witness.note("the coordinator is away for %v", d)
	w.group.pause(d)
}

// depose leaves a process with a broker that does not know yet that it is no
// coordinator any more: it answers heartbeats and takes no commit.
func depose(w *world, p *process) {
	d := w.between(time.Second, 10*time.Second)
	w.witness.note("%v talks to a deposed coordinator for %v", p, d)
	p.deposed = true
	w.after(d, func() { p.deposed = false })
}

func storm(w *world, _ *process) {
	d := w.between(500*time.Millisecond, 4*time.Second)
	w.witness.note("messages are lost and late for %v", d)
	w.stormUntil = w.now + d
}

// slow lets the destination take its time, so that drains do not end in time.
func slow(w *world, _ *process) {
	w.slowness = w.between(500*time.Millisecond, 1800*time.Millisecond)
	d := w.between(time.Second, 4*time.Second)
	w.witness.note("the destination takes %v longer for %v", w.slowness, d)
	w.after(d, func() { w.slowness = 0 })
}
