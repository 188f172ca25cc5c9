package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/pipeline/event"
	"sluice/pipeline/producer"
	"sluice/sink"
)

func rulesCommand(sh *shell) *cobra.Command {
	return group("rules", "See what the rules of workspaces do before they do it: classes, spread, deferral",
		rulesCheckCommand(sh), rulesSimulateCommand(sh))
}

// theStream is the stream of a name or, without one, the only one that there is.
func (sh *shell) theStream(cfg config.Config, name, flag string) (config.Stream, error) {
	names := make([]string, len(cfg.Streams))
	for i, s := range cfg.Streams {
		names[i] = s.Name
	}
	if name == "" && len(cfg.Streams) == 1 {
		return cfg.Streams[0], nil
	}
	if name == "" {
		return config.Stream{}, usage(fmt.Errorf("%s NAME is needed: %s has %s", flag, sh.configPath, strings.Join(names, ", ")))
	}
	stream, ok := cfg.Stream(name)
	if !ok {
		return stream, usage(fmt.Errorf("no stream is named %q; %s has %s", name, sh.configPath, strings.Join(names, ", ")))
	}
	return stream, nil
}

// fileStream gives the events of a file as members of a stream would have them,
// were they the first on its topic: each at its user's partition, prepared for
// the workspace that this leads to. Nobody is contacted.
type fileStream struct {
	stream config.Stream
	form   producer.Form
	sinks  map[string]sink.Sink // by workspace
	next   []int64              // offsets by partition
	spare  int32                // the partition of the next event without a user

	read, unread int   // lines
	first        error // what is wrong with the first of the unread ones
}

// rehearsedCluster stands for Kafka's cluster id in the ids of events.
const rehearsedCluster = "rehearsal"

func newFileStream(sh *shell, cfg config.Config, stream config.Stream) (*fileStream, error) {
	s := &fileStream{stream: stream, form: formOf(cfg, stream), sinks: map[string]sink.Sink{}, next: make([]int64, stream.Partitions)}
	for _, r := range stream.Routes {
		if s.sinks[r.Workspace] != nil {
			continue
		}
		w, _ := cfg.Workspace(r.Workspace)
		made, err := newSink(w, sh.logger(zapcore.WarnLevel))
		if err != nil {
			s.close()
			return nil, usage(fmt.Errorf("workspace %s: %w", w.Name, err))
		}
		s.sinks[r.Workspace] = made
	}
	return s, nil
}

func (s *fileStream) close() {
	for _, made := range s.sinks {
		made.Close()
	}
}

// each calls fn with the events of an input one by one: the workspace that takes
// it and the line that it stands on. The event of number n comes at that time.
func (s *fileStream) each(ctx context.Context, in producer.Input, when func(n int) time.Time, fn func(workspace string, line int, e *event.Event) error) error {
	converter := producer.NewConverter(s.form, false)
	for ctx.Err() == nil {
		line, err := in.Next()
		var faulty *producer.LineError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &faulty):
			s.fail(faulty)
			continue
		case err != nil:
			return fmt.Errorf("read the file: %w", err)
		}
		item, err := converter.Convert(line)
		if err != nil {
			s.fail(&producer.LineError{N: line.N, Number: line.Number, Err: err})
			continue
		}
		workspace, e := s.event(item.Record, when(s.read))
		s.read++
		if err := fn(workspace, line.Number, e); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

func (s *fileStream) fail(err error) {
	s.unread++
	if s.first == nil {
		s.first = err
	}
}

// event is that of a record which comes then.
func (s *fileStream) event(r event.Record, at time.Time) (workspace string, e *event.Event) {
	if r.Key != nil {
		r.Partition = partition.ShardOf(r.Key, s.stream.Partitions)
	} else {
		r.Partition = s.spare
		s.spare = (s.spare + 1) % s.stream.Partitions
	}
	r.Topic, r.Offset, r.Time = s.stream.Topic, s.next[r.Partition], at
	s.next[r.Partition]++
	e = new(event.Event)
	e.Load(r, rehearsedCluster)
	workspace, _ = s.stream.Route(r.Partition)
	if e.Fault == nil {
		s.sinks[workspace].Prepare(e)
	}
	return workspace, e
}

// unreadLines says what could not be read of a file; the rest was.
func (s *fileStream) unreadLines(path string) error {
	if s.unread == 0 {
		return nil
	}
	return part(fmt.Errorf("%s: %s left out, the first: %w", path, count(s.unread, "line that is no event is", "lines that are no events are"), s.first))
}
