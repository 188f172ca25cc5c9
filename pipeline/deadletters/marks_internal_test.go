package deadletters

import (
	"math/rand/v2"
	"slices"
	"testing"

	"sluice/pipeline/event"
)

func TestOffsetsAreASet(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8))
	for range 50 {
		set, want := offsets{}, map[int64]bool{}
		base := random.Int64N(1 << 50)
		for range 300 {
			offset := base + random.Int64N(20_000)
			set.add(offset)
			want[offset] = true
		}
		var all []int64
		for offset := base - 5; offset < base+20_005; offset++ {
			if set.has(offset) != want[offset] {
				t.Fatalf("%d: want %v", offset, want[offset])
			}
			if want[offset] {
				all = append(all, offset)
			}
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		spans := spansOf(append(slices.Clone(all), all...))
		if count(spans) != len(want) || !slices.IsSortedFunc(spans, func(a, b Span) int { return int(a[0] - b[1] - 1) }) {
			t.Fatalf("want %d offsets in spans, have %d", len(want), count(spans))
		}
		for _, offset := range all {
			if !covers(spans, offset) {
				t.Fatalf("%d is in no span", offset)
			}
		}
		if missing := without(spans, all[1:]); len(missing) != 1 || missing[0] != (Span{all[0], all[0]}) {
			t.Fatalf("want only %d missing, have %v", all[0], missing)
		}
	}
	if (offsets{}).has(-1) {
		t.Error("have -1")
	}
}

func TestMarkReadsBack(t *testing.T) {
	t.Parallel()
	for _, m := range []mark{
		{Kind: markClaim, Run: "r", Deed: Redrive, By: "me", Letters: []Span{{3, 3}, {5, 9}}, Live: map[int32]int64{4: 7}},
		{Kind: markDone, Run: "r", Deed: Drop, Letters: []Span{}},
		{Kind: markAction, Run: "r", Deed: Drop, Counts: &Counts{Handled: 4}},
	} {
		r, err := m.record("t", 2)
		if err != nil || !isMark(r) || r.Partition != 2 || r.Key != nil {
			t.Fatalf("have %+v, %v", r, err)
		}
		r.Offset = 100
		have, err := parseMark(r)
		if err != nil || have.Kind != m.Kind || count(have.Letters) != count(m.Letters) || have.Live[4] != m.Live[4] {
			t.Errorf("want %+v, have %+v, %v", m, have, err)
		}
		if r.Offset = 8; count(m.Letters) > 0 {
			if _, err := parseMark(r); err == nil {
				t.Error("want letters after the mark refused")
			}
		}
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add([]byte(`{"kind":"done","run":"r","deed":"drop","letters":[[1,3],[5,5]]}`))
	f.Add([]byte(`{"kind":"done","run":"r","deed":"drop","letters":[[0,9223372036854775807]]}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		r := event.Record{Offset: 1 << 40, Value: value}
		m, err := parseMark(r)
		if err != nil {
			return
		}
		k := &book{redriven: offsets{}, dropped: offsets{}, open: map[string]claim{}}
		k.add(r)
		if m.Kind == markDone {
			for _, s := range m.Letters {
				if k.state(s[0]) == Pending || k.state(s[1]) == Pending {
					t.Errorf("%v is not settled", s)
				}
			}
		}
		if n := count(m.Letters); n > maxMarked {
			t.Errorf("a mark of %d letters is taken", n)
		}
	})
}
