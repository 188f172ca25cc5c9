package replay

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

// view is a stream as one replay sees it. It is never changed once the window is
// surveyed, apart from its graves, and safe for concurrent use from then on.
type view struct {
	sel        Selection
	stream     Stream
	target     Stream // whose replay tier takes the copies
	elsewhere  bool   // it is not the stream's own
	ranges     map[int32]Range
	workspaces map[int32]Workspace // of every shard that is looked at: where it is routed, or the target
	graves     *graves
	crossings  crossings // merges of the window
}

// newView makes the view of a window that is known.
func newView(d Deps, s Selection, target string, ranges []Range) (*view, error) {
	stream, known := d.stream(s.Stream)
	if !known {
		return nil, refuse("name one of the configuration's streams", "there is no stream %q", s.Stream)
	}
	v := &view{
		sel: s, stream: stream, target: stream, ranges: map[int32]Range{}, workspaces: map[int32]Workspace{},
		graves: newGraves(stream.Partitions, maxGraves), crossings: crossings{},
	}
	if target != "" {
		v.elsewhere = true
		if v.target, known = d.stream(target); !known {
			return nil, refuse("put it back into the configuration, or cancel the replay", "there is no stream %q to take the copies", target)
		}
	}
	concerned := map[string]bool{}
	for _, r := range ranges {
		v.ranges[r.Partition] = r
		concerned[stream.workspace(r.Partition)] = true
	}
	for p := range stream.Partitions {
		name := stream.workspace(p)
		if !concerned[name] {
			continue
		}
		if v.elsewhere {
			name = s.Target
		}
		w, known := d.workspace(name)
		if !known {
			return nil, refuse("put it back into the configuration, or cancel the replay", "there is no workspace %q", name)
		}
		v.workspaces[p] = w
	}
	return v, nil
}

// numbers are the shards of the window, in order.
func (v *view) numbers() []int32 { return slices.Sorted(maps.Keys(v.ranges)) }

// load makes e the event of a record, fitted to where the copies go.
func (v *view) load(e *event.Event, r event.Record) {
	e.Load(r, "")
	if w, concerned := v.workspaces[r.Partition]; concerned && e.Fault == nil {
		w.prepare(e)
	}
}

// keeps tells whether window and selection take an event.
func (v *view) keeps(e *event.Event) bool {
	r, ranged := v.ranges[e.Source.Partition]
	return ranged && r.From <= e.Source.Offset && e.Source.Offset < r.To && v.sel.takes(e)
}

// judge tells what becomes of an event that keeps has taken.
func (v *view) judge(e *event.Event) verdict {
	if e.Fault != nil {
		return skipFaulty
	}
	return v.graves.judge(e)
}

// copyOf is the record that goes to the replay tier.
func (v *view) copyOf(e *event.Event, job string) event.Record {
	number := e.Source.Partition
	if v.elsewhere {
		number = -1 // the key decides: the other stream may have other shards
	}
	// The id was derived without the cluster's: the member that delivers the copy
	// derives the original's from the first place.
	e.ID = event.Event{}.ID
	return event.Moved(e, event.Move{Topic: v.target.ReplayTopic, Partition: number, Replay: job})
}

// stretch is a part of one partition of the live topic.
type stretch struct {
	number   int32
	from, to int64
}

// survey notes who was destroyed in these parts of the live topic, and which
// merges of the window stand there.
func (v *view) survey(ctx context.Context, c Cluster, parts []stretch) error {
	err := v.read(ctx, c, parts, func(e *event.Event, tide time.Time) error {
		kept := func() bool { return v.keeps(e) }
		if causeOf(e) == merged && kept() {
			v.cross(e, tide)
		}
		return v.graves.note(e, kept)
	})
	if err != nil || !v.graves.unsure() {
		return err
	}
	return v.read(ctx, c, parts, func(e *event.Event, _ time.Time) error {
		v.graves.revisit(e)
		return nil
	})
}

// cross notes a merge of the window.
func (v *view) cross(e *event.Event, tide time.Time) {
	c := crossing{shard: e.Source.Partition, offset: e.Source.Offset, tide: tide}
	if e.Key != nil {
		c.lane = v.graves.hash(e.Key)
	}
	for _, k := range peopleOf(e) {
		h := v.graves.hash(k)
		v.crossings[h] = append(v.crossings[h], c)
	}
}

// read calls fn for the event of each record of these parts that has no fault,
// with the newest time up to it; the event is fn's until it returns.
func (v *view) read(ctx context.Context, c Cluster, parts []stretch, fn func(*event.Event, time.Time) error) error {
	var e event.Event
	for _, part := range parts {
		var tide time.Time
		err := readPart(ctx, c, v.stream.Topic, part, func(r event.Record) error {
			if r.Time.After(tide) {
				tide = r.Time
			}
			if v.load(&e, r); e.Fault != nil {
				return nil
			}
			return fn(&e, tide)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readPart calls fn for each record of a part of a topic.
func readPart(ctx context.Context, c Cluster, topic string, part stretch, fn func(event.Record) error) error {
	err := c.Read(ctx, partition.Range{Topic: topic, Partition: part.number, From: part.from, To: part.to}, fn)
	if err != nil {
		return fmt.Errorf("read %s/%d: %w", topic, part.number, err)
	}
	return nil
}

// dig notes who was destroyed from the window's start to the end as of now. tell,
// unless it is nil, hears how many offsets were read, and how many are to be.
func (v *view) dig(ctx context.Context, c Cluster, since time.Time, tell func(done, all int64)) error {
	bounds, err := c.Bounds(ctx, v.stream.Topic)
	if err != nil {
		return err
	}
	starts := map[int32]int64{}
	for number, r := range v.ranges {
		starts[number] = r.From
	}
	firsts, err := v.firsts(ctx, c, since, bounds)
	if err != nil {
		return err
	}
	parts := v.parts(starts, firsts, bounds.End)
	if tell != nil {
		for _, part := range parts {
			tell(0, part.to-part.from)
		}
	}
	if err := v.survey(ctx, c, parts); err != nil {
		return err
	}
	if tell != nil {
		for _, part := range parts {
			tell(part.to-part.from, 0)
		}
	}
	return nil
}

// firsts are the first offsets that may be as new as the window's oldest record.
func (v *view) firsts(ctx context.Context, c Cluster, since time.Time, bounds partition.Bounds) (map[int32]int64, error) {
	if since.IsZero() {
		return bounds.Start, nil
	}
	return c.OffsetsAt(ctx, v.stream.Topic, since)
}

// parts are the parts of the live topic that tell who was destroyed: of the
// window's shards from where it is to be gone on, of the others that are routed
// alike from the first record that is as new as any of the window, all to the
// end. Shards of other kinds of workspace have no destructive calls.
func (v *view) parts(starts, since, ends map[int32]int64) []stretch {
	var parts []stretch
	for _, p := range slices.Sorted(maps.Keys(v.workspaces)) {
		if v.workspaces[p].Kind != KindCustomerio {
			continue
		}
		from, ours := starts[p]
		if !ours {
			from = since[p]
		}
		if from < ends[p] {
			parts = append(parts, stretch{p, from, ends[p]})
		}
	}
	return parts
}
