package guard_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/pipeline/event"
	"sluice/pipeline/guard"
)

// past is one event in the history that the model judges by. Steps count what
// happened, from 1; 0 is never.
type past struct {
	event          *event.Event
	user           string
	other          string // the second user of a merge
	says           string // attributes of an identify, name of an event
	id             string
	taken          int // the last time
	delivered      int // after that
	deliveredAt    time.Time
	flying, failed bool
}

// history is the model: it keeps everything and looks through all of it.
type history struct {
	rules guard.Rules
	step  int
	now   time.Time
	kept  []*past
	moved int // the step of the last reassignment
	alone bool
}

// goneSince tells whether there was a barrier of the user, of another event than
// x, taken or answered since x was last taken.
func (h *history) goneSince(x *past) bool {
	return slices.ContainsFunc(h.kept, func(b *past) bool {
		return b != x && b.event.Barrier && (b.user == x.user || b.other == x.user) && (b.taken > x.taken || b.delivered > x.taken)
	})
}

// last is the event taken last of those that match.
func (h *history) last(match func(*past) bool) *past {
	var found *past
	for _, x := range h.kept {
		if x.taken > 0 && match(x) && (found == nil || x.taken > found.taken) {
			found = x
		}
	}
	return found
}

// counts tells whether x excuses another one.
func (h *history) counts(x *past, window time.Duration) bool {
	return x != nil && x.taken > h.moved && x.delivered > x.taken && h.now.Sub(x.deliveredAt) < window && !h.goneSince(x)
}

// judge is what the guard must say of e.
func (h *history) judge(e *past) guard.Reason {
	sameKind := func(x *past) bool { return x.user == e.user && x.event.Op == e.event.Op }
	if h.counts(h.last(func(x *past) bool { return sameKind(x) && x.id == e.id }), h.rules.EventID) {
		return guard.SameEventID
	}
	if before := h.last(func(x *past) bool { return x.user == e.user }); h.alone && before != nil && sameKind(before) &&
		e.event.Op == event.OpIdentify && before.says == e.says && h.counts(before, h.rules.Identify) &&
		(h.rules.LaterToo || e.event.Unix() <= before.event.Unix()) {
		return guard.SameIdentify
	}
	if e.event.Op == event.OpEvent && h.counts(h.last(func(x *past) bool { return sameKind(x) && x.says == e.says }), h.rules.Content) {
		return guard.SameContent
	}
	return guard.None
}

// play is a guard and its model at work on the same events.
type play struct {
	*history
	guard   *guard.Guard
	script  *script
	events  int
	dropped map[guard.Reason]int
}

// draw makes a new event: few users, ids and contents, so that many are alike.
func (p *play) draw(t *rapid.T) *past {
	p.events++
	x := &past{user: rapid.SampledFrom([]string{"1", "2"}).Draw(t, "user"), id: fmt.Sprint("own-", p.events)}
	if rapid.Bool().Draw(t, "with id") {
		x.id = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "id")
	}
	x.says = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "says")
	who := `"identifiers":{"id":"` + x.user + `"}`
	var value string
	switch rapid.IntRange(0, 20).Draw(t, "what") {
	case 20:
		value = `{"type":"person","action":"delete",` + who + `}`
	case 19:
		x.other = "2"
		value = `{"type":"person","action":"merge","primary":{"id":"` + x.user + `"},"secondary":{"id":"2"}}`
	case 1, 3, 6, 9, 12, 15:
		value = `{"type":"person","action":"event",` + who + `,"name":"` + x.says + `"}`
	default:
		value = `{"type":"person","action":"identify",` + who + `,"attributes":{"v":"` + x.says + `"}}`
	}
	x.event = p.script.entity(record{
		key: x.user, value: value, id: x.id, at: time.Duration(rapid.IntRange(0, 1).Draw(t, "second")) * time.Second,
		topic: rapid.SampledFrom([]string{"s", "t"}).Draw(t, "topic"),
	})
	return x
}

// attempt makes up an attempt of new events and of some that failed before, and
// compares what is dropped.
func (p *play) attempt(t *rapid.T) {
	var batch []*past
	for _, x := range p.kept {
		if x.failed && rapid.Bool().Draw(t, "again") {
			batch = append(batch, x)
		}
	}
	for range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "new") {
		batch = append(batch, p.draw(t))
	}
	var events []*event.Event
	for _, x := range batch {
		events = append(events, x.event)
	}
	have := make([]guard.Reason, len(batch))
	p.guard.Screen(events, p.now, nil, func(i int, why guard.Reason) { have[i] = why })
	for i, x := range batch {
		p.step++
		if want := p.judge(x); have[i] != want {
			t.Fatalf("step %d, %s of user %s, id %s, says %s: want %v, have %v", p.step, x.event.Op, x.user, x.id, x.says, want, have[i])
		}
		p.dropped[have[i]]++
		if have[i] != guard.None {
			x.failed = false // settled
			continue
		}
		if !slices.Contains(p.kept, x) {
			p.kept = append(p.kept, x)
		}
		x.taken, x.flying, x.failed = p.step, true, false
	}
}

// answer ends one of the attempts in flight.
func (p *play) answer(t *rapid.T, delivered bool) {
	var flying []*past
	for _, x := range p.kept {
		if x.flying {
			flying = append(flying, x)
		}
	}
	if len(flying) == 0 {
		return
	}
	x := rapid.SampledFrom(flying).Draw(t, "answered")
	x.flying, x.failed = false, !delivered
	if delivered {
		p.step++
		x.delivered, x.deliveredAt = p.step, p.now
		p.guard.Delivered([]*event.Event{x.event}, p.now)
	}
}

// TestGuardIsAsItsModel: whatever is taken, answered, failed, retried and moved,
// in any order and over several streams at once, the guard drops what somebody
// with the whole history would, and nothing else.
func TestGuardIsAsItsModel(t *testing.T) {
	t.Parallel()
	dropped := map[guard.Reason]int{}
	rapid.Check(t, func(rt *rapid.T) {
		rules := guard.Rules{LaterToo: rapid.Bool().Draw(rt, "later")}
		for _, window := range []*time.Duration{&rules.Identify, &rules.EventID, &rules.Content} {
			*window = time.Duration(rapid.SampledFrom([]int{0, 5, 30}).Draw(rt, "window")) * time.Second
		}
		s := newScript(t, rules)
		p := &play{history: &history{rules: rules, now: s.now, alone: true}, guard: s.guard, script: s, dropped: dropped}
		// Between two ticks of the model's clock there is room for the guard's own.
		p.now = p.now.Add(time.Hour + 500*time.Microsecond)
		for range rapid.IntRange(40, 120).Draw(rt, "steps") {
			switch rapid.IntRange(0, 40).Draw(rt, "step") { // small numbers are drawn more often
			case 40:
				p.step++
				p.moved, p.alone = p.step, rapid.Bool().Draw(rt, "alone")
				p.guard.Reassigned(p.alone)
			case 38, 39:
				p.now = p.now.Add(time.Duration(rapid.IntRange(1, 6).Draw(rt, "seconds"))*time.Second + time.Millisecond)
			case 36, 37:
				p.answer(rt, false)
			case 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20:
				p.attempt(rt)
			default:
				p.answer(rt, true)
			}
		}
	})
	for _, why := range guard.Reasons() {
		if dropped[why] == 0 {
			t.Errorf("nothing was dropped by %v: %v", why, dropped)
		}
	}
	t.Log(dropped)
}
