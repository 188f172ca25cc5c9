package checker_test

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/checker"
	"sluice/pipeline/producer"
)

// history is what a destination that did everything right saw of n events of
// so many users: one request each, a millisecond apart, in the file's order.
func history(n, users int) (input []checker.Expected, arrivals []checker.Arrival) {
	for i := range n {
		user := fmt.Sprint("u", i%users)
		input = append(input, checker.Expected{N: i + 1, User: user})
		arrivals = append(arrivals, checker.Arrival{
			Time: int64(time.Hour) + int64(i)*int64(time.Millisecond), User: user, N: int64(i + 1), Seq: int64(i/users + 1),
			Status: 200, Attempt: int64(i + 1), Op: "event", Effect: true,
		})
	}
	return input, arrivals
}

func each[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, one := range list {
			if !yield(one, nil) {
				return
			}
		}
	}
}

func check(t *testing.T, input []checker.Expected, arrivals []checker.Arrival, extra checker.Extra) checker.Report {
	t.Helper()
	report, err := checker.Check(each(input), each(arrivals), extra)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestCheckTable(t *testing.T) {
	t.Parallel()
	at := func(n, status int, effect bool) checker.Arrival {
		return checker.Arrival{Time: int64(n) * 1e9, N: int64(n), Seq: int64(n), Status: status, Attempt: int64(n), Effect: effect}
	}
	again := func(a checker.Arrival, attempt int64, status int, effect bool) checker.Arrival {
		a.Time, a.Attempt, a.Status, a.Effect = attempt*1e9, attempt, status, effect
		return a
	}
	without := func(a checker.Arrival, id string) checker.Arrival {
		a.N, a.Seq, a.ID = 0, 0, id
		return a
	}
	one, two, three := at(1, 200, true), at(2, 200, true), at(3, 200, true)
	for name, c := range map[string]struct {
		arrivals []checker.Arrival
		extra    checker.Extra
		want     checker.Report // of three events of one user; read, requests and seconds aside
	}{
		"nothing came":              {nil, checker.Extra{}, checker.Report{Lost: 3}},
		"all came":                  {[]checker.Arrival{one, two, three}, checker.Extra{}, checker.Report{Delivered: 3}},
		"refused is not delivered":  {[]checker.Arrival{at(1, 429, false), at(2, 500, false), at(3, 400, false)}, checker.Extra{}, checker.Report{Lost: 3}},
		"no answer, then again":     {[]checker.Arrival{at(1, 0, true), again(one, 4, 200, false), two, three}, checker.Extra{}, checker.Report{Delivered: 3}},
		"effect twice, once unseen": {[]checker.Arrival{at(1, 0, true), again(one, 4, 200, true), two, three}, checker.Extra{}, checker.Report{Delivered: 3, DoubleEffects: 1}},
		"repeat without effect":     {[]checker.Arrival{one, again(one, 4, 200, false), two, three}, checker.Extra{}, checker.Report{Delivered: 3, Duplicates: 1}},
		"three times, one event":    {[]checker.Arrival{one, again(one, 4, 200, true), again(one, 5, 204, true), two, three}, checker.Extra{}, checker.Report{Delivered: 3, Duplicates: 2, DoubleEffects: 1}},
		"late repeat is no break":   {[]checker.Arrival{one, two, three, again(one, 4, 200, false)}, checker.Extra{}, checker.Report{Delivered: 3, Duplicates: 1}},
		"one late":                  {[]checker.Arrival{two, one, three}, checker.Extra{}, checker.Report{Delivered: 3, OrderBreaks: 1}},
		"two late":                  {[]checker.Arrival{three, one, two}, checker.Extra{}, checker.Report{Delivered: 3, OrderBreaks: 2}},
		"refused first, then late":  {[]checker.Arrival{at(1, 500, false), two, again(one, 4, 200, true), three}, checker.Extra{}, checker.Report{Delivered: 3, OrderBreaks: 1}},
		"set aside":                 {[]checker.Arrival{one}, checker.Extra{DeadLettered: 1, Dropped: 1}, checker.Report{Delivered: 1, DeadLettered: 1, Dropped: 1}},
		"still on its way":          {[]checker.Arrival{one}, checker.Extra{InHand: 1}, checker.Report{Delivered: 1, InHand: 1, Lost: 1}},
		"counted twice":             {[]checker.Arrival{one, two, three}, checker.Extra{InHand: 2}, checker.Report{Delivered: 3, InHand: 2}},
		"foreign":                   {[]checker.Arrival{one, two, three, at(4, 200, true), without(at(5, 200, true), "")}, checker.Extra{}, checker.Report{Delivered: 3, Foreign: 2}},
		"matched by id":             {[]checker.Arrival{without(one, "id1"), without(two, "id2"), without(three, "id9")}, checker.Extra{}, checker.Report{Delivered: 2, Lost: 1, Foreign: 1}},
		"order by the file":         {[]checker.Arrival{without(two, "id2"), without(one, "id1"), three}, checker.Extra{}, checker.Report{Delivered: 3, OrderBreaks: 1}},
		"number before id":          {[]checker.Arrival{{Time: 1, N: 1, ID: "id2", Status: 200, Attempt: 1}}, checker.Extra{}, checker.Report{Delivered: 1, Lost: 2}},
		"impossible numbers":        {[]checker.Arrival{{N: -1, ID: "id1", Status: 200, Attempt: 1}, {N: 1 << 60, Status: 200, Attempt: 2}}, checker.Extra{}, checker.Report{Lost: 3, Foreign: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			input := []checker.Expected{{N: 1, User: "u", ID: "id1"}, {N: 2, User: "u", ID: "id2"}, {N: 3, User: "u"}}
			have := check(t, input, c.arrivals, c.extra)
			if have.Read != 3 {
				t.Errorf("have read %d, want 3", have.Read)
			}
			have.Read, have.Requests, have.Seconds, have.MaxSecond, have.MaxTenth = 0, 0, 0, 0, 0
			if have != c.want {
				t.Errorf("\nhave %+v\nwant %+v", have, c.want)
			}
		})
	}
}

// Whatever faults a history is given, exactly those are reported.
func TestCheckFindsExactlyWhatWentWrong(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 1))
		users := 1 + random.IntN(9)
		input, arrivals := history(users*(20+random.IntN(200)), users)
		want := checker.Report{Read: len(input), Delivered: len(input)}
		faults := &injector{random: random, users: users, attempt: int64(len(arrivals)), want: &want}
		arrivals = faults.inject(arrivals)
		have := check(t, input, arrivals, checker.Extra{})
		have.Requests, have.Seconds, have.MaxSecond, have.MaxTenth = 0, 0, 0, 0
		if have != want {
			t.Fatalf("seed %d:\nhave %+v\nwant %+v", seed, have, want)
		}
		if have.OK() != (want.Lost+want.DoubleEffects+want.OrderBreaks == 0) {
			t.Fatalf("seed %d: have ok %v of %+v", seed, have.OK(), have)
		}
	}
}

// injector puts faults into a true history, at most one an event, and notes
// them in the report that is wanted.
type injector struct {
	random  *rand.Rand
	users   int
	attempt int64
	want    *checker.Report
}

func (f *injector) inject(arrivals []checker.Arrival) []checker.Arrival {
	var out, repeats []checker.Arrival
	for i := 0; i < len(arrivals); i++ {
		a := arrivals[i]
		switch next := i + f.users; f.random.IntN(12) {
		case 0: // lost
			f.want.Lost++
			f.want.Delivered--
		case 1: // repeated, and recognised
			repeats = append(repeats, f.again(a, 200, false))
			f.want.Duplicates++
			out = append(out, a)
		case 2: // repeated, and carried out
			repeats = append(repeats, f.again(a, 202, true))
			f.want.Duplicates++
			f.want.DoubleEffects++
			out = append(out, a)
		case 3: // tried before, in vain
			out = append(out, f.again(a, 503, false), a)
		case 4: // of nobody's file
			out = append(out, checker.Arrival{N: int64(len(arrivals) + i + 1), Attempt: f.next(), Status: 200}, a)
			f.want.Foreign++
		case 5: // overtaken by its user's next, which stays as it is
			if next >= len(arrivals) || f.users > 1 {
				out = append(out, a)
				break
			}
			out = append(out, arrivals[next], a)
			f.want.OrderBreaks++
			i = next
		default:
			out = append(out, a)
		}
	}
	return append(out, repeats...)
}

func (f *injector) next() int64 { f.attempt++; return f.attempt }

func (f *injector) again(a checker.Arrival, status int, effect bool) checker.Arrival {
	a.Attempt, a.Status, a.Effect = f.next(), status, effect
	return a
}

// A shuffle of a whole history has as many breaks as a plain count finds.
func TestCheckCountsOrderBreaks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 2))
		input, arrivals := history(300, 1+random.IntN(20))
		random.Shuffle(len(arrivals), func(i, j int) { arrivals[i], arrivals[j] = arrivals[j], arrivals[i] })
		want := 0
		for i, late := range arrivals {
			for _, early := range arrivals[:i] {
				if early.User == late.User && early.Seq > late.Seq {
					want++
					break
				}
			}
		}
		if have := check(t, input, arrivals, checker.Extra{}); have.OrderBreaks != want || have.OK() != (want == 0) {
			t.Fatalf("seed %d: have %d breaks, want %d", seed, have.OrderBreaks, want)
		}
	}
}

// Requests are counted once for their whole batch, whatever their outcome, and
// the windows hold what a plain count finds, in whichever order they are told.
func TestCheckCountsRequests(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 3))
		input, arrivals := history(400, 5)
		var times []int64
		now := int64(time.Hour)
		for i := range arrivals {
			if i == 0 || random.IntN(3) == 0 {
				// Steps of whole 10 ms make gaps of exactly a window common.
				now += int64(random.IntN(4)) * int64(10*time.Millisecond)
				times = append(times, now)
			}
			arrivals[i].Attempt, arrivals[i].Time = int64(len(times)), now
			arrivals[i].Status = []int{200, 200, 500, 0}[random.IntN(4)]
		}
		random.Shuffle(len(arrivals), func(i, j int) { arrivals[i], arrivals[j] = arrivals[j], arrivals[i] })
		have := check(t, input, arrivals, checker.Extra{})
		if have.Requests != len(times) {
			t.Fatalf("seed %d: have %d requests, want %d", seed, have.Requests, len(times))
		}
		if want := most(times, time.Second); have.MaxSecond != want {
			t.Fatalf("seed %d: have %d in 1 s, want %d", seed, have.MaxSecond, want)
		}
		if want := most(times, 100*time.Millisecond); have.MaxTenth != want {
			t.Fatalf("seed %d: have %d in 100 ms, want %d", seed, have.MaxTenth, want)
		}
	}
}

// most counts every window that begins with a request.
func most(times []int64, window time.Duration) int {
	highest := 0
	for _, from := range times {
		count := 0
		for _, at := range times {
			if at >= from && at < from+int64(window) {
				count++
			}
		}
		highest = max(highest, count)
	}
	return highest
}

func TestCheckSeconds(t *testing.T) {
	t.Parallel()
	input, arrivals := history(4, 1)
	for i, at := range []time.Duration{time.Second, 3 * time.Second, 5500 * time.Millisecond, 9 * time.Second} {
		arrivals[i].Time = 1_700_000_000e9 + int64(at)
	}
	arrivals[0].Status, arrivals[3].Status = 500, 429
	if have := check(t, input, arrivals, checker.Extra{}).Seconds; have != 2.5 {
		t.Errorf("have %v s from the first acceptance to the last, want 2.5", have)
	}
	if have := check(t, input, nil, checker.Extra{}).Seconds; have != 0 {
		t.Errorf("have %v s of nothing, want 0", have)
	}
}

func TestCheckFaults(t *testing.T) {
	t.Parallel()
	broken := errors.New("wire cut")
	fail := func(yield func(checker.Arrival, error) bool) { yield(checker.Arrival{}, broken) }
	if _, err := checker.Check(each[checker.Expected](nil), fail, checker.Extra{}); !errors.Is(err, broken) {
		t.Errorf("history: have %v, want %v", err, broken)
	}
	failInput := func(yield func(checker.Expected, error) bool) { yield(checker.Expected{}, broken) }
	if _, err := checker.Check(failInput, each[checker.Arrival](nil), checker.Extra{}); !errors.Is(err, broken) {
		t.Errorf("input: have %v, want %v", err, broken)
	}
	for _, numbers := range [][]int{{0}, {-1}, {1 << 40}, {3, 3}} {
		var input []checker.Expected
		for _, n := range numbers {
			input = append(input, checker.Expected{N: n})
		}
		if _, err := checker.Check(each(input), each[checker.Arrival](nil), checker.Extra{}); err == nil {
			t.Errorf("events numbered %v: have no error", numbers)
		}
	}
	for _, attempt := range []int64{0, -1, 1 << 40} {
		arrivals := []checker.Arrival{{N: 1, Status: 200, Attempt: attempt}}
		if _, err := checker.Check(each[checker.Expected](nil), each(arrivals), checker.Extra{}); err == nil {
			t.Errorf("attempt %d: have no error", attempt)
		}
	}
}

// What the producer cannot read was never produced, so it is not expected;
// identical rows are events of their own.
func TestExpectReadsAsProduceDoes(t *testing.T) {
	t.Parallel()
	file := strings.Join([]string{
		`{"user":"a","event":"x","id":"i1"}`, `broken`, ``,
		`{"user":"b","event":"x"}`, `{"user":"b","event":"x"}`, `{"event":"of nobody"}`,
		`{"type":"person","action":"event","identifiers":{"email":"C@d.e"},"name":"x"}`,
	}, "\n")
	var have []checker.Expected
	for one, err := range checker.Expect(producer.NDJSON(strings.NewReader(file)), producer.Entity) {
		if err != nil {
			t.Fatal(err)
		}
		have = append(have, one)
	}
	want := []checker.Expected{{N: 1, User: "a", ID: "i1"}, {N: 4, User: "b"}, {N: 5, User: "b"}, {N: 7, User: "c@d.e"}}
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("\nhave %v\nwant %v", have, want)
	}
	arrivals := []checker.Arrival{{N: 4, Seq: 1, Status: 200, Attempt: 1}, {N: 5, Seq: 2, Status: 200, Attempt: 1}}
	if report := check(t, have, arrivals, checker.Extra{}); report.Delivered != 2 || report.Duplicates != 0 || report.Lost != 2 {
		t.Errorf("identical rows: have %+v", report)
	}
}
