package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"sluice/pipeline/deadletters"
)

func deadExportCommand(sh *shell) *cobra.Command {
	var f letterFlags
	var to string
	var payload bool
	cmd := &cobra.Command{
		Use:   "export STREAM",
		Short: "Write dead letters as NDJSON, masked, or as events that produce reads again",
		Long: `Write the dead letters that nobody has handled as NDJSON, each user's in order: to
standard output, or to a new file with --to. They stay as they are.

Without --payload a line is a letter as show -o json has it: place, id, user, reason and
the rest, its payload and credentials masked. With --payload a line is the event
itself, as sluice produce reads it, with its id and timestamp where an entity has them:
mend the lines, produce the file, then drop the letters. Other headers (class,
deliver_at, spread) are not in it, and what no line can say is left out and counted: use
redrive for those.

` + filterHelp + `

Exit codes: 0 done, 1 failed, 3 some letters were left out.`,
		Example: `  sluice dead export events-us --since 1d > letters.ndjson
  sluice dead export events-us --reason rejected --payload --to mend.ndjson
  sluice produce events-us mend.ndjson && sluice dead drop events-us --reason rejected`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: sh.streamNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.deadExport(cmd.Context(), args[0], to, payload, f)
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&to, "to", "", "write to `FILE`, which must not exist yet")
	cmd.Flags().BoolVar(&payload, "payload", false, "write the events themselves")
	return cmd
}

// deadExported is the result of dead export.
type deadExported struct {
	Stream string `json:"stream"`
	File   string `json:"file,omitempty"`
	deadletters.Exported

	unknown string // of the filter, what nobody knows
	list    string // the command that lists all
}

func (sh *shell) deadExport(ctx context.Context, streamName, to string, payload bool, f letterFlags) error {
	filter, err := f.filter(time.Now())
	if err != nil {
		return err
	}
	box, err := sh.deadBox(ctx, streamName)
	if err != nil {
		return err
	}
	defer box.close()
	file, err := sh.exportTo(to)
	if err != nil {
		return err
	}
	result := deadExported{Stream: box.stream.Name, File: to}
	out := bufio.NewWriter(file)
	result.Exported, err = box.Export(ctx, filter, deadletters.Copy{Form: formOf(box.cfg, box.stream), Payload: payload}, out)
	if err := errors.Join(box.problem(err), out.Flush(), file.Close()); err != nil {
		return err
	}
	result.unknown, result.list = box.unknown(f.workspaces), box.list
	if err := sh.exportAnswer(result); err != nil || len(result.LeftOut) == 0 {
		return err
	}
	name := shellWord(box.stream.Name)
	return part(fmt.Errorf("some letters were left out and stay as they are: put them back with %s, or acknowledge them with %s",
		sh.withConfig("sluice dead redrive "+name), sh.withConfig("sluice dead drop "+name)))
}

// exportAnswer says how it ended: to a person on standard error when the lines
// went to standard output.
func (sh *shell) exportAnswer(result deadExported) error {
	if result.File == "" && sh.output != outputJSON {
		sh.answered = true
		result.text(sh.err)
		return nil
	}
	return sh.answer(result, result.text)
}

func (d deadExported) text(w io.Writer) {
	_, _ = fmt.Fprintf(w, "%s written", count(d.Written, "letter", "letters"))
	if d.File != "" {
		_, _ = fmt.Fprintf(w, " to %s", d.File)
	}
	if d.Masked && d.Written > 0 {
		_, _ = fmt.Fprint(w, ", masked (--payload writes the events themselves)")
	}
	_, _ = fmt.Fprintln(w)
	if d.Written == 0 && len(d.LeftOut) == 0 {
		noneChosen(w, d.unknown, d.list)
	}
	if d.Mend > 0 {
		_, _ = fmt.Fprintf(w, "%d of them must be mended before produce takes them\n", d.Mend)
	}
	for _, left := range d.LeftOut {
		_, _ = fmt.Fprintf(w, "%d left out: %s\n", left.Letters, left.Name)
	}
}

// unclosed keeps standard output open.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// exportTo is where the lines go: what is in them is for one pair of eyes.
func (sh *shell) exportTo(path string) (io.WriteCloser, error) {
	if path == "" {
		return unclosed{sh.out}, nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the user names it
	if errors.Is(err, os.ErrExist) {
		return nil, usage(fmt.Errorf("%s exists already and stays as it is; name another with --to", path))
	}
	if err != nil {
		return nil, fmt.Errorf("write the export: %w", err)
	}
	return file, nil
}
