// Command sluice delivers events from Kafka to Customer.io and other HTTP
// APIs, each user in order, and carries the tools around it: to produce
// files, to simulate a destination, to check what arrived and to look after
// topics and shards.
//
// Each subcommand is a thin shell over a package that can be tested without a
// process. Only this package reads flags, the environment and signals.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
)

// gcPercent trades memory for a fifth of the collector's work: what is in hand is
// bounded, so the heap stays small anyway. GOGC in the environment wins.
const gcPercent = 200

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks to stop in good order; after it the default is
	// back, so that a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	sh := &shell{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, lookup: os.LookupEnv, read: readSecret,
		asks: isTerminal(os.Stdin) && isTerminal(os.Stderr), hangups: hangups,
	}
	os.Exit(sh.execute(ctx, os.Args[1:]))
}

// readSecret reads a file that the configuration names; a relative path begins
// at the configuration's own folder, wherever the command is started.
func readSecret(folder, path string) ([]byte, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, path)
	}
	return os.ReadFile(path) //nolint:gosec // the operator's configuration names it
}

// hangups receives every SIGHUP until stop is called. Whoever does not ask for
// them is ended by one, as every program is.
func hangups() (received <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}
