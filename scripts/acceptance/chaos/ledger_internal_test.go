package chaos

import (
	"slices"
	"testing"

	"sluice/scripts/acceptance/rig"
)

func arrival(user string, seq, n int64, status int, effect bool) rig.Arrival {
	return rig.Arrival{Time: n, User: user, Seq: seq, N: n, Status: status, Effect: effect, Attempt: n}
}

func TestLedger(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		arrivals                  []rig.Arrival
		duplicates, breaks, twice int64
		taken                     int
	}{
		"in order":                  {[]rig.Arrival{arrival("a", 1, 1, 200, true), arrival("b", 1, 2, 200, true), arrival("a", 2, 3, 207, true)}, 0, 0, 0, 3},
		"refused is not taken":      {[]rig.Arrival{arrival("a", 2, 2, 500, false), arrival("a", 1, 1, 200, true), arrival("a", 2, 2, 200, true)}, 0, 0, 0, 2},
		"again":                     {[]rig.Arrival{arrival("a", 1, 1, 200, true), arrival("a", 2, 2, 200, true), arrival("a", 1, 1, 200, false)}, 1, 0, 0, 2},
		"an effect without answer":  {[]rig.Arrival{arrival("a", 1, 1, 0, true), arrival("a", 1, 1, 200, false)}, 1, 0, 0, 1},
		"no effect and no answer":   {[]rig.Arrival{arrival("a", 1, 1, 0, false), arrival("a", 1, 1, 200, true)}, 0, 0, 0, 1},
		"overtaken":                 {[]rig.Arrival{arrival("a", 2, 2, 200, true), arrival("a", 1, 1, 200, true), arrival("a", 3, 3, 200, true)}, 0, 1, 0, 3},
		"overtaken out of sight":    {[]rig.Arrival{arrival("a", 2, 2, 0, true), arrival("a", 1, 1, 200, true)}, 0, 1, 0, 2},
		"others are not overtaken":  {[]rig.Arrival{arrival("a", 2, 2, 200, true), arrival("b", 1, 1, 200, true)}, 0, 0, 0, 2},
		"an effect twice":           {[]rig.Arrival{arrival("a", 1, 1, 200, true), arrival("a", 1, 1, 200, true)}, 1, 0, 1, 1},
		"an effect, then not taken": {[]rig.Arrival{arrival("a", 1, 1, 0, true), arrival("a", 1, 1, 503, true)}, 1, 0, 1, 1},
	} {
		book := newLedger()
		for _, a := range c.arrivals {
			book.add(a)
		}
		if book.Duplicates != c.duplicates || book.OrderBreaks != c.breaks || book.DoubleEffects != c.twice || len(book.taken) != c.taken {
			t.Errorf("%s: want %d duplicates, %d order breaks, %d double effects, %d taken; have %d, %d, %d, %d",
				name, c.duplicates, c.breaks, c.twice, c.taken, book.Duplicates, book.OrderBreaks, book.DoubleEffects, len(book.taken))
		}
		if len(book.firsts) != c.taken || int64(len(book.breaks)) != c.breaks {
			t.Errorf("%s: want %d moments and %d examples, have %v and %q", name, c.taken, c.breaks, book.firsts, book.breaks)
		}
	}
}

func TestLedgerCountsRequests(t *testing.T) {
	t.Parallel()
	book := newLedger()
	for n := range int64(6) {
		a := arrival("a", n+1, n+1, 200, true)
		a.Attempt = n/3 + 1
		book.add(a)
	}
	if len(book.requests) != 2 {
		t.Errorf("want 2 requests of 3 events, have %d", len(book.requests))
	}
}

func letter(n string, headers map[string]string) rig.Record {
	return rig.Record{Value: []byte(`{"type":"person","attributes":{"_seq":1,"_n":` + n + `}}`), Headers: headers}
}

func TestLedgerSettles(t *testing.T) {
	t.Parallel()
	whole := map[string]string{"sluice-reason": "status_500", "sluice-verdict": "unavailable", "sluice-source": "t/0/1", "sluice-id": "x"}
	book := newLedger()
	for _, n := range []int64{1, 2, 5} {
		book.add(arrival("a", n, n, 200, true))
	}
	book.bury([]rig.Record{letter("3", whole), letter("3", whole), letter("5", whole)})
	if have := book.unsettled(7); !slices.Equal(have, []int64{4, 6, 7}) {
		t.Errorf("want 4, 6 and 7 not settled, have %d", have)
	}
	if have := book.twoWays(); !slices.Equal(have, []int64{5}) {
		t.Errorf("want 5 settled two ways, have %d", have)
	}
	if len(book.faulty) > 0 || len(book.letters) != 2 {
		t.Errorf("want two whole dead letters, have %v, %q", book.letters, book.faulty)
	}
	book.bury([]rig.Record{letter("4", map[string]string{"sluice-verdict": "rejected", "sluice-source": "t/0/1", "sluice-id": "x"}), {Value: []byte("{")}, letter("0", whole)})
	if len(book.faulty) != 3 || len(book.letters) != 1 {
		t.Errorf("want one without a reason and two of nobody's, have %v, %q", book.letters, book.faulty)
	}
}
