package spine

import (
	"context"
	"os"
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

// freshClone is a clone of this tree and a PATH with nothing but Go and make.
func (s spine) freshClone(ctx context.Context) (tree, path string, err error) {
	if path, err = s.rig.GoOnly(); err != nil {
		return "", "", err
	}
	tree, err = s.rig.FreshClone(ctx)
	return tree, path, err
}
