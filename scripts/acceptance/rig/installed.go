package rig

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Installed copies the files of a folder, not what somebody has installed beside
// them, to another one and runs commands there, one after another, unless that
// very content was installed before. The other folder's name is to and a name
// made of the content; it is returned.
func Installed(ctx context.Context, from, to string, commands ...string) (string, error) {
	files, version, err := content(from)
	if err != nil {
		return "", fmt.Errorf("read what is to be installed: %w", err)
	}
	dir := to + "-" + version
	done := filepath.Join(dir, ".installed")
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return "", fmt.Errorf("make a folder to install in: %w", err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return "", fmt.Errorf("copy what is to be installed: %w", err)
		}
	}
	for _, command := range commands {
		if _, err := Command(ctx, dir, nil, "sh", "-c", command); err != nil {
			return "", fmt.Errorf("install: %w", err)
		}
	}
	return dir, os.WriteFile(done, nil, 0o600)
}

// content returns the files of a folder and a name made of them.
func content(dir string) (files map[string][]byte, version string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, "", err
	}
	files = map[string][]byte{}
	sum := sha256.New()
	for _, e := range entries { // by name
		if !e.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, "", err
		}
		files[e.Name()] = text
		fmt.Fprintf(sum, "%s %d\n%s", e.Name(), len(text), text)
	}
	return files, hex.EncodeToString(sum.Sum(nil))[:12], nil
}
