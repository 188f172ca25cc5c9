package replay

import (
	"context"
	"fmt"
	"time"

	"sluice/pipeline/event"
)

// Plan is what a replay would do. It changes nothing.
type Plan struct {
	Selection  Selection        `json:"selection"`
	Target     string           `json:"target,omitempty"` // stream whose replay tier takes the copies, when it is another
	Since      time.Time        `json:"since,omitzero"`   // no selected record is older
	Ranges     []Range          `json:"ranges"`
	Scanned    int64            `json:"scanned"`  // records of the window
	Selected   int64            `json:"selected"` // of them: to be copied
	Skipped    Skipped          `json:"skipped"`
	Unsettled  int64            `json:"unsettled"` // offsets cut off the window's end: they are delivered anyway
	Workspaces []Share          `json:"workspaces"`
	Operations map[string]int64 `json:"operations"` // selected, by operation
	Absorbed   int64            `json:"absorbed"`   // carry an id by which Customer.io drops what it has
	MayDouble  int64            `json:"may_double"` // carry none and take effect again, if they did before
	Doubles    map[string]int64 `json:"doubles"`    // those, by operation
	Cautions   []string         `json:"cautions"`
}

// Plan returns what a replay of a selection would do, and changes nothing. It
// reads the window and all that came after it; progress, unless it is nil, hears
// how far that is, in offsets. A *RefusedError says that there is no such replay,
// why, and what to do instead.
func (d *Desk) Plan(ctx context.Context, s Selection, progress func(done, all int64)) (Plan, error) {
	if err := s.Validate(); err != nil {
		return Plan{}, &RefusedError{Reason: err.Error(), Remedy: "correct the selection"}
	}
	stream, known := d.deps.stream(s.Stream)
	if !known {
		return Plan{}, refuse("name one of the configuration's streams", "there is no stream %q", s.Stream)
	}
	target, err := d.deps.targetOf(stream, s)
	if err != nil {
		return Plan{}, err
	}
	c, end, err := d.deps.connect()
	if err != nil {
		return Plan{}, err
	}
	defer end()
	w, err := d.find(ctx, c, stream, s)
	if err != nil {
		return Plan{}, err
	}
	if len(w.gone) > 0 && !s.TakeRest {
		return Plan{}, refuseGone(ctx, c, stream, w)
	}
	p := &planner{
		desk: d, cluster: c, window: w, progress: progress,
		plan: Plan{Selection: s, Target: target, Operations: map[string]int64{}, Doubles: map[string]int64{}},
	}
	if err := p.read(ctx); err != nil {
		return Plan{}, err
	}
	if progress != nil {
		progress(p.all, p.all)
	}
	return p.plan, p.judge(ctx)
}

// planner makes one plan.
type planner struct {
	desk     *Desk
	cluster  Cluster
	window   window
	progress func(done, all int64)
	plan     Plan
	view     *view
	tallies  map[string]*tally // by workspace

	done, all int64 // offsets
}

// tally is what a workspace would be sent.
type tally struct{ together, alone int64 }

// read ends the window, notes who was destroyed since, and counts.
func (p *planner) read(ctx context.Context) error {
	s := p.plan.Selection
	oldest, last, err := p.edges(ctx)
	if err != nil {
		return err
	}
	p.plan.Unsettled = p.window.cutAt(last, s)
	p.plan.Ranges = p.window.ranges
	if p.plan.Since = s.From; s.byOffset() {
		p.plan.Since = oldest
	}
	if p.view, err = newView(p.desk.deps, s, p.plan.Target, p.plan.Ranges); err != nil {
		return err
	}
	if err := p.view.dig(ctx, p.cluster, p.plan.Since, p.tell); err != nil {
		return err
	}
	return p.count(ctx)
}

// edges reads what the window may hold for where it ends, by the records' own
// times, and how old its oldest record is.
func (p *planner) edges(ctx context.Context) (oldest time.Time, last map[int32]int64, err error) {
	s := p.plan.Selection
	last = map[int32]int64{}
	for _, r := range p.window.ranges {
		last[r.Partition] = r.To
	}
	if s.To.IsZero() && !s.byOffset() {
		return oldest, last, nil
	}
	for _, r := range p.window.ranges {
		if !s.byOffset() {
			last[r.Partition] = r.From
		}
		err := p.scan(ctx, stretch{r.Partition, r.From, r.To}, func(rec event.Record) {
			if oldest.IsZero() || rec.Time.Before(oldest) {
				oldest = rec.Time
			}
			if !s.byOffset() && s.inTime(rec.Time) {
				last[r.Partition] = rec.Offset + 1
			}
		})
		if err != nil {
			return oldest, nil, err
		}
	}
	return oldest, last, nil
}

// count judges every record of the window as the copier would.
func (p *planner) count(ctx context.Context) error {
	p.tallies = map[string]*tally{}
	var e event.Event
	for i := range p.plan.Ranges {
		r := &p.plan.Ranges[i]
		if p.tallies[r.Workspace] == nil {
			p.tallies[r.Workspace] = &tally{}
		}
		err := p.scan(ctx, stretch{r.Partition, r.From, r.To}, func(rec event.Record) {
			p.plan.Scanned++
			p.view.load(&e, rec)
			if !p.view.keeps(&e) {
				return
			}
			if v := p.view.judge(&e); v != copied {
				p.plan.Skipped.add(v)
				return
			}
			p.plan.Selected++
			r.Selected++
			p.weigh(&e, r.Workspace)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// scan reads a part of the live topic for the plan.
func (p *planner) scan(ctx context.Context, part stretch, fn func(event.Record)) error {
	topic := p.desk.streamOf(p.plan.Selection).Topic
	p.all += max(0, part.to-part.from)
	from := p.done
	err := readPart(ctx, p.cluster, topic, part, func(rec event.Record) error {
		fn(rec)
		p.done = from + rec.Offset + 1 - part.from
		p.report(rec.Offset)
		return nil
	})
	p.done = from + max(0, part.to-part.from)
	return err
}

// tell is scan's account for what the view reads by itself.
func (p *planner) tell(done, all int64) {
	p.done += done
	p.all += all
	p.report(p.done)
}

// reportEvery is after how many records progress is told.
const reportEvery = 1000

func (p *planner) report(at int64) {
	if p.progress != nil && at%reportEvery == 0 {
		p.progress(p.done, p.all)
	}
}

// weigh counts what an event that is copied costs and does.
func (p *planner) weigh(e *event.Event, workspace string) {
	t, op := p.tallies[workspace], e.Op.String()
	if e.Solo {
		t.alone++
	} else {
		t.together++
	}
	p.plan.Operations[op]++
	if elsewhere(p.view.stream, p.plan.Selection, e.Source.Partition) {
		return // nothing of it was delivered there before
	}
	switch effectOf(e.Op) {
	case absorbed:
		p.plan.Absorbed++
	case doubles:
		p.plan.MayDouble++
		p.plan.Doubles[op]++
	case repeats:
	}
}

// effect is what a second delivery of an operation does.
type effect uint8

const (
	repeats  effect = iota // the same once more: nothing changes
	absorbed               // it carries an id, by which the destination drops it
	doubles                // it takes effect again
)

func effectOf(op event.Op) effect {
	switch op {
	case event.OpEvent, event.OpPage, event.OpScreen, event.OpInvite:
		return absorbed
	case event.OpSend, event.OpDeliveryEvent, event.OpFormSubmit, event.OpMetrics, event.OpPushEvent:
		return doubles
	default:
		return repeats
	}
}

func (d *Desk) streamOf(s Selection) Stream {
	stream, _ := d.deps.stream(s.Stream)
	return stream
}

// Each calls fn for each record that a plan would copy, as it stands on the live
// topic, each shard in its order, and copies nothing: for a rehearsal. It returns
// fn's first error.
func (d *Desk) Each(ctx context.Context, p Plan, fn func(event.Record) error) error {
	v, err := newView(d.deps, p.Selection, p.Target, p.Ranges)
	if err != nil {
		return err
	}
	c, end, err := d.deps.connect()
	if err != nil {
		return err
	}
	defer end()
	if err := v.dig(ctx, c, p.Since, nil); err != nil {
		return err
	}
	var e event.Event
	for _, number := range v.numbers() {
		part := stretch{number, v.ranges[number].From, v.ranges[number].To}
		err := readPart(ctx, c, v.stream.Topic, part, func(r event.Record) error {
			v.load(&e, r)
			if !v.keeps(&e) || v.judge(&e) != copied {
				return nil
			}
			return fn(r)
		})
		if err != nil {
			return fmt.Errorf("rehearse: %w", err)
		}
	}
	return nil
}
