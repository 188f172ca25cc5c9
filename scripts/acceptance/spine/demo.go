package spine

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// demo runs the first command of the README where nothing but Go is installed.
func (s spine) demo(ctx context.Context, r *suite.Result) error {
	tree, path, err := s.freshClone(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tree) }()
	out, err := rig.Command(ctx, tree, []string{"PATH=" + path}, "make", "run", "ARGS=-o json")
	if err != nil {
		return err
	}
	var v rig.Verdict
	if err := rig.LastObject(out, &v); err != nil {
		return err
	}
	r.AtLeast("read", float64(v.Read), 5_000, "")
	r.Equal("delivered + dead-lettered + dropped + in hand", v.Delivered+v.DeadLettered+v.Dropped+v.InHand, v.Read)
	r.Equal("lost", v.Lost, 0)
	r.Equal("duplicates", v.Duplicates, 0)
	r.Equal("double effects", v.DoubleEffects, 0)
	r.Equal("order breaks", v.OrderBreaks, 0)
	r.AtLeast("requests", float64(v.Requests), 1, "")
	r.AtLeast("seconds", v.Seconds, 0.001, "")
	out, err = rig.Command(ctx, tree, []string{"PATH=" + path}, "make", "run")
	if err != nil {
		return err
	}
	table := strings.ToLower(out)
	for _, word := range []string{"read", "delivered", "lost", "duplicates", "order", "events/s", "requests"} {
		if !strings.Contains(table, word) {
			r.Holds("the table for a person", false, "no "+word, "has it")
		}
	}
	return nil
}

// test is `make test`: in the fresh clone in the full form, else in this tree.
func (s spine) test(ctx context.Context, r *suite.Result) error {
	tree, env := s.rig.Root, []string(nil)
	if s.rig.Long {
		clone, path, err := s.freshClone(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(clone) }()
		tree, env = clone, []string{"PATH=" + path}
	}
	out, err := rig.Command(ctx, tree, env, "make", "test")
	ok, failed := 0, 0
	for line := range strings.Lines(out) {
		switch {
		case strings.HasPrefix(line, "ok "):
			ok++
		case strings.HasPrefix(line, "FAIL\t"), strings.HasPrefix(line, "--- FAIL"):
			failed++
		}
	}
	r.AtLeast("packages passed", float64(ok), 10, "")
	r.Equal("failed", int64(failed), 0)
	return err
}

// freshClone copies what git would give to someone who clones this tree as it
// stands, and a PATH on which there is Go and make, but no Java, no Maven and
// no C compiler.
func (s spine) freshClone(ctx context.Context) (tree, path string, err error) {
	tree, path = s.rig.Path(s.rig.Name("clone")), s.rig.Path(s.rig.Name("bin"))
	list, err := rig.Command(ctx, s.rig.Root, nil, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return "", "", fmt.Errorf("list the files of a clone: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(list, "\x00"), "\x00") {
		if err := copyFile(filepath.Join(s.rig.Root, name), filepath.Join(tree, name)); err != nil && !os.IsNotExist(err) {
			return "", "", fmt.Errorf("copy %s: %w", name, err)
		}
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return "", "", fmt.Errorf("make a bare PATH: %w", err)
	}
	for _, tool := range []string{"go", "make", "bash", "sh", "env", "git", "awk"} {
		where, err := exec.LookPath(tool)
		if err != nil {
			return "", "", fmt.Errorf("find %s: %w", tool, err)
		}
		if where, err = filepath.EvalSymlinks(where); err != nil {
			return "", "", fmt.Errorf("find %s: %w", tool, err)
		}
		if err := os.Symlink(where, filepath.Join(path, tool)); err != nil {
			return "", "", fmt.Errorf("make a bare PATH: %w", err)
		}
	}
	return tree, path, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
