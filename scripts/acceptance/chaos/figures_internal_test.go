package chaos

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/scripts/acceptance/rig"
)

// second is an instant, in ns, of a run that begins at 1,000 s.
func second(s float64) int64 { return int64((1000 + s) * float64(time.Second)) }

func at(s float64) time.Time { return time.Unix(0, second(s)) }

func TestStall(t *testing.T) {
	t.Parallel()
	// Ten events a second are produced for ten seconds.
	var samples []sample
	for s := range 60 {
		samples = append(samples, sample{second(float64(s)), int64(10 * min(s, 10))})
	}
	steady := func(from, to float64) []int64 {
		var firsts []int64
		for s := from; s < to; s += 0.1 {
			firsts = append(firsts, second(s))
		}
		return firsts
	}
	for name, c := range map[string]struct {
		firsts    []int64
		dead      int64
		end       float64
		low, high float64 // seconds
	}{
		"steady":                    {steady(0.1, 10.1), 0, 10.1, 0, 1},
		"a hole":                    {append(steady(0.1, 3), steady(7, 14.1)...), 0, 14.1, 3.9, 4.2},
		"the last one comes late":   {append(steady(0.1, 9.5), second(25)), 0, 25, 14.5, 16},
		"nothing left to take":      {append(steady(0.1, 10.1), second(60)), 0, 60, 0, 1},
		"what is left is set aside": {steady(0.1, 5.1), 50, 40, 0, 1},
		"it never comes":            {steady(0.1, 5.1), 0, 40, 34, 36},
	} {
		have := stall(c.firsts, samples, c.dead, at(c.end)).Seconds()
		if have < c.low || have > c.high {
			t.Errorf("%s: want between %g and %g s, have %g", name, c.low, c.high, have)
		}
	}
	if have := stall(nil, samples, 0, at(5)); have != 0 {
		t.Errorf("nothing taken: want none told, have %v", have)
	}
}

func struck(k Kind, from, to float64) spell { return spell{Fault{Kind: k}, at(from), at(to)} }

func TestLosses(t *testing.T) {
	t.Parallel()
	spells := []spell{
		struck(Kill, 1, 3), struck(Down, 4, 9), struck(Leaders, 5, 5), struck(KafkaStall, 20, 25),
		struck(Freeze, 30, 33), struck(Kill, 50, 51),
	}
	leaves := []spell{struck(Roll, 2, 4), struck(Roll, 26, 27), struck(Roll, 40, 41)}
	want := []loss{
		{at(1), at(3), committing, 1},
		{at(20), at(25), lease, fleetSize},
		{at(30), at(33), lease, 1}, // shortly after the stall
		{at(50), at(51), committing, 1},
		{at(26), at(27), lease, 1},
	}
	have := losses(spells, leaves)
	if len(have) != len(want) {
		t.Fatalf("want %d losses, have %v", len(want), have)
	}
	for i := range want {
		if have[i] != want[i] {
			t.Errorf("%d: want %v, have %v", i, want[i], have[i])
		}
	}
}

func TestBound(t *testing.T) {
	t.Parallel()
	var firsts []int64
	for i := range 1000 { // 100 a second for 10 s
		firsts = append(firsts, second(float64(i)/100))
	}
	w := workspace{rate: 40, items: 4, units: 1}
	large := workspace{rate: 40, items: 4, units: 3}
	for name, c := range map[string]struct {
		w      workspace
		losses []loss
		lost   int64
		want   int64
	}{
		"nothing":             {w, nil, 0, 0},
		"unknown":             {w, nil, 7, 7},
		"a kill":              {w, []loss{{at(5), at(6), time.Second, 1}}, 0, 100 + 60},
		"a broker":            {w, []loss{{at(5), at(6), lease, fleetSize}}, 0, 300 + 60},
		"of three units":      {large, []loss{{at(5), at(6), lease, fleetSize}}, 0, 300 + 180},
		"when nothing flowed": {w, []loss{{at(20), at(21), lease, 1}}, 0, 60},
		"two":                 {w, []loss{{at(5), at(6), time.Second, 1}, {at(8), at(8), time.Second, 1}}, 1, 2*160 + 1},
	} {
		if have := c.w.bound(c.losses, firsts, c.lost); have != c.want {
			t.Errorf("%s: want %d, have %d", name, c.want, have)
		}
	}
}

func TestReadSent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	lines := `{"msg":"attempt","workspace":"orders","events":4,"verdict":"delivered","status":200,"sent":1,"took":0.1}
{"msg":"attempt","workspace":"orders","events":3,"verdict":"unavailable","status":0,"sent":2,"took":0.1}
{"msg":"attempt","workspace":"orders","events":2,"verdict":"unavailable","status":503,"sent":3,"took":0.1}
{"msg":"attempt","workspace":"orders","events":1,"verdict":"unavailable","status":200,"sent":4,"took":0.1}
{"msg":"attempt","workspace":"visits","events":5,"verdict":"interrupted","status":0,"sent":5,"took":0.1}
{"msg":"attempt","workspace":"else","events":9,"verdict":"interrupted","status":0,"sent":5,"took":0.1}
`
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	have, err := readSent([]*rig.Member{{Process: &rig.Process{Log: path}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]int64{"orders": {4, 4}, "visits": {1, 5}} {
		if s := have[name]; int64(len(s.moments)) != want[0] || s.unknown != want[1] {
			t.Errorf("%s: want %d attempts and %d events nobody knows of, have %d and %d", name, want[0], want[1], len(s.moments), s.unknown)
		}
	}
	if _, err := readSent([]*rig.Member{{Process: &rig.Process{Log: path + "-not"}}}); err == nil {
		t.Error("want an error: no log")
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	w := workspace{name: "w", rate: 40, units: 1}
	good := Account{Produced: 9, Acknowledged: 9, Delivered: 9, Duplicates: 3, Bound: 3, WorstSent: 40, Requests: 1000, Told: 990}
	if have := good.judge(w, 0); len(have) > 0 {
		t.Errorf("want no breach, have %q", have)
	}
	for want, spoil := range map[string]func(*Account){
		"nothing was produced":       func(a *Account) { a.Acknowledged = 0 },
		"nothing was delivered":      func(a *Account) { a.Delivered = 0 },
		"lost":                       func(a *Account) { a.Lost = 1 },
		"both delivered":             func(a *Account) { a.TwoWays = 1 },
		"order breaks":               func(a *Account) { a.OrderBreaks = 1 },
		"double effects":             func(a *Account) { a.DoubleEffects = 1 },
		"the faults explain 3":       func(a *Account) { a.Duplicates = 4 },
		"in one second":              func(a *Account) { a.WorstSent = 41 },
		"the members tell of 989":    func(a *Account) { a.Told = 989 },
		"w: 41 requests granted in ": func(a *Account) { a.WorstSent = 41 },
	} {
		bad := good
		spoil(&bad)
		if have := bad.judge(w, 0); len(have) != 1 || !strings.Contains(have[0], want) {
			t.Errorf("want one breach that tells %q, have %q", want, have)
		}
	}
	killed := good
	killed.Told -= 2 * inFlight
	if have := killed.judge(w, 2); len(have) > 0 {
		t.Errorf("two kills: want no breach, have %q", have)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	reports := []Report{
		{Seed: 7, Seconds: 120, Faults: map[string]int{"kill": 2, "429": 1}, Workspaces: []Account{
			{Rate: 40, Produced: 10, Acknowledged: 10, Delivered: 9, DeadLetters: 1, Duplicates: 3, Bound: 5, Stall: 1.5, WorstSent: 39},
			{Rate: 120, Produced: 20, Acknowledged: 20, Delivered: 20, Duplicates: 4, Bound: 6, Stall: 2.5, WorstSent: 118},
		}},
		{Seed: 8, Seconds: 45, Breaches: []string{"it broke"}, Log: "/where/it/is"},
	}
	var out strings.Builder
	if err := Table(&out, reports); err != nil {
		t.Fatal(err)
	}
	for _, r := range reports {
		r.Detail(&out)
	}
	for _, want := range []string{
		"members 2, sink 1", "  30  ", "  29  ", "7 (11)", "2.5s", "39/40 118/120", "ok", "BREACH",
		"seed 7: kill 2, 429 1;", "BREACH it broke", "/where/it/is", "make chaos SEED=8 MINUTES=0.75",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %q in\n%s", want, out.String())
		}
	}
	if reports[1].Held() || !reports[0].Held() {
		t.Error("want the first to have held, and not the second")
	}
}

func TestOverlaps(t *testing.T) {
	t.Parallel()
	if have := overlaps([]spell{struck(Kill, 1, 5), struck(Down, 4, 9), struck(Cutting, 8, 10), struck(Errors, 20, 21)}); have != 2 {
		t.Errorf("want 2 pairs, have %d", have)
	}
}
