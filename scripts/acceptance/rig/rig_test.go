package rig_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/scripts/acceptance/rig"
)

func accepted(user string, n, seq int64) rig.Arrival {
	return rig.Arrival{Workspace: "w", User: user, N: n, Seq: seq, Status: 200, Effect: true, Attempt: n}
}

func TestTally(t *testing.T) {
	t.Parallel()
	type counts struct{ accepted, unique, duplicates, breaks, doubles int64 }
	repeat := accepted("a", 1, 1)
	repeat.Effect = false
	refused := accepted("a", 2, 2)
	refused.Status = 500
	elsewhere := accepted("a", 1, 1)
	elsewhere.Workspace = "v"
	cases := []struct {
		name     string
		arrivals []rig.Arrival
		want     counts
	}{
		{"in order", []rig.Arrival{accepted("a", 1, 1), accepted("b", 2, 1), accepted("a", 3, 2)}, counts{3, 3, 0, 0, 0}},
		{"duplicate, dropped there", []rig.Arrival{accepted("a", 1, 1), repeat}, counts{2, 1, 1, 0, 0}},
		{"double effect", []rig.Arrival{accepted("a", 1, 1), accepted("a", 1, 1)}, counts{2, 1, 1, 0, 1}},
		{"late", []rig.Arrival{accepted("a", 3, 2), accepted("a", 1, 1)}, counts{2, 2, 0, 1, 0}},
		{"an old duplicate is not late", []rig.Arrival{accepted("a", 1, 1), accepted("a", 3, 2), repeat}, counts{3, 2, 1, 0, 0}},
		{"a refusal is no acceptance", []rig.Arrival{refused, accepted("a", 2, 2)}, counts{1, 1, 0, 0, 0}},
		{"workspaces apart", []rig.Arrival{accepted("a", 1, 1), elsewhere}, counts{2, 2, 0, 0, 0}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tally := rig.NewTally()
			tally.Add(tc.arrivals)
			have := counts{tally.Accepted, tally.Unique, tally.Duplicates, tally.OrderBreaks, tally.DoubleEffects}
			if have != tc.want {
				t.Errorf("want %+v, have %+v", tc.want, have)
			}
		})
	}
}

// TestMaxRequests compares with a count of every window that begins at a request.
func TestMaxRequests(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	for range 50 {
		const window = 1_000
		var arrivals []rig.Arrival
		var times []int64
		at := int64(0)
		for attempt := range int64(200) {
			at += random.Int64N(30)
			times = append(times, at)
			for range 1 + random.IntN(3) { // events of one request
				arrivals = append(arrivals, rig.Arrival{Time: at, Attempt: attempt})
			}
		}
		want := 0
		for _, from := range times {
			n := 0
			for _, x := range times {
				if x >= from && x < from+window {
					n++
				}
			}
			want = max(want, n)
		}
		if have := rig.MaxRequests(arrivals, window); have != want {
			t.Fatalf("want %d, have %d", want, have)
		}
	}
	if have := rig.MaxRequests(nil, 1); have != 0 {
		t.Errorf("nothing: want 0, have %d", have)
	}
}

func TestMetricsSum(t *testing.T) {
	t.Parallel()
	m := rig.ParseMetrics(`# HELP x_total Things.
# TYPE x_total counter
x_total{stream="a",what="read"} 3
x_total{stream="b",what="read"} 4
x_total{stream="a",what="lost"} 5
x_total_more 100
y 1.5e+03
`)
	cases := []struct {
		name   string
		labels []string
		want   float64
	}{
		{"x_total", nil, 12},
		{"x_total", []string{`stream="a"`}, 8},
		{"x_total", []string{`stream="a"`, `what="read"`}, 3},
		{"x_total", []string{`stream="c"`}, 0},
		{"y", nil, 1500},
		{"z", nil, 0},
	}
	for _, tc := range cases {
		if have := m.Sum(tc.name, tc.labels...); have != tc.want {
			t.Errorf("%s %v: want %v, have %v", tc.name, tc.labels, tc.want, have)
		}
	}
}

func TestLastObject(t *testing.T) {
	t.Parallel()
	var r rig.Report
	if err := rig.LastObject("1000 events\n{\"succeeded\":7,\"failed\":1}\n", &r); err != nil || r.Succeeded != 7 || r.Failed != 1 {
		t.Errorf("want 7 and 1, have %+v, %v", r, err)
	}
	if err := rig.LastObject("{\"succeeded\":7}\nall done\n", &r); err == nil || !strings.Contains(err.Error(), "all done") {
		t.Errorf("want an error that shows the line, have %v", err)
	}
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	r, err := rig.New(t.TempDir(), "rig", false)
	if err != nil {
		t.Fatal(err)
	}
	out, err := rig.Command(t.Context(), r.Dir, []string{"WORD=well"}, "sh", "-c", "echo $WORD; echo no >&2; exit 3")
	if rig.ExitCode(err) != 3 || out != "well\n" || !strings.Contains(err.Error(), "no") {
		t.Errorf("command: want well, code 3 and what it said, have %q, %v", out, err)
	}
	// The child of the shell must end with it.
	p, err := r.Start("sleeper", rig.Pipes{}, "sh", "-c", "sleep 600 & echo $! > child; wait")
	if err != nil {
		t.Fatal(err)
	}
	child := r.Path("child")
	if err := rig.Await(t.Context(), 10*time.Second, "the child", func(context.Context) bool { return size(child) > 1 }); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil || p.Running() {
		t.Errorf("close: want it ended, have running %t, %v", p.Running(), err)
	}
	pid, err := os.ReadFile(child)
	if err != nil {
		t.Fatal(err)
	}
	err = rig.Await(t.Context(), 10*time.Second, "the child to end", func(context.Context) bool {
		stat, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat"))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
	if err != nil {
		t.Error(err)
	}
}

func size(name string) int64 {
	info, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return info.Size()
}
