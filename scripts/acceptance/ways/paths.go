package ways

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// goOnly follows what needs Go alone: the first command, and a file to a
// workspace without Kafka.
func (w ways) goOnly(ctx context.Context, r *suite.Result) error {
	path, err := w.rig.GoOnly()
	if err != nil {
		return err
	}
	n, err := w.newcomer(ctx, "PATH="+path)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(n.tree) }()
	demo, err := n.types(ctx, tryIt, "make run")
	if err != nil {
		return err
	}
	r.Holds("make run", strings.Contains(demo.Out, "delivered"), told(demo.Out, "delivered"), "tells what was delivered")
	if w.rig.Long {
		if _, err := n.types(ctx, tryIt, "make test"); err != nil {
			return err
		}
	}
	help, err := n.types(ctx, tryIt, "make")
	if err != nil {
		return err
	}
	r.AtLeast("lines of make", float64(strings.Count(help.Out, "\n")), 10, "")
	if err := n.installs(ctx, r); err != nil {
		return err
	}
	if err := n.sends(ctx, r); err != nil {
		return err
	}
	var untyped []string
	for _, section := range []string{tryIt, install, withoutKafka} {
		untyped = append(untyped, n.untyped(section)...)
	}
	r.Holds("not typed", len(untyped) == 0, strings.Join(untyped, ", "), "none")
	return nil
}

// installs builds the binary, asks it for what it knows by itself, and runs it
// in one process, for rehearsal and in earnest.
func (n *newcomer) installs(ctx context.Context, r *suite.Result) error {
	n.backend = "http://127.0.0.1:1" // dev without --allow-real takes no endpoint elsewhere
	if err := n.configure(); err != nil {
		return err
	}
	manual := filepath.Join(n.tree, "man1")
	for _, command := range []string{"make build", "sluice version", "source <(sluice completion bash)", "sluice man /usr/local/share/man/man1"} {
		if _, err := n.types(ctx, install, command, "/usr/local/share/man/man1", manual); err != nil {
			return err
		}
	}
	pages, err := filepath.Glob(filepath.Join(manual, "*.1"))
	if err != nil {
		return err
	}
	r.AtLeast("manual pages", float64(len(pages)), 15, "")
	for _, command := range []string{"sluice dev -c sluice.yaml --data rehearsal", "sluice dev -c sluice.yaml --data /var/lib/sluice --allow-real"} {
		dev, err := n.serves(install, command, "--kafka", "127.0.0.1:0", "--simulator", "127.0.0.1:0")
		if err != nil {
			return err
		}
		healthy := func(ctx context.Context) bool {
			o, err := n.tries(ctx, install, "sluice health")
			return err == nil && o.Code == 0 || !dev.Running()
		}
		if err := rig.Await(ctx, 30*time.Second, command, healthy); err != nil {
			return fmt.Errorf("%w: %s", err, dev.Tail(3))
		}
		if err := dev.Stop(40 * time.Second); err != nil {
			return err
		}
	}
	return nil
}

// sends has a file sent to the simulator, without Kafka.
func (n *newcomer) sends(ctx context.Context, r *suite.Result) error {
	if _, err := n.types(ctx, ownKafka, "go build -o sluice ./cmd/sluice"); err != nil {
		return err
	}
	sim, err := n.serves(ownKafka, "./sluice simulate", "--listen", n.sim)
	if err != nil {
		return err
	}
	events, err := n.events("purchases.ndjson")
	if err != nil {
		return err
	}
	if _, err := n.types(ctx, withoutKafka, "./sluice send FILE --workspace acme-us", "FILE", "purchases.ndjson --seq"); err != nil {
		return err
	}
	if err := n.checks(ctx, r, "purchases.ndjson", events); err != nil {
		return err
	}
	return sim.Stop(10 * time.Second)
}

// failedOf are the subjects of what the doctor's table has as failed.
func failedOf(table string) string {
	var subjects []string
	for line := range strings.Lines(table) {
		if cells := strings.Fields(line); len(cells) > 2 && cells[0] == "failed" {
			subjects = append(subjects, cells[2])
		}
	}
	return strings.Join(subjects, ", ")
}

// realKafka follows what needs Java and Maven as well.
func (w ways) realKafka(ctx context.Context, r *suite.Result) (err error) {
	broker := language{needs: []need{{"Java 17 or later", []string{"java", "--version"}}, maven()}}
	if missing := broker.missing(ctx); missing != "" {
		r.Skip(missing)
		return nil
	}
	n, err := w.newcomer(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(n.tree) }()
	defer func() {
		// Whatever came: the brokers are in sessions of their own.
		if _, down := n.types(context.WithoutCancel(ctx), ownKafka, "make kafka-down WIPE=1"); err == nil {
			err = down
		}
	}()
	if _, err := n.types(ctx, ownKafka, "make kafka-up PORT0=9092"); err != nil {
		return err
	}
	if err := n.prepares(ctx, r); err != nil {
		return err
	}
	if err := n.delivers(ctx, r); err != nil {
		return err
	}
	untyped := slices.DeleteFunc(n.untyped(ownKafka), func(command string) bool { return command == "make kafka-down WIPE=1" })
	r.Holds("not typed", len(untyped) == 0, strings.Join(untyped, ", "), "none")
	return nil
}

// prepares builds, configures, makes the topics and has everything examined.
func (n *newcomer) prepares(ctx context.Context, r *suite.Result) error {
	if _, err := n.types(ctx, ownKafka, "go build -o sluice ./cmd/sluice"); err != nil {
		return err
	}
	// It asks on a terminal, which nobody sits at here.
	answers := "config init --brokers localhost:9092 --workspace acme-us --region us --stream events-us --to written.yaml"
	if _, err := n.types(ctx, ownKafka, "./sluice config init", "config init", answers); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(n.tree, "written.yaml")); err != nil {
		return fmt.Errorf("config init wrote nothing: %w", err)
	}
	if err := n.configure(); err != nil {
		return err
	}
	if _, err := n.serves(ownKafka, "./sluice simulate", "--listen", n.sim); err != nil {
		return err
	}
	// As the README says of a single broker.
	forced := []string{"topics apply", "topics apply --force", "doctor", "doctor --force"}
	for _, command := range []string{"./sluice config check", "./sluice topics apply", "./sluice topics acls"} {
		if _, err := n.types(ctx, ownKafka, command, forced...); err != nil {
			return err
		}
	}
	// The webhook of the README is nobody's: that, and nothing else, has failed.
	doctor, err := n.tries(ctx, ownKafka, "./sluice doctor", forced...)
	if err != nil {
		return err
	}
	r.Equal("doctor's exit code", int64(doctor.Code), 1)
	r.Holds("what failed", failedOf(doctor.Out) == "hook", failedOf(doctor.Out), "hook")
	return nil
}

// delivers has a file produced, delivered and checked.
func (n *newcomer) delivers(ctx context.Context, r *suite.Result) error {
	member, err := n.serves(ownKafka, "./sluice run")
	if err != nil {
		return err
	}
	events, err := n.events("purchases.ndjson")
	if err != nil {
		return err
	}
	if _, err := n.types(ctx, ownKafka, "./sluice produce events-us FILE", "FILE", "purchases.ndjson --seq"); err != nil {
		return err
	}
	routed, err := n.types(ctx, ownKafka, "./sluice route events-us 42")
	if err != nil {
		return err
	}
	r.Holds("route", strings.Contains(routed.Out, "acme-us"), "to acme-us", "to acme-us")
	if err := n.checks(ctx, r, "purchases.ndjson", events); err != nil {
		return err
	}
	return member.Stop(40 * time.Second)
}
