package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sluice/pipeline/deadletters"
)

func deadShowCommand(sh *shell) *cobra.Command {
	var payload bool
	cmd := &cobra.Command{
		Use:   "show STREAM ID|PARTITION/OFFSET",
		Short: "Show one dead letter: why it died, its headers, and what became of it",
		Long: `Show one dead letter: why, when and where its event died, all its headers, and whether
somebody has handled it. A letter is named by its place in the dead topic, or by its
event's id; an event that died more than once is shown as it died last.

The payload is masked: of the members that every payload shares the names are shown,
everything else is ***. Headers that by their name are credentials are masked too.
--payload shows both as they are: mind who looks over your shoulder, and what keeps
the terminal's history.`,
		Example: `  sluice dead show events-us 7/1204
  sluice dead show events-us 01JD5ZC3W8F9N3V0Y5B6Q7R8ST
  sluice dead show events-us 7/1204 --payload -o json | jq .letter.payload`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: sh.streamNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.deadShow(cmd.Context(), args[0], args[1], payload)
		},
	}
	cmd.Flags().BoolVar(&payload, "payload", false, "show the payload and credentials as they are")
	return cmd
}

// deadShown is the result of dead show.
type deadShown struct {
	Stream string           `json:"stream"`
	Topic  string           `json:"topic"`
	Letter deadletters.View `json:"letter"`
	Fate   deadletters.Fate `json:"fate"`
	Others []string         `json:"others,omitempty"` // places of other letters of the same event
}

func (sh *shell) deadShow(ctx context.Context, streamName, name string, payload bool) error {
	number, offset, err := letterPlace(name)
	if err != nil {
		return err
	}
	box, err := sh.deadBox(ctx, streamName)
	if err != nil {
		return err
	}
	defer box.close()
	shown := deadShown{Stream: box.stream.Name, Topic: box.stream.DeadTopic()}
	sought := "at " + name
	if number < 0 {
		sought = "of event " + strings.ToUpper(name)
		found, err := box.Find(ctx, strings.ToUpper(name))
		if err != nil {
			return box.noLetter(err, sought)
		}
		last := found[len(found)-1]
		number, offset = last.Partition, last.Offset
		for _, l := range found[:len(found)-1] {
			shown.Others = append(shown.Others, l.Place())
		}
	}
	letter, fate, err := box.At(ctx, number, offset)
	if err != nil {
		return box.noLetter(err, sought)
	}
	shown.Letter, shown.Fate = letter.View(payload), fate
	return sh.answer(shown, shown.text)
}

// letterPlace reads a letter's place; a partition below 0 says that the name is
// an id.
func letterPlace(name string) (number int32, offset int64, err error) {
	before, after, placed := strings.Cut(name, "/")
	if !placed {
		const ulidLength = 26
		if len(name) != ulidLength {
			return 0, 0, usage(fmt.Errorf("%q names no letter: give its place, as 7/1204, or its event's id of 26 characters; sluice dead ls shows both", name))
		}
		return -1, 0, nil
	}
	partition, err := strconv.ParseUint(before, 10, 31)
	if err == nil {
		offset, err = strconv.ParseInt(after, 10, 64)
	}
	if err != nil || offset < 0 {
		return 0, 0, usage(fmt.Errorf("%q is no place: write it as PARTITION/OFFSET, as 7/1204", name))
	}
	return int32(partition), offset, nil
}

func (d deadShown) text(w io.Writer) {
	l := d.Letter
	table(w, func(row func(string, ...any)) {
		row("place\t%s %d/%d", d.Topic, l.Partition, l.Offset)
		row("event\t%s", l.ID)
		row("user\t%s", orDash(visible(l.User)))
		row("workspace\t%s", visible(l.Workspace))
		row("reason\t%s", visible(l.Reason))
		if l.Detail != "" {
			row("detail\t%s", visible(l.Detail))
		}
		row("verdict\t%s, status %d after %s", visible(l.Verdict), l.Status, count(l.Attempts, "try", "tries"))
		row("happened\t%s", stamp(l.Time))
		row("died\t%s", stamp(l.Died))
		row("source\t%s", visible(l.Source))
		row("now\t%s", d.Fate.State)
		if !d.Fate.At.IsZero() {
			row("\tby %s at %s%s", visible(d.Fate.By), stamp(d.Fate.At), because(d.Fate.Why))
		}
		if len(d.Others) > 0 {
			row("earlier\t%s", strings.Join(d.Others, ", "))
		}
	})
	_, _ = fmt.Fprintln(w, "\nheaders")
	table(w, func(row func(string, ...any)) {
		for _, h := range l.Headers {
			row("  %s\t%s", visible(h.Name), visible(h.Value))
		}
	})
	switch {
	case l.Payload == nil:
		_, _ = fmt.Fprintln(w, "\nno payload: the record's value is null, or was too large to be kept")
	case l.Masked:
		_, _ = fmt.Fprintf(w, "\npayload of %d bytes, masked (--payload shows it)\n  %s\n", l.Bytes, l.Payload)
	default:
		_, _ = fmt.Fprintf(w, "\npayload of %d bytes\n  %s\n", l.Bytes, visible(string(l.Payload)))
	}
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + visible(why)
}
