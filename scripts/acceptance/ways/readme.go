package ways

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// readme is the project's README as a newcomer reads it.
type readme struct{ sections map[string]string } // by title

func readReadme(root string) (readme, error) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		return readme{}, fmt.Errorf("read the README: %w", err)
	}
	return parseReadme(string(text)), nil
}

func parseReadme(text string) readme {
	r := readme{sections: map[string]string{}}
	for part := range strings.SplitSeq("\n"+text, "\n## ") {
		title, body, _ := strings.Cut(part, "\n")
		r.sections[strings.TrimSpace(title)] = body
	}
	return r
}

// block is a fenced piece of code.
type block struct{ language, text string }

// blocks are a section's fenced pieces of code, without their indentation.
func (r readme) blocks(title string) []block {
	var all []block
	var open *block
	indent := ""
	for line := range strings.Lines(r.sections[title]) {
		trimmed := strings.TrimSpace(line)
		fence := strings.HasPrefix(trimmed, "```")
		switch {
		case fence && open == nil:
			indent = line[:strings.Index(line, "```")]
			open = &block{language: strings.TrimPrefix(trimmed, "```")}
		case fence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += strings.TrimPrefix(line, indent)
		}
	}
	return all
}

var span = regexp.MustCompile("`([^`]+)`")

// commands are what a section tells one to type: lines of code, and code in a
// sentence, that begin with a program that a newcomer has. A comment behind a
// command is none of it.
func (r readme) commands(title string) []string {
	var commands []string
	add := func(text string) {
		command, _, _ := strings.Cut(strings.Join(strings.Fields(text), " "), " #")
		for _, program := range []string{"make", "go", "source", "./sluice", "sluice"} {
			if (command == program || strings.HasPrefix(command, program+" ")) && !slices.Contains(commands, command) {
				commands = append(commands, command)
			}
		}
	}
	fenced := false
	var prose strings.Builder
	for line := range strings.Lines(r.sections[title]) {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		fenced = fenced != fence
		switch {
		case fence:
		case fenced || strings.HasPrefix(line, "    "):
			add(line)
		default:
			prose.WriteString(line)
		}
	}
	for _, m := range span.FindAllStringSubmatch(prose.String(), -1) {
		add(m[1])
	}
	return commands
}
