package embedded_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/partition/embedded"
)

const (
	topic = "events"
	group = "g"
)

func start(t *testing.T, dir string) *embedded.Broker {
	t.Helper()
	b, err := embedded.Start(embedded.Options{Addr: "127.0.0.1:0", Dir: dir, Purpose: "rehearsal"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// connect returns a client and an admin of a broker; close them before it.
func connect(t *testing.T, b *embedded.Broker) (*kgo.Client, *kadm.Client) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, kadm.NewClient(client)
}

func produce(t *testing.T, client *kgo.Client, n int) {
	t.Helper()
	for i := range n {
		r := &kgo.Record{Topic: topic, Key: []byte("k"), Value: fmt.Append(nil, i), Timestamp: time.Now()}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func commit(t *testing.T, admin *kadm.Client, at int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, At: at, Metadata: "settled above", LeaderEpoch: -1})
	set, err := admin.CommitOffsets(t.Context(), group, offsets)
	if err := errors.Join(err, set.Error()); err != nil {
		t.Fatal(err)
	}
}

// state is what the broker knows of the one partition and the one group.
func state(t *testing.T, admin *kadm.Client) (end, committed int64, metadata string) {
	t.Helper()
	ends, err := admin.ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	last, _ := ends.Lookup(topic, 0)
	offsets, err := admin.FetchOffsets(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := offsets.Lookup(topic, 0)
	return last.Offset, at.At, at.Metadata
}

func TestFolderKeepsTopicsRecordsAndCommits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir)
	client, admin := connect(t, b)
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	produce(t, client, 3)
	commit(t, admin, 2)
	before, err := admin.BrokerMetadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	b.Close()

	b = start(t, dir)
	client, admin = connect(t, b)
	if end, committed, metadata := state(t, admin); end != 3 || committed != 2 || metadata != "settled above" {
		t.Errorf("want end 3 and commit 2 with its metadata, have %d, %d %q", end, committed, metadata)
	}
	if len(b.Rewound()) != 0 {
		t.Errorf("want no commit set back, have %v", b.Rewound())
	}
	after, err := admin.BrokerMetadata(t.Context())
	if err != nil || after.Cluster != before.Cluster || after.Cluster == "kfake" {
		t.Errorf("want the cluster to keep an id of its own: %q, then %q, %v", before.Cluster, after.Cluster, err)
	}
	produce(t, client, 1)
	if end, _, _ := state(t, admin); end != 4 {
		t.Errorf("want the log to go on at 3, have end %d", end)
	}
}

// TestEmptiedLogTakesItsCommitAlong: retention deleted everything, the process
// ended, and the broker numbers from 0 again. A group that waited at 3 would
// pass over the next three records.
func TestEmptiedLogTakesItsCommitAlong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir)
	client, admin := connect(t, b)
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	produce(t, client, 3)
	commit(t, admin, 3)
	deleted := kadm.Offsets{}
	deleted.Add(kadm.Offset{Topic: topic, At: 3})
	if _, err := admin.DeleteRecords(t.Context(), deleted); err != nil {
		t.Fatal(err)
	}
	client.Close()
	b.Close()

	b = start(t, dir)
	client, admin = connect(t, b)
	end, committed, metadata := state(t, admin)
	if committed != end || metadata != "" {
		t.Errorf("want the commit at the log's end %d and no metadata, have %d %q", end, committed, metadata)
	}
	if want := (embedded.Rewound{Group: group, Topic: topic, From: 3, To: end}); len(b.Rewound()) != 1 || b.Rewound()[0] != want {
		t.Errorf("want %v told, have %v", want, b.Rewound())
	}
	produce(t, client, 1)
	if end, committed, _ := state(t, admin); end != committed+1 {
		t.Errorf("want the new record above the commit, have end %d, commit %d", end, committed)
	}
}

func TestFolderIsRefused(t *testing.T) {
	t.Parallel()
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(foreign, "thesis.txt")
	used := t.TempDir()
	start(t, used)
	rested := t.TempDir()
	start(t, rested).Close()
	newer := t.TempDir()
	if err := os.WriteFile(filepath.Join(newer, "sluice.data"), []byte("sluice embedded Kafka, format 9\npurpose: rehearsal\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, dir, purpose, want string }{
		{"not ours", foreign, "rehearsal", "not sluice's; name an empty"},
		{"a file", file, "rehearsal", "cannot be made"},
		{"in use", used, "rehearsal", "in use by another process"},
		{"other purpose", rested, "real", "was made for rehearsal events, and this would be for real ones"},
		{"other version", newer, "rehearsal", "another version"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b, err := embedded.Start(embedded.Options{Addr: "127.0.0.1:0", Dir: tc.dir, Purpose: tc.purpose})
			if err == nil {
				b.Close()
				t.Fatal("want an error, have a broker")
			}
			folder, ok := errors.AsType[*embedded.FolderError](err)
			if !ok || folder.Dir != tc.dir || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("want a FolderError with %q, have %v", tc.want, err)
			}
		})
	}
}

func TestFolderIsFreeAfterClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start(t, dir).Close()
	start(t, dir).Close()
	info, err := os.Stat(filepath.Join(dir, "sluice.data"))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("want the mark for its owner alone, have %v, %v", info, err)
	}
}

func TestAddressIsJudged(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"127.0.0.1":       "missing port",
		"0.0.0.0:0":       "loopback only",
		"example.com:1":   "loopback only",
		"127.0.0.1:x":     "port",
		"127.0.0.1:70000": "port",
		"127.0.0.1:-1":    "port",
	} {
		if _, err := embedded.Start(embedded.Options{Addr: addr}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, have %v", addr, want, err)
		}
	}
}

func TestTakenAddressGivesUpTheFolder(t *testing.T) {
	t.Parallel()
	taken := start(t, t.TempDir())
	dir := t.TempDir()
	if _, err := embedded.Start(embedded.Options{Addr: taken.Addrs()[0], Dir: dir, Purpose: "rehearsal"}); err == nil {
		t.Fatal("want the address refused")
	}
	start(t, dir) // not locked by the failure
}
