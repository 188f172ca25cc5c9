package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline"
	"sluice/pipeline/config"
	"sluice/pipeline/event"
	"sluice/pipeline/rules"
	"sluice/sink/budget"
	"sluice/sink/simulator"
)

// stage is a workspace whose part a simulator plays.
type stage struct {
	workspace config.Workspace // pointed at the simulator
	own       *simulator.Simulator
	direct    *pipeline.Direct
	before    simulator.WorkspaceStats
	began     time.Time
	stop      context.CancelFunc // ends our own simulator
	serving   sync.WaitGroup
	rejected  *rejections
}

// headerStood is what tells a rejected event's place; it is seen by nobody else.
const headerStood = "rehearsed-source"

// rehearsalPatience is how long a simulator may take nothing before a rehearsal
// is given up.
const rehearsalPatience = 30 * time.Second

// newStage makes a workspace's sink ask the simulator at url, or one of its own
// when url is empty. Its own has no limit and is asked without a budget: what
// arrives is the question, not when.
func newStage(ctx context.Context, w config.Workspace, url string, log *zap.Logger) (*stage, error) {
	if w.Kind != config.Customerio {
		return nil, usage(fmt.Errorf("workspace %s is a %s, and a simulator plays Customer.io alone; rehearse the other workspaces with --workspace NAME", w.Name, w.Kind))
	}
	s := &stage{workspace: w, rejected: newRejections(), stop: func() {}}
	if url == "" {
		w.Budget = budget.Config{}
		var err error
		if url, err = s.simulate(ctx, log); err != nil {
			return nil, err
		}
	}
	w.Customerio.BaseURL, w.Customerio.HTTP.Proxy = url, ""
	s.workspace = w
	var err error
	if s.before, err = s.stats(ctx); err != nil {
		s.close()
		return nil, err
	}
	made, err := newSink(w, log)
	if err != nil {
		s.close()
		return nil, usage(fmt.Errorf("workspace %s: %w", w.Name, err))
	}
	direct := pipeline.DefaultDirectConfig()
	w.Rules = rules.Config{} // a rehearsal tells what would arrive, not when
	direct.Workspace, direct.GiveUpAfter, direct.Log = pipelineWorkspace(w, made), rehearsalPatience, log
	direct.DeadLetter = s.rejected.add
	if s.direct, err = pipeline.NewDirect(direct); err != nil {
		s.close()
		return nil, err
	}
	s.began = time.Now()
	return s, nil
}

// simulate serves a simulator for this workspace alone, on this machine.
func (s *stage) simulate(ctx context.Context, log *zap.Logger) (url string, err error) {
	cfg := simulator.DefaultConfig()
	cfg.Region = s.workspace.Region
	if s.own, err = simulator.New(cfg, log); err != nil {
		return "", err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen for a simulator: %w", err)
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.serving.Go(func() { _ = s.own.Serve(serving, listener) }) // requests that it fails to answer say so themselves
	return "http://" + listener.Addr().String(), nil
}

// send gives one record to the stage, with the id that its event has for real.
func (s *stage) send(ctx context.Context, r event.Record, cluster string) error {
	var e event.Event
	e.Load(r, cluster)
	e.PrepareEntity()
	stood := event.Source{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
	r.Headers = append(slices.Clone(r.Headers),
		event.Header{Key: event.HeaderID, Value: []byte(e.EventID().String())},
		event.Header{Key: headerStood, Value: []byte(stood.String())})
	r.Offset = 0 // the next place: those of several shards are no sequence
	return s.direct.Send(ctx, r)
}

// finish waits for what was sent and sums up.
func (s *stage) finish(ctx context.Context) (rehearsed, error) {
	report, err := s.direct.Close(ctx)
	r := rehearsed{
		Workspace: s.workspace.Name, Events: report.Read, Rejected: report.Failed, Unsettled: report.Left + report.GivenUp,
		Seconds: time.Since(s.began).Seconds(), Rejections: s.rejected.list(),
	}
	if errors.Is(err, pipeline.ErrRefused) {
		err = fmt.Errorf("the simulator refuses workspace %s: does it take its site_id and api_key (sluice simulate --key SITE:KEY), and play its region? (%w)", s.workspace.Name, err)
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), statsTime)
	defer cancel()
	after, asked := s.stats(asking)
	if asked == nil {
		r.Requests, r.Effects = after.Requests-s.before.Requests, after.Effects-s.before.Effects
		r.Repeats, r.Ignored = after.Repeats-s.before.Repeats, after.Ignored-s.before.Ignored
		r.People = after.People - s.before.People
	}
	return r, errors.Join(err, asked)
}

// close ends our own simulator. The direct is to be closed first.
func (s *stage) close() {
	s.stop()
	s.serving.Wait()
}

// statsTime bounds the wait for what a simulator counted.
const statsTime = 10 * time.Second

// stats asks the simulator what it counted of the workspace. Whoever answers
// this is a simulator: a real account never does, and gets no event.
func (s *stage) stats(ctx context.Context) (simulator.WorkspaceStats, error) {
	var all simulator.Stats
	url := s.workspace.Customerio.BaseURL
	if s.own != nil {
		all = s.own.Stats()
		return all.Workspaces[s.workspace.Customerio.SiteID], nil
	}
	asking, cancel := context.WithTimeout(ctx, statsTime)
	defer cancel()
	request, err := http.NewRequestWithContext(asking, http.MethodGet, url+"/_sim/stats", http.NoBody)
	if err != nil {
		return simulator.WorkspaceStats{}, fmt.Errorf("ask the simulator: %w", err)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		if how := partition.Contact(err); how != "" {
			return simulator.WorkspaceStats{}, fmt.Errorf("no simulator at %s: %s\nnothing was sent; start one with sluice simulate, or leave the address out: --to simulator", url, how)
		}
		return simulator.WorkspaceStats{}, fmt.Errorf("ask the simulator: %w; start one with sluice simulate, or leave the address out: --to simulator", err)
	}
	defer func() { _ = response.Body.Close() }()
	const longest = 16 << 20
	err = json.NewDecoder(io.LimitReader(response.Body, longest)).Decode(&all)
	if response.StatusCode != http.StatusOK || err != nil || all.Region == "" {
		return simulator.WorkspaceStats{}, usage(fmt.Errorf("%s is no simulator: %s/_sim/stats answers %s\nnothing was sent to it; start one with sluice simulate, or leave the address out: --to simulator", url, url, response.Status))
	}
	return all.Workspaces[s.workspace.Customerio.SiteID], nil
}
