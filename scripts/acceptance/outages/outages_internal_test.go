package outages

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice/scripts/acceptance/rig"
)

func TestJudgeOfTexts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		s    situation
		out  rig.Outcome
		want string // a part of the only fault; empty: none
	}{
		{
			"a good refusal",
			situation{names: []string{"members"}, code: 1, safe: true},
			rig.Outcome{Code: 1, Err: "sluice: the group has members: nothing was changed; see sluice group describe\n"},
			"",
		},
		{
			"a good plan",
			situation{safe: true},
			rig.Outcome{Out: "2 letters would be put back\nnothing is done yet: run the same with --yes\n"},
			"",
		},
		{"wrong usage that is mended in the line", situation{code: 2}, rig.Outcome{Code: 2, Err: "sluice: --since \"x\": write it as 2h\n"}, ""},
		{"the path of a file is ours", situation{}, rig.Outcome{Out: "sluice x -c /" + strings.Repeat("long/", 40) + "config.yaml\n"}, ""},
		{"another exit", situation{code: 1}, rig.Outcome{Out: "see sluice dead ls\n"}, "exit 0 instead of 1"},
		{"no name", situation{names: []string{"shop"}}, rig.Outcome{Out: "see sluice dead ls\n"}, `does not name "shop"`},
		{"only its own name", situation{code: 1}, rig.Outcome{Code: 1, Err: "sluice: something is wrong\n"}, "nothing to type next"},
		{"nothing of what is safe", situation{safe: true}, rig.Outcome{Out: "wrong; see sluice dead ls\n"}, "what is safe"},
		{"a raw error", situation{}, rig.Outcome{Out: "dial tcp 127.0.0.1:1; see sluice doctor\n"}, "insides"},
		{"a wrong verb", situation{}, rig.Outcome{Out: "%!d(string=x); see sluice doctor\n"}, "insides"},
		{"a stack", situation{}, rig.Outcome{Out: "goroutine 7 [running]: see sluice doctor\n"}, "insides"},
		{"a wide line", situation{}, rig.Outcome{Out: "see sluice doctor " + strings.Repeat("x", 120) + "\n"}, "columns"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			faults := judge(tc.s, tc.out)
			if tc.want == "" && len(faults) > 0 || tc.want != "" && (len(faults) != 1 || !strings.Contains(faults[0], tc.want)) {
				t.Errorf("want %q, have %q", tc.want, faults)
			}
		})
	}
}

func TestDelays(t *testing.T) {
	t.Parallel()
	base := time.Unix(1_700_000_000, 0)
	produced := map[int64]time.Time{}
	st := &stage{}
	for n := int64(1); n <= 100; n++ {
		produced[n] = base.Add(time.Duration(n) * time.Second)
		took := time.Duration(n) * time.Millisecond
		for _, status := range []int{500, 200, 200} { // a failure, the acceptance, and one more
			st.seen = append(st.seen, rig.Arrival{N: n, User: "u", Status: status, Time: produced[n].Add(took).UnixNano()})
			took += time.Minute
		}
	}
	all := func(rig.Arrival) bool { return true }
	half := st.delays(produced, base, base.Add(51*time.Second), all)
	if have, want := len(half), 50; have != want {
		t.Fatalf("want the %d events of the span, have %d", want, have)
	}
	if have, want := half.quantile(0.99), time.Minute+50*time.Millisecond; have != want {
		t.Errorf("p99: want %v, have %v", want, have)
	}
	if have := (delays{}).quantile(0.99); have != 0 {
		t.Errorf("of none: want 0, have %v", have)
	}
}

// Every fate is there, and no act is about somebody of whom an earlier one said
// nothing.
func TestHistoryHasEveryFate(t *testing.T) {
	t.Parallel()
	h := newHistory(20)
	known := map[string]bool{}
	for _, raw := range h.acts[0] {
		known[string(raw.Key)] = true
	}
	told := map[string]int{}
	for _, act := range h.acts {
		for _, raw := range act {
			if !known[string(raw.Key)] {
				t.Errorf("%s was never identified", raw.Key)
			}
			for _, action := range []string{"identify", "event", "delete", "suppress", "merge", "add_device"} {
				if strings.Contains(string(raw.Value), `"action":"`+action+`"`) {
					told[action]++
				}
			}
		}
	}
	for action, want := range map[string]int{"delete": 4, "suppress": 2, "merge": 2, "add_device": 2, "event": 62} {
		if told[action] != want {
			t.Errorf("%s: want %d, have %d", action, want, told[action])
		}
	}
	if have := h.with(fateMerged); len(have) != 2 || have[0] != "p0005" || !strings.Contains(string(h.acts[1][4].Value), `"p0005"`) {
		t.Errorf("merged are %v by %s", have, h.acts[1][4].Value)
	}
}

func TestDoor(t *testing.T) {
	t.Parallel()
	served := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "in") }))
	t.Cleanup(served.Close)
	d, err := newDoor(served.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	for round := range 2 {
		if status, body, err := rig.Get(t.Context(), d.URL); err != nil || status != http.StatusOK || string(body) != "in" {
			t.Errorf("round %d, open: have %d %s %v", round, status, body, err)
		}
		if err := d.shut(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := rig.Get(t.Context(), d.URL); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("round %d, shut: have %v", round, err)
		}
		if err := d.open(); err != nil {
			t.Fatal(err)
		}
	}
}
