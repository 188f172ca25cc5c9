package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func manCommand(sh *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages of all commands",
		Long: `Write one manual page for each command, section 1, into a folder, which is made when
it is not there. The pages say what --help says.`,
		Example: `  sluice man /usr/local/share/man/man1
  sluice man pages && man pages/sluice-run.1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return sh.man(cmd.Root(), args[0]) },
	}
}

// manual is the result of man.
type manual struct {
	Dir   string   `json:"dir"`
	Pages []string `json:"pages"`
}

func (sh *shell) man(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // manual pages are for everybody
		return usage(fmt.Errorf("write manual pages: %w", err))
	}
	result := manual{Dir: dir}
	var write func(cmd *cobra.Command) error
	write = func(cmd *cobra.Command) error {
		var page bytes.Buffer
		writePage(&page, cmd)
		name := pageName(cmd) + ".1"
		if err := os.WriteFile(filepath.Join(dir, name), page.Bytes(), 0o644); err != nil { //nolint:gosec // the same
			return fmt.Errorf("write manual pages: %w", err)
		}
		result.Pages = append(result.Pages, name)
		for _, child := range cmd.Commands() {
			if child.IsAvailableCommand() {
				if err := write(child); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := write(root); err != nil {
		return err
	}
	return sh.answer(result, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%d pages are in %s\n", len(result.Pages), dir) })
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// writePage writes one page as roff.
func writePage(w io.Writer, cmd *cobra.Command) {
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	line(`.TH "%s" "1" "" "sluice" "sluice manual"`, strings.ToUpper(pageName(cmd)))
	line(".SH NAME\n%s \\- %s", pageName(cmd), roff(cmd.Short))
	line(".SH SYNOPSIS\n.B %s", roff(cmd.UseLine()))
	line(".SH DESCRIPTION\n.nf\n%s\n.fi", roff(cmd.Long))
	flags := func(title string, set *pflag.FlagSet) {
		if set.HasAvailableFlags() {
			line(".SH %s\n.nf\n%s\n.fi", title, roff(strings.TrimRight(set.FlagUsagesWrapped(90), "\n")))
		}
	}
	flags("OPTIONS", cmd.NonInheritedFlags())
	flags("OPTIONS OF EVERY COMMAND", cmd.InheritedFlags())
	line(".SH EXAMPLES\n.nf\n%s\n.fi", roff(cmd.Example))
	line(".SH EXIT STATUS\n%s", roff(exitCodes))
	var also []string
	if cmd.HasParent() {
		also = append(also, pageName(cmd.Parent()))
	}
	for _, child := range cmd.Commands() {
		if child.IsAvailableCommand() {
			also = append(also, pageName(child))
		}
	}
	for i := range also {
		also[i] = ".BR " + roff(also[i]) + " (1)"
	}
	line(".SH SEE ALSO\n%s", strings.Join(also, "\n"))
}

// roff escapes text: backslashes, hyphens that one may want to copy, and lines
// that would begin a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
