package main

import (
	"errors"
	"fmt"
	"io"

	"sluice/partition"
	"sluice/pipeline/config"
)

// resetReport is the result of group reset. Its sums leave out shards that the
// broker refused.
type resetReport struct {
	Group      string       `json:"group"`
	Stream     string       `json:"stream"`
	To         string       `json:"to"`
	DryRun     bool         `json:"dry_run"`
	Refused    string       `json:"refused,omitempty"` // why it cannot be carried out
	Again      int64        `json:"again"`             // settled events that are sent once more
	Skipped    int64        `json:"skipped"`           // unsettled events that are never sent
	Unknown    int64        `json:"unknown"`           // events that are sent, of which nothing tells whether they were before
	Changed    int          `json:"changed"`           // shards
	tierCounts              // events of these shards on their other tiers, which do not move
	Shards     []resetShard `json:"shards"`

	sinks map[config.Kind]bool // to which the shards' events go
}

// resetShard is one shard's part of a reset.
type resetShard struct {
	Partition int32  `json:"partition"`
	Workspace string `json:"workspace"`
	From      *int64 `json:"from"` // null: nothing is committed
	To        int64  `json:"to"`
	Start     int64  `json:"log_start"`
	End       int64  `json:"log_end"`
	Again     int64  `json:"again"`
	Skipped   int64  `json:"skipped"`
	Unknown   int64  `json:"unknown"`
	Gone      int64  `json:"gone"` // unsettled events that retention has deleted already
	Changes   bool   `json:"changes"`
	Error     string `json:"error,omitempty"` // of the broker: it is as it was
}

func newResetReport(cfg config.Config, stream config.Stream, state partition.GroupState, moves []partition.Move) resetReport {
	r := resetReport{Group: state.Name, Stream: stream.Name, sinks: map[config.Kind]bool{}}
	for _, m := range moves {
		one := resetShard{
			Partition: m.Partition, To: m.To, Start: m.Start, End: m.End,
			Again: m.Again, Skipped: m.Skipped, Unknown: m.Unknown, Gone: m.Gone(), Changes: m.Changes(),
		}
		if m.Watermark >= 0 {
			one.From = &m.Watermark
		}
		one.Workspace, _ = stream.Route(m.Partition)
		if w, ok := cfg.Workspace(one.Workspace); ok {
			r.sinks[w.Kind] = true
		}
		r.Shards = append(r.Shards, one)
	}
	if len(state.Members) > 0 {
		r.Refused = refusal(state)
	}
	r.sum()
	return r
}

// leave counts what is on the shards' other tiers: it stays as it is.
func (r *resetReport) leave(stream config.Stream, lags []partition.ShardLag) {
	moved := map[int32]bool{}
	for _, s := range r.Shards {
		moved[s.Partition] = true
	}
	for _, l := range lags {
		if !moved[l.Partition] {
			continue
		}
		r.count(partition.TierOf(l.Topic, func(live string) bool { return live == stream.Topic }), l)
	}
}

// refusal says who keeps the group from being reset, and what to do.
func refusal(state partition.GroupState) string {
	names := make([]string, len(state.Members))
	for i, m := range state.Members {
		one := memberOf(m, nil)
		names[i] = one.name() + " (" + one.Host + ")"
	}
	return fmt.Sprintf("group %s has %s, which alone may commit: %s\nstop all of them, wait until sluice group describe says Empty, "+
		"and reset again; one that only lost its machine is dropped when its session ends",
		state.Name, count(len(names), "member", "members"), few(names, 2))
}

func (r *resetReport) sum() {
	r.Again, r.Skipped, r.Unknown, r.Changed = 0, 0, 0, 0
	for _, s := range r.Shards {
		if s.Changes && s.Error == "" {
			r.Again += s.Again
			r.Skipped += s.Skipped
			r.Unknown += s.Unknown
			r.Changed++
		}
	}
}

// refuse notes which shards the broker did not set.
func (r *resetReport) refuse(refused map[int32]error) {
	for i := range r.Shards {
		if err := refused[r.Shards[i].Partition]; err != nil {
			r.Shards[i].Error = err.Error()
		}
	}
	r.sum()
}

func (r resetReport) failed() int {
	n := 0
	for _, s := range r.Shards {
		if s.Error != "" {
			n++
		}
	}
	return n
}

// verdict is what the command's exit code says.
func (r resetReport) verdict() error {
	failed := r.failed()
	switch {
	case r.Refused != "":
		return errors.New(r.Refused)
	case failed == 0:
		return nil
	case r.Changed == 0:
		return verdict(exitFailed, "no shard was reset")
	}
	return verdict(exitPart, "%d shards were not reset", failed)
}

// shownMoves bounds the shards that are listed as text.
const shownMoves = 100

func (r resetReport) text(w io.Writer) {
	var changing []resetShard
	for _, s := range r.Shards {
		if s.Changes {
			changing = append(changing, s)
		}
	}
	if len(changing) == 0 {
		_, _ = fmt.Fprintf(w, "%s of %s: all stand there already; there is nothing to change\n", count(len(r.Shards), "shard", "shards"), r.Stream)
		return
	}
	shown := bounded(changing, shownMoves)
	table(w, func(row func(string, ...any)) {
		row("SHARD\tWORKSPACE\tLOG\tFROM\tTO\tAGAIN\tSKIPPED\t")
		for _, s := range shown {
			row("%s\t%s\t%d-%d\t%s\t%d\t%s\t%d\t%s", partition.ShardID{Stream: r.Stream, Partition: s.Partition}, orDash(s.Workspace),
				s.Start, s.End, s.from(), s.To, s.again(), s.Skipped, s.remark())
		}
	})
	if n := len(changing) - len(shown); n > 0 {
		_, _ = fmt.Fprintf(w, "… and %s; -o json has all\n", count(n, "more shard", "more shards"))
	}
	if n := len(r.Shards) - len(changing); n > 0 {
		_, _ = fmt.Fprintf(w, "%s already there\n", count(n, "shard stands", "shards stand"))
	}
	_, _ = fmt.Fprintln(w)
	r.meaning(w)
	switch {
	case r.Refused != "":
		_, _ = fmt.Fprintln(w, "nothing was changed: it is refused while the group has members")
	case r.DryRun:
		_, _ = fmt.Fprintln(w, "nothing was changed: this is the plan; add --yes to carry it out")
	default:
		_, _ = fmt.Fprintf(w, "%s of group %s reset; the next members begin there\n", count(r.Changed, "shard", "shards"), r.Group)
		if n := r.failed(); n > 0 {
			_, _ = fmt.Fprintf(w, "%s not set and as before; the same command may be repeated\n", count(n, "shard is", "shards are"))
		}
	}
}

// meaning says what the numbers come to at the destinations.
func (r resetReport) meaning(w io.Writer) {
	if r.Skipped > 0 {
		_, _ = fmt.Fprintf(w, "skipped: %d events never reach their destination\n  unless the group is reset back before the topic's retention deletes them\n", r.Skipped)
	}
	if r.Again > 0 {
		_, _ = fmt.Fprintf(w, "again: %d settled events are sent once more\n  %s\n", r.Again, r.twice())
	}
	if r.Unknown > 0 {
		_, _ = fmt.Fprintf(w, "unknown: %d events are sent, and nothing tells whether they were before: the group has no watermark there\n  %s\n", r.Unknown, r.twice())
	}
	if r.Again+r.Skipped+r.Unknown == 0 {
		_, _ = fmt.Fprintln(w, "no event is sent again and none is skipped")
	}
	_, _ = fmt.Fprintln(w, r.remain())
}

// remain says what the reset leaves as it is.
func (r resetReport) remain() string {
	words := r.words()
	if len(words) == 0 {
		return "only the live tier moves; nothing waits on the others"
	}
	text := "only the live tier moves: " + listing(words) + " stay, and are delivered all the same"
	if r.Again > 0 {
		text += "\n  one of them that is sent again as well comes twice"
	}
	stream := shellWord(r.Stream)
	if r.Held > 0 {
		text += "\n  who is held: sluice group describe --held --stream " + stream
	}
	if r.Overflow > 0 {
		text += "\n  who is on overflow: sluice group describe --overflow --stream " + stream
	}
	if r.Deferred+r.Late > 0 {
		text += "\n  what is deferred: sluice deferred ls " + stream
	}
	return text
}

// twice says what happens to an event that has been there before.
func (r resetReport) twice() string {
	text := ""
	if r.sinks[config.Customerio] {
		text = "Customer.io drops events, pages and screens by their id and carries out the rest twice (identifies, deletes, merges)"
	}
	if r.sinks[config.Webhook] {
		if text != "" {
			text += "\n  "
		}
		text += "a webhook takes effect twice unless its receiver knows the ids"
	}
	if text == "" {
		return "they take effect twice unless the destination knows their ids"
	}
	return text
}

func (s resetShard) from() string {
	if s.From == nil {
		return "none"
	}
	return fmt.Sprint(*s.From)
}

func (s resetShard) again() string {
	if s.Unknown > 0 {
		return fmt.Sprintf("%d?", s.Unknown)
	}
	return fmt.Sprint(s.Again)
}

func (s resetShard) remark() string {
	switch {
	case s.Error != "":
		return "not set: " + s.Error
	case s.Gone > 0:
		return fmt.Sprintf("%d more were deleted by retention before they were delivered", s.Gone)
	}
	return ""
}
