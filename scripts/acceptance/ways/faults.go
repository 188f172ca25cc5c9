package ways

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// fault is what `sluice config check -o json` says of one mistake.
type fault struct {
	Line   int    `json:"line"`
	Path   string `json:"path"`
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// wrongConfigs gives the binary every wrong file: each is refused at its line,
// by its key, with a remedy, for a program and for a person.
func (w ways) wrongConfigs(ctx context.Context, r *suite.Result) error {
	right, err := w.write(rightFile)
	if err != nil {
		return err
	}
	o, _, err := w.judge(ctx, right)
	if err != nil || o.Code != 0 {
		return errors.Join(err, fmt.Errorf("the right file is refused with code %d: %s", o.Code, strings.TrimSpace(o.Err)))
	}
	wrongs := wrongFiles()
	told := 0
	for _, mistake := range wrongs {
		text, line := mistake.file(rightFile)
		file, err := w.write(text)
		if err != nil {
			return err
		}
		o, faults, err := w.judge(ctx, file)
		if err != nil {
			return fmt.Errorf("%s: %w", mistake.name, err)
		}
		if why := mistake.missed(o, faults, line); why != "" {
			r.Holds(mistake.name, false, why, fmt.Sprintf("line %d, %s, … %s", line, mistake.path, mistake.remedy))
			continue
		}
		told++
	}
	r.AtLeast("wrong files", float64(len(wrongs)), 30, "")
	r.Equal("told by line, key and remedy", int64(told), int64(len(wrongs)))
	return nil
}

// write writes a configuration of this text to a file of its own.
func (w ways) write(text string) (string, error) {
	path := w.rig.Path(w.rig.Name("config") + ".yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write a configuration: %w", err)
	}
	return path, nil
}

// sluice runs the binary with the secrets of the files here in its environment.
func (w ways) sluice(ctx context.Context, args ...string) (rig.Outcome, error) {
	binary, err := w.rig.Sluice()
	if err != nil {
		return rig.Outcome{}, err
	}
	return rig.Try(ctx, rig.Call{Dir: w.rig.Dir, Env: secretEnv(), Args: append([]string{binary}, args...)})
}

// judge runs config check on a file, for a program and for a person, whose
// words are in the outcome.
func (w ways) judge(ctx context.Context, file string) (rig.Outcome, []fault, error) {
	forPerson, err := w.sluice(ctx, "config", "check", "-c", file)
	if err != nil {
		return forPerson, nil, err
	}
	forProgram, err := w.sluice(ctx, "config", "check", "-c", file, "-o", "json")
	if err != nil {
		return forPerson, nil, err
	}
	if forProgram.Code != forPerson.Code {
		return forPerson, nil, fmt.Errorf("code %d for a person, %d for a program", forPerson.Code, forProgram.Code)
	}
	var report struct {
		Faults []fault `json:"faults"`
	}
	err = rig.LastObject(forProgram.Out, &report)
	return forPerson, report.Faults, err
}

// missed says what is amiss with the answer to a mistake, or nothing. A mistake
// may have a second consequence that is told too, not a heap of them.
func (w wrong) missed(o rig.Outcome, faults []fault, line int) string {
	at := slices.IndexFunc(faults, func(f fault) bool { return f.Line == line && f.Path == w.path })
	switch {
	case o.Code != 2:
		return fmt.Sprintf("code %d", o.Code)
	case at < 0:
		return fmt.Sprintf("%+v", faults)
	case !strings.Contains(faults[at].Remedy, w.remedy) || faults[at].Remedy == "":
		return fmt.Sprintf("%s; remedy %q", faults[at].What, faults[at].Remedy)
	case len(faults) > 2:
		return fmt.Sprintf("%d faults: %+v", len(faults), faults)
	case !strings.Contains(o.Err, fmt.Sprintf(".yaml:%d:", line)) || !strings.Contains(o.Err, w.path+": "+faults[at].What) || !strings.Contains(o.Err, faults[at].Remedy):
		return "told to a person: " + strings.TrimSpace(o.Err)
	}
	return ""
}

// allFaults puts mistakes that do not hide each other into one file: one run of
// any command tells them all, in the file's order.
func (w ways) allFaults(ctx context.Context, r *suite.Result) error {
	text, paths := manyMistakes()
	file, err := w.write(text)
	if err != nil {
		return err
	}
	o, faults, err := w.judge(ctx, file)
	if err != nil {
		return err
	}
	untold := slices.DeleteFunc(paths, func(path string) bool {
		return slices.ContainsFunc(faults, func(f fault) bool { return f.Path == path })
	})
	r.Equal("exit code", int64(o.Code), 2)
	r.AtLeast("faults told at once", float64(len(faults)), 15, "")
	r.Holds("untold", len(untold) == 0, strings.Join(untold, " "), "none")
	r.Holds("in the file's order", slices.IsSortedFunc(faults, func(a, b fault) int { return a.Line - b.Line }), "lines rise", "lines rise")
	same := 0
	commands := [][]string{{"run"}, {"topics", "apply"}, {"produce", "events", "-"}, {"route", "events", "42"}}
	for _, args := range commands {
		other, err := w.sluice(ctx, append(args, "-c", file)...)
		if err != nil {
			return err
		}
		if other.Code == o.Code && other.Err == o.Err {
			same++
		}
	}
	r.Equal("other commands that say the same", int64(same), int64(len(commands)))
	return nil
}

// manyMistakes is the right file with as many mistakes as fit together, and the
// paths of their keys.
func manyMistakes() (text string, paths []string) {
	text = rightFile
	touched := map[string]bool{}
	for _, w := range wrongFiles() {
		// What takes a line away, or is blamed on another, could hide behind the others.
		if touched[w.line] || w.with == "" || w.at != "" || w.path == "" || w.hides {
			continue
		}
		touched[w.line] = true
		text, _ = w.file(text)
		paths = append(paths, w.path)
	}
	return text, paths
}
