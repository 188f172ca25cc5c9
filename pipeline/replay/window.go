package replay

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

// window is what a plan finds out before it reads.
type window struct {
	ranges    []Range
	ends      map[int32]int64 // of the live log
	waterline map[int32]int64 // first offset that is delivered anyway; the end for another workspace
	gone      []int32         // shards whose part of the window begins before the log does
	starts    map[int32]int64
}

// find says which offsets of which shards the selection means, the end of a
// window by time still open: it is known only once the records are read.
func (d *Desk) find(ctx context.Context, c Cluster, stream Stream, s Selection) (window, error) {
	w := window{ends: map[int32]int64{}, waterline: map[int32]int64{}, starts: map[int32]int64{}}
	lags, err := c.Lag(ctx, d.deps.Group, stream.Topic)
	if err != nil {
		return w, err
	}
	if len(lags) == 0 {
		return w, refuse("create it with sluice topics apply", "the topic %s does not exist", stream.Topic)
	}
	first := map[int32]int64{}
	if !s.From.IsZero() {
		if first, err = c.OffsetsAt(ctx, stream.Topic, s.From); err != nil {
			return w, err
		}
	}
	chosen := map[int32]bool{}
	for _, l := range lags {
		w.starts[l.Partition], w.ends[l.Partition] = l.Start, l.End
		w.waterline[l.Partition] = l.Next()
		if elsewhere(stream, s, l.Partition) {
			w.waterline[l.Partition] = l.End
		}
		workspace := stream.workspace(l.Partition)
		if workspace == "" || (s.Workspace != "" && s.Workspace != workspace) || (len(s.Shards) > 0 && !slices.Contains(s.Shards, l.Partition)) {
			continue
		}
		chosen[l.Partition] = true
		if elsewhere(stream, s, l.Partition) {
			workspace = s.Target
		}
		r := Range{Partition: l.Partition, From: l.Start, To: l.End, Workspace: workspace}
		if !s.From.IsZero() {
			r.From = first[l.Partition]
			if lacks(l, r.From) {
				w.gone = append(w.gone, l.Partition)
			}
		}
		if s.byOffset() {
			w.gone = append(w.gone, byOffset(&r, s, l)...)
		}
		w.ranges = append(w.ranges, r)
	}
	for _, number := range s.Shards {
		if !chosen[number] {
			return w, refuse("name shards of the stream", "the stream %s has no shard %d%s", stream.Name, number, ofWorkspace(s.Workspace))
		}
	}
	if len(w.ranges) == 0 {
		return w, refuse("name a workspace that the stream is routed to", "no shard of %s is routed to %q", stream.Name, s.Workspace)
	}
	return w, nil
}

func ofWorkspace(name string) string {
	if name == "" {
		return ""
	}
	return " that is routed to " + name
}

// lacks tells whether retention may have deleted records of a window by time: it
// begins with the first record that is left, though there were others. Where
// nothing is left nothing can be said, and nothing is lost to a plan.
func lacks(l partition.ShardLag, from int64) bool {
	return l.Start > 0 && from == l.Start && l.Start < l.End
}

// byOffset narrows a range to the offsets asked for, and returns its shard when
// the log begins after them.
func byOffset(r *Range, s Selection, l partition.ShardLag) (gone []int32) {
	if s.FromOffset >= 0 {
		r.From = min(max(s.FromOffset, l.Start), l.End)
		if s.FromOffset < l.Start {
			gone = []int32{l.Partition}
		}
	}
	if s.ToOffset >= 0 {
		r.To = max(r.From, min(s.ToOffset, l.End))
	}
	return gone
}

// refuseGone says what is left of a window that retention has cut.
func refuseGone(ctx context.Context, c Cluster, stream Stream, w window) error {
	var left []string
	for _, number := range w.gone {
		start := w.starts[number]
		text := "shard " + strconv.Itoa(int(number)) + " from offset " + strconv.FormatInt(start, 10)
		at := partition.Range{Topic: stream.Topic, Partition: number, From: start, To: start + 1}
		if start < w.ends[number] {
			err := c.Read(ctx, at, func(r event.Record) error {
				text += " (" + r.Time.UTC().Format(time.RFC3339) + ")"
				return nil
			})
			if err != nil {
				return fmt.Errorf("read the first record that is left: %w", err)
			}
		}
		left = append(left, text)
	}
	return refuse("begin later, or take the rest with --take-rest",
		"retention may have deleted the window's start; what is left of %s begins at: %s", stream.Name, listed(left, 5))
}

// listed joins the first few of a list.
func listed(all []string, most int) string {
	if len(all) > most {
		return strings.Join(all[:most], ", ") + fmt.Sprintf(", and %d more", len(all)-most)
	}
	return strings.Join(all, ", ")
}

// elsewhere tells whether the copies of a shard go to another workspace.
func elsewhere(stream Stream, s Selection, number int32) bool {
	return s.Target != "" && stream.workspace(number) != s.Target
}

// cutAt ends the ranges: after the last record that is old enough, and before
// what is not settled yet.
func (w *window) cutAt(last map[int32]int64, s Selection) (unsettled int64) {
	for i := range w.ranges {
		r := &w.ranges[i]
		if !s.byOffset() {
			r.To = max(r.From, last[r.Partition])
		}
		if line := max(r.From, w.waterline[r.Partition]); r.To > line {
			unsettled += r.To - line
			r.To = line
		}
	}
	return unsettled
}
