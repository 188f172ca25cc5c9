package rig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Kafka is a real cluster of the rig's own, brought up through scripts/kafka.
type Kafka struct {
	Brokers  string            // comma-separated
	Printed  map[string]string // what scripts/kafka/up printed, by name
	*Cluster                   // by the listener that asks nobody who is there

	root string
	data string
}

// Kafka brings up a cluster of that many nodes (1 or 3) at the first call and
// returns the same one afterwards.
func (r *Rig) Kafka(ctx context.Context, nodes int) (*Kafka, error) {
	return r.cluster(ctx, "kafka", "NODES="+strconv.Itoa(nodes))
}

// RelayedKafka is like Kafka, of three nodes that can also be reached through a
// Relay.
func (r *Rig) RelayedKafka(ctx context.Context) (*Kafka, error) {
	return r.cluster(ctx, "relayed-kafka", "NODES=3", "RELAY=1")
}

// Relayed is Brokers as seen through a relay.
func (k *Kafka) Relayed() string { return k.Printed["RELAYED"] }

// SecureKafka brings up a node that asks who is there, over TLS, at the first
// call and returns the same one afterwards. scripts/kafka/up says what it
// prints beside its brokers.
func (r *Rig) SecureKafka(ctx context.Context) (*Kafka, error) {
	return r.cluster(ctx, "secure-kafka", "NODES=1", "SECURITY=scram")
}

func (r *Rig) cluster(ctx context.Context, name string, env ...string) (*Kafka, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.kafkas[name]; k != nil {
		return k, nil
	}
	k := &Kafka{Printed: map[string]string{}, root: r.Root, data: filepath.Join(r.Dir, name)}
	if err := k.up(ctx, env); err != nil {
		// Stopped half-way, some nodes may run: they are in sessions of their own.
		return nil, errors.Join(err, k.close())
	}
	r.kafkas[name] = k
	return k, nil
}

func (k *Kafka) up(ctx context.Context, env []string) error {
	out, err := k.script(ctx, "up", env)
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			k.Printed[name] = value
		}
	}
	k.Brokers = k.Printed["BROKERS"]
	if k.Brokers == "" {
		return fmt.Errorf("start kafka: no BROKERS= in %q", out)
	}
	k.Cluster, err = Connect(cmp.Or(k.Printed["INTERNAL"], k.Brokers))
	return err
}

// Kill kills one node (1 to 3) as a power cut would.
func (k *Kafka) Kill(ctx context.Context, node int) error {
	_, err := k.script(ctx, "kill", nil, strconv.Itoa(node))
	return err
}

// Start starts a killed node again and waits until it answers.
func (k *Kafka) Start(ctx context.Context, node int) error {
	_, err := k.script(ctx, "start", nil, strconv.Itoa(node))
	return err
}

// Freeze stops every node where it is (SIGSTOP): connections stay, and nothing
// is answered.
func (k *Kafka) Freeze() error { return k.signal(syscall.SIGSTOP) }

// Thaw lets the nodes go on (SIGCONT).
func (k *Kafka) Thaw() error { return k.signal(syscall.SIGCONT) }

func (k *Kafka) signal(s syscall.Signal) error {
	pids := k.Pids()
	if len(pids) == 0 {
		return fmt.Errorf("send %v to kafka: no node runs", s)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, s); err != nil {
			return fmt.Errorf("send %v to kafka: %w", s, err)
		}
	}
	return nil
}

// Pids are the nodes' process ids, for accounting.
func (k *Kafka) Pids() []int {
	var pids []int
	files, _ := filepath.Glob(filepath.Join(k.data, "n*", "pid")) // the pattern is well formed
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		first, _, _ := strings.Cut(string(text), " ")
		if pid, err := strconv.Atoi(first); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (k *Kafka) script(ctx context.Context, name string, env []string, args ...string) (string, error) {
	return Command(ctx, k.root, append(env, "KAFKA_DATA="+k.data), filepath.Join(k.root, "scripts", "kafka", name), args...)
}

// close takes the cluster down and removes its data, also when the run was
// interrupted.
func (k *Kafka) close() error {
	if k.Cluster != nil {
		k.Close()
	}
	_, err := k.script(context.Background(), "down", []string{"WIPE=1"})
	return err
}
