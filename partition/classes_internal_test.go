package partition

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/event"
)

// classedBench is a workspace with classes, of one stream without other tiers.
type classedBench struct {
	*bench
	next [2]int64 // offset of the next record, by shard
	own  [2]*shard
}

func newClassedBench(classes ...Class) *classedBench {
	b := &classedBench{bench: newBench()}
	b.own = [2]*shard{b.shard(0), b.shard(1)}
	b.lanes.Classes("w", append([]Class{{Name: "default"}}, classes...))
	return b
}

// add reads one event of a class; without a key it has a lane of its own.
func (b *classedBench) add(shard int, key string, lot uint8) *event.Event {
	e := new(event.Event)
	r := event.Record{Topic: "s", Partition: int32(shard), Offset: b.next[shard], Key: []byte(key), Value: []byte(`{}`)}
	if e.Load(r, "c"); key == "" {
		e.Key, e.Fault = nil, nil
	}
	e.Size, e.Lot = 2, lot
	b.next[shard]++
	b.own[shard].add([]*event.Event{e}, 0, b.next[shard])
	return e
}

func (b *classedBench) take(items int, allowances ...int) Batch {
	return b.lanes.Take("w", Limit{Items: items, Classes: allowances})
}

func (b *classedBench) deliver(picks []Pick) { b.lanes.Finish(picks, Outcome{Kind: Delivered}) }

// signalled tells whether Ready has something, and takes it away.
func (b *classedBench) signalled() bool {
	select {
	case <-b.lanes.Ready("w"):
		return true
	default:
		return false
	}
}

// lots are the classes of a batch's events, in its order.
func lots(b Batch) string {
	text := ""
	for _, e := range b.Events {
		text += fmt.Sprint(e.Lot)
	}
	return text
}

func TestClassesTakeTurns(t *testing.T) {
	t.Parallel()
	const any = 1 << 30
	tests := []struct {
		name       string
		classes    []Class
		read       string // key and class of each event; _ is no key
		allowances []int
		want       string // of ten
		passedOver bool
	}{
		{name: "as they come within one", read: "a0 b0 c0", want: "000"},
		{name: "by weight", classes: []Class{{Name: "x", Weight: 4}}, read: strings.Repeat("_0 _1 ", 8), want: "0111101111"},
		{name: "high first", classes: []Class{{Name: "x", Priority: 1}}, read: strings.Repeat("_0 _1 ", 4), want: "11110000"},
		{name: "low last", classes: []Class{{Name: "x", Priority: -1}}, read: strings.Repeat("_0 _1 ", 4), want: "00001111"},
		{name: "a floor", classes: []Class{{Name: "x", Priority: -1, Floor: 0.25}}, read: strings.Repeat("_0 _1 ", 10), want: "0000100010"},
		{name: "no more than its allowance", classes: []Class{{Name: "x"}}, read: strings.Repeat("_0 _1 ", 4), allowances: []int{any, 2}, want: "010100", passedOver: true},
		{name: "shut", classes: []Class{{Name: "x", Priority: 1}}, read: "_1 _1 _0 _0", allowances: []int{any, 0}, want: "00", passedOver: true},
		{name: "below nothing is nothing", classes: []Class{{Name: "x", Priority: 1}}, read: "_1 _0", allowances: []int{any, -3}, want: "0", passedOver: true},
		{name: "just enough", classes: []Class{{Name: "x"}}, read: "_0 _1 _1", allowances: []int{any, 2}, want: "011"},
		{name: "a class beyond the slice", classes: []Class{{Name: "x"}}, read: "_0 _1 _1", allowances: []int{1}, want: "011"},
		{name: "the default one too", classes: []Class{{Name: "x"}}, read: "_0 _0 _1", allowances: []int{1}, want: "01", passedOver: true},
		{name: "a run ends at a class that is shut", classes: []Class{{Name: "x"}}, read: "a0 a0 a1 a0 b0", allowances: []int{any, 0}, want: "000"},
		{name: "a run goes on in a class that is not", classes: []Class{{Name: "x"}}, read: "a0 a1 a0 b0", allowances: []int{any, 1}, want: "0100"},
		{name: "a number that no class has", classes: []Class{{Name: "x"}}, read: "_7 _1", allowances: []int{1, 0}, want: "0", passedOver: true},
		{name: "one class with an allowance", read: "_0 _0 _0", allowances: []int{2}, want: "00", passedOver: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newClassedBench(tt.classes...)
			for word := range strings.FieldsSeq(tt.read) {
				b.add(0, strings.Trim(word[:1], "_"), word[1]-'0')
			}
			have := b.take(10, tt.allowances...)
			if lots(have) != tt.want || have.PassedOver != tt.passedOver {
				t.Errorf("have %s, passed over %v, want %s, %v", lots(have), have.PassedOver, tt.want, tt.passedOver)
			}
		})
	}
}

// A class that had nothing to send, or was shut, must not make up for it when it
// comes back: the others would get nothing for as long as it was away.
func TestWhoComesBackMakesUpForNothing(t *testing.T) {
	t.Parallel()
	for _, shut := range []bool{false, true} {
		b := newClassedBench(Class{Name: "x"}, Class{Name: "low", Priority: -1})
		allowances := []int{1 << 30, 0}
		b.add(0, "", 2) // of another priority, whose clock stands still: no measure for who comes
		for range 1000 {
			if b.add(0, "", 0); shut {
				b.add(1, "", 1)
			}
			b.deliver(b.take(1, allowances...).Picks)
		}
		for range 100 {
			b.add(0, "", 0)
			b.add(1, "", 1)
		}
		if have := strings.Count(lots(b.take(100)), "1"); abs(have-50) > 1 {
			t.Errorf("shut %v: of 100, the class that came back has %d, want half", shut, have)
		}
	}
}

// What a lane takes at once for a floor can be more than the floor is owed.
func TestFloorPaysForWholeRuns(t *testing.T) {
	t.Parallel()
	b := newClassedBench(Class{Name: "x", Priority: -1, Floor: 0.05})
	for lane := range 20 {
		for range 50 {
			b.add(0, fmt.Sprint("x", lane), 1)
		}
	}
	had, all := 0, 0
	for all < 4000 {
		for range 20 {
			b.add(1, "", 0)
		}
		batch := b.take(60)
		all += len(batch.Picks)
		had += strings.Count(lots(batch), "1")
		b.deliver(batch.Picks)
		if batch := b.own[1].records; batch > 4000 {
			t.Fatalf("%d wait", batch)
		}
	}
	// Twenty of sixty are the others', for more there is not: the rest is the class's.
	if had < all/20 {
		t.Errorf("%d of %d", had, all)
	}
	b = newClassedBench(Class{Name: "x", Priority: -1, Floor: 0.05})
	for range 4000 {
		b.add(1, "", 0)
	}
	for lane := range 20 {
		for range 50 {
			b.add(0, fmt.Sprint("x", lane), 1)
		}
	}
	had, all = 0, 0
	for all < 3000 {
		batch := b.take(50)
		all += len(batch.Picks)
		had += strings.Count(lots(batch), "1")
		b.deliver(batch.Picks)
	}
	if want := all / 20; abs(had-want) > 50 {
		t.Errorf("%d of %d, want %d to within a run of 50", had, all, want)
	}
}

// TestReadyWithClassesThatAreShut: the taker is told once of what waits for its
// class, and then asks by itself; it is told of everything else.
func TestReadyWithClassesThatAreShut(t *testing.T) {
	t.Parallel()
	b := newClassedBench(Class{Name: "x", Limited: true})
	const any = 1 << 30
	for _, step := range []struct {
		what       string
		do         func()
		passedOver bool
		signalled  bool
	}{
		{"nothing is there", func() {}, false, false},
		{"an event of a shut class", func() { b.add(0, "a", 1) }, false, true},
		{"a take passes it over", func() { b.take(5, any, 0) }, true, false},
		{"another of that class", func() { b.add(1, "b", 1) }, true, false},
		{"one of another class", func() { b.add(1, "c", 0) }, true, true},
		{"which is taken", func() { b.take(5, any, 0) }, true, false},
		{"the class has an allowance", func() { b.take(1, any, 1) }, true, false},
		{"and more of it", func() { b.take(5, any, 2) }, false, false},
		{"all of it is taken, and one comes", func() { b.add(0, "d", 1) }, false, true},
		{"and is taken", func() { b.take(5, any, 1) }, false, false},
		{"the next waits for the taker to hear of it", func() { b.add(0, "e", 1) }, false, true},
		{"who passes it over", func() { b.take(5, any, 0) }, true, false},
		{"the classes change", func() { b.lanes.Classes("w", []Class{{Name: "default"}, {Name: "y"}}) }, false, true},
	} {
		step.do()
		if have := b.own[0].queue.rota.told != 0; have != step.passedOver {
			t.Errorf("%s: passed over %v, want %v", step.what, have, step.passedOver)
		}
		if have := b.signalled(); have != step.signalled {
			t.Errorf("%s: signalled %v, want %v", step.what, have, step.signalled)
		}
	}
}

// A class that is shut leaves an event that no destination could take as free as
// any: its dead letter costs the class nothing.
func TestFaultsWaitForNoClass(t *testing.T) {
	t.Parallel()
	b := newClassedBench(Class{Name: "x", Limited: true})
	e := new(event.Event)
	e.Load(event.Record{Topic: "s", Key: []byte("a")}, "c")
	e.Lot = 1
	b.own[0].add([]*event.Event{e}, 0, 1)
	if have := b.take(5, 5, 0); len(have.Faults) != 1 || have.PassedOver {
		t.Errorf("%d faults, passed over %v", len(have.Faults), have.PassedOver)
	}
}

// A reload may give the classes other numbers, take some away and add others:
// what is in hand goes with its class's name, in an attempt or not.
func TestChangedClassesKeepTheirEvents(t *testing.T) {
	t.Parallel()
	b := newClassedBench(Class{Name: "x"}, Class{Name: "y"}, Class{Name: "z"})
	b.add(0, "flies", 2)
	flying := b.take(5)
	b.add(0, "x", 1)
	b.add(0, "y", 2)
	b.add(0, "", 3)
	b.lanes.Classes("w", []Class{{Name: "default"}, {Name: "z"}, {Name: "new"}, {Name: "y"}})
	b.lanes.Classes("w", []Class{{Name: "default"}, {Name: "y"}, {Name: "new"}, {Name: "z"}})
	b.add(0, "early", 9) // by rules that the lanes have not heard of
	b.lanes.Finish(flying.Picks, RetryAt(time.Time{}, false))
	want := []classCount{{"w", "default", 2}, {"w", "new", 0}, {"w", "y", 2}, {"w", "z", 1}}
	if have := b.lanes.inClasses(); !slices.Equal(have, want) {
		t.Errorf("in hand %v, want %v", have, want)
	}
	batch := b.take(9)
	have := map[string]uint8{}
	for _, p := range batch.Picks {
		have[string(p.Event.Key)] = p.Event.Lot
	}
	for key, want := range map[string]uint8{"flies": 1, "x": 0, "y": 1, "": 3, "early": 0} {
		if lot, taken := have[key]; !taken || lot != want {
			t.Errorf("%q: class %d (taken %v), want %d", key, lot, taken, want)
		}
	}
	b.deliver(batch.Picks)
	for _, c := range b.lanes.inClasses() {
		if c.records != 0 {
			t.Errorf("%d of class %s are left", c.records, c.class)
		}
	}
}

// While there is but one class no number is looked at; what came then is of the
// default class for good, whatever classes there are later.
func TestEventsOfBeforeThereWereClasses(t *testing.T) {
	t.Parallel()
	b := newClassedBench()
	for _, lot := range []uint8{0, 1, 2, 9} {
		b.add(0, "", lot)
	}
	b.lanes.Classes("w", []Class{{Name: "default"}, {Name: "x"}, {Name: "y"}})
	b.add(0, "", 1)
	want := []classCount{{"w", "default", 4}, {"w", "x", 1}, {"w", "y", 0}}
	if have := b.lanes.inClasses(); !slices.Equal(have, want) {
		t.Errorf("in hand %v, want %v", have, want)
	}
	batch := b.take(9, 9, 0, 0)
	if have := lots(batch); have != "0000" || !batch.PassedOver {
		t.Errorf("have %s, want what came before, and the one that is shut passed over", have)
	}
	b.deliver(batch.Picks)
	if have := b.lanes.inClasses()[0].records; have != 0 {
		t.Errorf("%d of the default class are left", have)
	}
}

// What a class had counts on under its name, and not where its priority changed.
func TestChangedClassesKeepTheirShares(t *testing.T) {
	t.Parallel()
	b := newClassedBench(Class{Name: "x"}, Class{Name: "y"})
	fill := func() {
		for range 200 {
			b.add(0, "", 0)
			b.add(0, "", 1)
			b.add(0, "", 2)
		}
	}
	fill()
	b.deliver(b.take(300).Picks)
	b.lanes.Classes("w", []Class{{Name: "default"}, {Name: "y", Weight: 2}, {Name: "x", Priority: 1}})
	if have, want := lots(b.take(106)), strings.Repeat("2", 100)+"011011"; have != want {
		t.Errorf("have %s, want what is now high, then the others by their weights", have)
	}
}

// TestOrderByClass: a lane is of a key and a class, whose name is what counts.
func TestOrderByClass(t *testing.T) {
	t.Parallel()
	l := newLease()
	l.renew(time.Now(), time.Hour)
	b := &classedBench{bench: &bench{lease: l, lanes: newLanes(lanesConfig{
		workspaces: []string{"w"}, streams: []Stream{{Name: "s", Topic: "s", OrderByClass: true}}, lease: l, commitNow: func() {},
	})}}
	b.own[0] = b.shard(0)
	b.lanes.Classes("w", []Class{{Name: "default"}, {Name: "x"}, {Name: "y"}})
	for _, lot := range []uint8{1, 0, 1, 2} {
		b.add(0, "a", lot)
	}
	if have := offsets(b.take(9, 9, 0, 9)); have != "0/1 0/3 " {
		t.Errorf("have %q, want what is not of the class that is shut", have)
	}
	s := b.own[0]
	if s.laneHash([]byte("a"), "x") == s.laneHash([]byte("a"), "y") || s.laneHash([]byte("a"), "x") != s.laneOf([]byte("a"), 1) {
		t.Error("a class's name does not make the lane")
	}
	if plain := s.queue.hash([]byte("a")); s.laneHash([]byte("a"), "") != plain || s.laneHash([]byte("a"), "gone") != plain || s.laneHash([]byte("a"), "default") != plain {
		t.Error("a name that no rule has is not that of the default class")
	}
	x := s.laneHash([]byte("a"), "x")
	b.lanes.Classes("w", []Class{{Name: "default"}, {Name: "z"}, {Name: "x"}})
	if s.laneHash([]byte("a"), "x") != x {
		t.Error("another number makes another lane")
	}
}

// TestSpilledHasItsFloor: what waits on the overflow has a third of its class
// while live events could have it all, and less beside others.
func TestSpilledHasItsFloor(t *testing.T) {
	t.Parallel()
	for _, present := range [][]kind{{fresh, spilled}, {fresh, failed, kept, spilled}} {
		taken, c := [kinds]int{}, flow{}
		for _, k := range present {
			c.push(&line{kind: k})
		}
		for range 3000 {
			k := c.turn(time.Now())
			taken[k]++
			c.spend(k, 1)
		}
		want := map[kind]float64{fresh: 1, failed: failedFloor, kept: keptFloor, spilled: spilledFloor}
		sum := 0.0
		for _, k := range present {
			sum += want[k]
		}
		for _, k := range present {
			if share := int(3000 * want[k] / sum); abs(taken[k]-share) > 5 {
				t.Errorf("of %v: kind %d has %d of 3000, want %d", present, k, taken[k], share)
			}
		}
	}
}
