package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"go.uber.org/zap/zapcore"

	"sluice/partition"
	"sluice/pipeline/event"
)

// mostRehearsed bounds what a simulator of our own takes: it keeps all that
// arrives in memory.
const mostRehearsed = 1_000_000

// rehearsal is the result of a replay that a simulator took.
type rehearsal struct {
	Plan       replayPlan  `json:"plan"`
	Simulator  string      `json:"simulator,omitempty"` // empty: one of our own
	Events     int64       `json:"events"`
	Requests   int64       `json:"requests"`
	People     int         `json:"people"`
	Rejected   int64       `json:"rejected"`
	Unsettled  int64       `json:"unsettled"`
	Seconds    float64     `json:"seconds"`
	Workspaces []rehearsed `json:"workspaces"`

	next string // the command that does it for real
}

// rehearse gives what a plan selects to simulators.
func (sh *shell) rehearse(ctx context.Context, d replays, plan replayPlan) (rehearsal, error) {
	url := plan.to.url
	r := rehearsal{Plan: plan, Simulator: url}
	if url == "" && plan.Selected > mostRehearsed {
		return r, fmt.Errorf("a rehearsal keeps all that arrives in memory: %d events at most, and this window has %d\n"+
			"nothing was sent; narrow it, or rehearse at one that runs elsewhere: --to simulator:http://HOST:8090", mostRehearsed, plan.Selected)
	}
	cluster, err := clusterID(ctx, d.cfg.Kafka)
	if err != nil {
		return r, err
	}
	stages := map[int32]*stage{} // by partition
	var order []*stage
	defer func() {
		for _, s := range order {
			s.close()
		}
	}()
	began := time.Now()
	for _, part := range plan.Ranges {
		if part.Selected == 0 {
			continue
		}
		at := slices.IndexFunc(order, func(s *stage) bool { return s.workspace.Name == part.Workspace })
		if at < 0 {
			w, ok := d.cfg.Workspace(part.Workspace)
			if !ok {
				return r, fmt.Errorf("no workspace is named %q", part.Workspace)
			}
			s, err := newStage(ctx, w, url, sampled(sh.logger(zapcore.WarnLevel)))
			if err != nil {
				return r, err
			}
			at, order = len(order), append(order, s)
		}
		stages[part.Partition] = order[at]
	}
	line := sh.paced()
	sent := int64(0)
	err = d.Each(ctx, plan.Plan, func(record event.Record) error {
		sent++
		line.say(func() string { return fmt.Sprintf("%d of %d events are with the simulator", sent, plan.Selected) })
		s := stages[record.Partition]
		if s == nil { // it was not chosen when the plan was made
			return nil
		}
		return s.send(ctx, record, cluster)
	})
	line.end()
	for _, s := range order {
		one, closing := s.finish(ctx)
		r.add(one)
		err = errors.Join(err, closing)
	}
	if ctx.Err() != nil {
		err = errors.New("the rehearsal was stopped; no account was asked and no topic written")
	}
	r.Seconds = time.Since(began).Seconds()
	return r, err
}

func (r *rehearsal) add(one rehearsed) {
	r.Workspaces = append(r.Workspaces, one)
	r.Events += one.Events
	r.Requests += one.Requests
	r.People += one.People
	r.Rejected += one.Rejected
	r.Unsettled += one.Unsettled
}

// clusterID asks for what the ids of events that carry none are made of.
func clusterID(ctx context.Context, cfg partition.Config) (id string, err error) {
	err = ask(ctx, cfg, askTime, func(ctx context.Context, a *partition.Admin) error {
		cluster, err := a.Cluster(ctx)
		id = cluster.ID
		return err
	})
	return id, err
}

func (r rehearsal) text(w io.Writer) {
	place := "a simulator of its own, which began empty"
	if r.Simulator != "" {
		place = "the simulator at " + r.Simulator
	}
	_, _ = fmt.Fprintf(w, "rehearsed at %s: no account was asked and no topic written\n\n", place)
	_, _ = fmt.Fprintf(w, "%s arrived in %s, of %s, in %s\n", count(int(r.Events), "event", "events"), count(int(r.Requests), "request", "requests"),
		count(r.People, "new person", "new people"), inWords(&r.Seconds))
	table(w, func(row func(string, ...any)) {
		row("WORKSPACE\tEVENTS\tREQUESTS\tTOOK EFFECT\tREPEATS\tIGNORED\tPEOPLE\tREJECTED\tFOR REAL")
		for _, one := range r.Workspaces {
			row("%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s", one.Workspace, one.Events, one.Requests, one.Effects, one.Repeats, one.Ignored, one.People,
				one.Rejected, r.forReal(one.Workspace))
		}
	})
	r.rejections(w)
	if r.Unsettled > 0 {
		_, _ = fmt.Fprintf(w, "\n! %s not settled when it ended: the simulator is down or too slow\n", count(int(r.Unsettled), "event was", "events were"))
	}
	if r.next != "" {
		_, _ = fmt.Fprintf(w, "\nto do it: %s\n", visible(r.next))
	}
}

// forReal is how long the plan expects it to take at the workspace.
func (r rehearsal) forReal(workspace string) string {
	for _, share := range r.Plan.Shares {
		if share.Workspace == workspace {
			return inWords(share.Seconds)
		}
	}
	return "-"
}

// rejections says why events would be dead letters.
func (r rehearsal) rejections(w io.Writer) {
	if r.Rejected == 0 {
		return
	}
	_, _ = fmt.Fprintf(w, "\n%s be dead letters for real:\n", count(int(r.Rejected), "of them would", "of them would"))
	table(w, func(row func(string, ...any)) {
		row("EVENTS\tSTATUS\tREASON\tDETAIL\tONE OF THEM")
		for _, one := range r.Workspaces {
			for _, x := range one.Rejections {
				row("%d\t%d\t%s\t%s\t%s", x.Events, x.Status, visible(x.Reason), orDash(visible(clipped(x.Detail))), visible(x.First))
			}
		}
	})
}

// verdict is what the command's exit code says.
func (r rehearsal) verdict() error {
	if r.Rejected > 0 {
		return verdict(exitPart, "%d of %d events would be dead letters", r.Rejected, r.Events)
	}
	return nil
}
