// Package chaos lets everything go wrong that may, drawn from a seed, while two
// workspaces are fed, and judges what became of every event: members, brokers,
// links and destinations fail, alone and together, and nothing may be lost, out
// of order or over budget, nor doubled beyond what the faults explain.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/scripts/acceptance/rig"
)

// Options are what a run is made of.
type Options struct {
	Seed    uint64
	Minutes float64   // of the timeline; the drain comes after it
	Log     io.Writer // told what happens, beside the journal in the rig's folder; may be nil
}

func (o Options) length() time.Duration {
	return time.Duration(o.Minutes * float64(time.Minute)).Round(time.Millisecond)
}

// Run plays one timeline on real parts and judges the run. That something did
// not hold is in the report; an error means that the run could not be carried
// out. What it started has ended when it returns, but for Kafka, which is the
// rig's and whole again.
func Run(ctx context.Context, r *rig.Rig, o Options) (report Report, err error) {
	if o.length() < Shortest {
		return report, fmt.Errorf("a run of %v has no room for faults: at least %v", o.length(), Shortest)
	}
	path := r.Path(r.Name(fmt.Sprintf("chaos-seed%d", o.Seed)) + ".log")
	file, err := os.Create(path)
	if err != nil {
		return report, fmt.Errorf("write the journal: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := io.Writer(file)
	if o.Log != nil {
		out = io.MultiWriter(file, o.Log)
	}
	faults := Timeline(o.Seed, o.length())
	fmt.Fprintf(out, "seed %d, %v\n", o.Seed, o.length())
	for _, f := range faults {
		fmt.Fprintf(out, "  %v\n", f)
	}
	log := &journal{out: out, began: time.Now()}
	s, err := newStage(ctx, r, o.Seed, log)
	defer func() { err = errors.Join(err, s.close()) }()
	if err == nil {
		report, err = s.run(ctx, faults, o.length())
	}
	report.Seed, report.Seconds, report.Log = o.Seed, o.length().Seconds(), path
	for _, breach := range report.Breaches {
		log.line("BREACH %s", breach)
	}
	if err != nil {
		log.line("%v", err)
		return report, fmt.Errorf("seed %d: %w", o.Seed, err)
	}
	return report, nil
}

// run plays the timeline and the calm after it, drains, and judges.
func (s *stage) run(ctx context.Context, faults []Fault, length time.Duration) (Report, error) {
	if err := s.flow(ctx); err != nil {
		return Report{}, err
	}
	beside, stop := context.WithCancel(ctx)
	defer stop()
	group, beside := errgroup.WithContext(beside)
	var samples [][]sample
	group.Go(func() error {
		samples = s.watch(beside)
		return nil
	})
	group.Go(func() error { return s.fleet.tend(beside) })
	began := time.Now()
	s.log.begin(began)
	spells, err := s.play(ctx, began, faults)
	if err == nil {
		err = s.calm(ctx, began, length)
	}
	var d drain
	if err == nil {
		d, err = s.drain(ctx)
	}
	stop()
	if err := errors.Join(err, group.Wait()); err != nil {
		return Report{}, err
	}
	if err := s.fleet.stop(); err != nil {
		return Report{}, err
	}
	if err := errors.Join(s.update(ctx), s.bury(ctx), s.keep(ctx)); err != nil {
		return Report{}, err
	}
	return s.judge(spells, samples, d)
}

// calm lets things run on without trouble until the length is over, and for as
// long as the timeline meant to when the faults took longer.
func (s *stage) calm(ctx context.Context, began time.Time, length time.Duration) error {
	if err := s.mend(ctx); err != nil {
		return err
	}
	s.log.line("calm")
	until := began.Add(length)
	if least := time.Now().Add(calm(length)); until.Before(least) {
		until = least
	}
	return rig.Pause(ctx, time.Until(until))
}

// judge reads the members' logs and makes the report.
func (s *stage) judge(spells []spell, samples [][]sample, d drain) (Report, error) {
	report := Report{Faults: map[string]int{}, Drained: d.took.Seconds(), Breaches: d.breaches, Overlapped: overlaps(spells)}
	kills := 0
	for _, spell := range spells {
		report.Faults[spell.Kind.String()]++
		if spell.Kind == Kill {
			kills++
		}
	}
	logs, err := readSent(s.fleet.members())
	if err != nil {
		return report, err
	}
	lost := losses(spells, s.fleet.left())
	for i, w := range workspaces() {
		book, log := s.books[w.name], logs[w.name]
		a := d.accounts[i]
		a.Workspace, a.Rate = w.name, w.rate
		a.Delivered, a.DeadLetters = int64(len(book.taken)), int64(len(book.letters))
		a.TwoWays, a.Duplicates = int64(len(book.twoWays())), book.Duplicates
		a.OrderBreaks, a.DoubleEffects = book.OrderBreaks, book.DoubleEffects
		a.Bound = w.bound(lost, book.firsts, log.unknown)
		a.Stall = stall(book.firsts, samples[i], a.DeadLetters, d.ended).Seconds()
		a.WorstSent, a.WorstArrived = busiest(log.moments), busiest(book.requests)
		a.Requests, a.Told = len(book.requests), len(log.moments)
		report.Workspaces = append(report.Workspaces, a)
		report.Breaches = append(report.Breaches, a.judge(w, kills)...)
		for _, text := range slices.Concat(book.breaks, book.faulty) {
			s.log.line("%s: %s", w.name, text)
		}
		if len(book.faulty) > 0 {
			report.Breaches = append(report.Breaches, fmt.Sprintf("%s: %s", w.name, book.faulty[0]))
		}
	}
	report.Breaches = append(report.Breaches, s.fleet.ended()...)
	return report, nil
}

// overlaps counts the pairs of faults that were there at the same time.
func overlaps(spells []spell) int {
	n := 0
	for i, a := range spells {
		for _, b := range spells[i+1:] {
			if a.from.Before(b.to) && b.from.Before(a.to) {
				n++
			}
		}
	}
	return n
}
