package rig

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// FreshClone copies what git would give to someone who clones this tree as it
// stands into a new folder.
func (r *Rig) FreshClone(ctx context.Context) (string, error) {
	tree := r.Path(r.Name("clone"))
	list, err := Command(ctx, r.Root, nil, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return "", fmt.Errorf("list the files of a clone: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(list, "\x00"), "\x00") {
		if err := copyFile(filepath.Join(r.Root, name), filepath.Join(tree, name)); err != nil && !os.IsNotExist(err) {
			return "", fmt.Errorf("copy %s: %w", name, err)
		}
	}
	return tree, nil
}

// GoOnly is a PATH on which there is Go and make, but no Java, no Maven and no
// C compiler.
func (r *Rig) GoOnly() (string, error) {
	path := r.Path(r.Name("bin"))
	if err := os.MkdirAll(path, 0o755); err != nil {
		return "", fmt.Errorf("make a bare PATH: %w", err)
	}
	for _, tool := range []string{"go", "make", "bash", "sh", "env", "git", "awk"} {
		where, err := exec.LookPath(tool)
		if err != nil {
			return "", fmt.Errorf("find %s: %w", tool, err)
		}
		if where, err = filepath.EvalSymlinks(where); err != nil {
			return "", fmt.Errorf("find %s: %w", tool, err)
		}
		if err := os.Symlink(where, filepath.Join(path, tool)); err != nil {
			return "", fmt.Errorf("make a bare PATH: %w", err)
		}
	}
	return path, nil
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
