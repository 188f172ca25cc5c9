package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"sluice/partition"
	"sluice/pipeline/config"
)

// config reads the file of -c.
func (sh *shell) config() (config.Config, error) { return sh.parse(config.Parse) }

// parse reads the file of -c with one of package config's functions.
func (sh *shell) parse(parse func(io.Reader, config.LookupFunc, config.ReadFunc) (config.Config, error)) (config.Config, error) {
	file, err := os.Open(sh.configPath)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return config.Config{}, usage(fmt.Errorf("no configuration at %s; name it with -c FILE, or start from deploy/sluice.example.yaml", sh.configPath))
	case err != nil:
		return config.Config{}, usage(fmt.Errorf("read the configuration: %w", err))
	}
	defer func() { _ = file.Close() }()
	folder := filepath.Dir(sh.configPath)
	cfg, err := parse(file, sh.lookup, func(path string) ([]byte, error) { return sh.read(folder, path) })
	if err == nil {
		for _, warning := range cfg.Warnings() {
			sh.logger(zapcore.WarnLevel).Warn(warning)
		}
	}
	return cfg, err
}

// stream reads the configuration and finds one of its streams.
func (sh *shell) stream(name string) (config.Config, config.Stream, error) {
	cfg, err := sh.config()
	if err != nil {
		return cfg, config.Stream{}, err
	}
	stream, ok := cfg.Stream(name)
	if !ok {
		names := make([]string, len(cfg.Streams))
		for i, s := range cfg.Streams {
			names[i] = s.Name
		}
		return cfg, stream, usage(fmt.Errorf("no stream is named %q; %s has %s", name, sh.configPath, strings.Join(names, ", ")))
	}
	return cfg, stream, nil
}

// workspace reads the configuration and finds one of its workspaces.
func (sh *shell) workspace(name string) (config.Config, config.Workspace, error) {
	cfg, err := sh.parse(config.ParseDirect)
	if err != nil {
		return cfg, config.Workspace{}, err
	}
	w, ok := cfg.Workspace(name)
	if ok {
		return cfg, w, nil
	}
	problem := fmt.Sprintf("no workspace is named %q", name)
	if name == "" {
		problem = "--workspace NAME is needed"
	}
	return cfg, w, usage(fmt.Errorf("%s; %s has %s", problem, sh.configPath, strings.Join(namesOf(cfg.Workspaces), ", ")))
}

func namesOf(workspaces []config.Workspace) []string {
	names := make([]string, len(workspaces))
	for i, w := range workspaces {
		names[i] = w.Name
	}
	return names
}

// workspaceNames completes a workspace of the configuration.
func (sh *shell) workspaceNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg, err := sh.parse(config.ParseDirect)
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return namesOf(cfg.Workspaces), cobra.ShellCompDirectiveNoFileComp
}

const (
	// askTime bounds a few questions to Kafka: brokers that do not answer by
	// then are down or elsewhere.
	askTime = 20 * time.Second
	// readTime bounds what reads records as well.
	readTime = 5 * time.Minute
)

// ask calls fn with an admin of the configured cluster, and says so when that
// cannot be reached or does not answer within the time. Fn only reads, or makes
// an error of what it writes unsure.
func ask(ctx context.Context, cfg partition.Config, within time.Duration, fn func(context.Context, *partition.Admin) error) error {
	admin, err := partition.NewAdmin(cfg)
	if err != nil {
		return err
	}
	defer admin.Close()
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err = fn(bounded, admin)
	return unreached(cfg, err, late(ctx, bounded, within))
}

// late is within when the time of bounded is up, and it is not that of ctx.
func late(ctx, bounded context.Context, within time.Duration) time.Duration {
	if ctx.Err() == nil && bounded.Err() != nil {
		return within
	}
	return 0
}
