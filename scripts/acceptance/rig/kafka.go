package rig

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Kafka is a real cluster of the rig's own, brought up through scripts/kafka.
type Kafka struct {
	Brokers string // comma-separated
	*Cluster

	root string
	data string
}

// Kafka brings up a cluster of that many nodes (1 or 3) at the first call and
// returns the same one afterwards.
func (r *Rig) Kafka(ctx context.Context, nodes int) (*Kafka, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kafka != nil {
		return r.kafka, nil
	}
	k := &Kafka{root: r.Root, data: filepath.Join(r.Dir, "kafka")}
	out, err := k.script(ctx, "up", []string{"NODES=" + strconv.Itoa(nodes)})
	if err != nil {
		return nil, err
	}
	for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); {
		if brokers, ok := strings.CutPrefix(s.Text(), "BROKERS="); ok {
			k.Brokers = brokers
		}
	}
	if k.Brokers == "" {
		return nil, fmt.Errorf("start kafka: no BROKERS= in %q", out)
	}
	if k.Cluster, err = Connect(k.Brokers); err != nil {
		return nil, err
	}
	r.kafka = k
	return k, nil
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
	k.Close()
	_, err := k.script(context.Background(), "down", []string{"WIPE=1"})
	return err
}
