package sender_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"sluice/pipeline/sender"
)

func TestReadLines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text string
		want sender.Lines
		err  string
	}{
		{"", nil, ""},
		{"5\n\n 7 \n", sender.Lines{{From: 5, To: 5}, {From: 7, To: 7}}, ""},
		{"9-12\n3-4\n", sender.Lines{{From: 3, To: 4}, {From: 9, To: 12}}, ""},
		{"3-7\n5-9\n10\n4\n", sender.Lines{{From: 3, To: 10}}, ""},
		{"1\ntwo\n", nil, "line 2: must be a line number"},
		{"7-3\n", nil, "line 1: must be"},
		{"0\n", nil, "line 1: must be"},
		{"-3\n", nil, "line 1: must be"},
		{"1-2-3\n", nil, "line 1: must be"},
	} {
		have, err := sender.ReadLines(strings.NewReader(tc.text))
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) || !slices.Equal(have, tc.want) {
			t.Errorf("%q: want %v, %q, have %v, %v", tc.text, tc.want, tc.err, have, err)
		}
		var out bytes.Buffer
		if err := have.Write(&out); err != nil {
			t.Fatal(err)
		}
		if again, err := sender.ReadLines(&out); err != nil || !slices.Equal(again, have) {
			t.Errorf("%q: written and read: %v, %v", tc.text, again, err)
		}
	}
}

func TestLinesHas(t *testing.T) {
	t.Parallel()
	lines := sender.Lines{{From: 3, To: 4}, {From: 7, To: 7}, {From: 9, To: 12}}
	var have []int64
	for n := range int64(15) {
		if lines.Has(n) {
			have = append(have, n)
		}
	}
	if want := []int64{3, 4, 7, 9, 10, 11, 12}; !slices.Equal(have, want) {
		t.Errorf("want %v, have %v", want, have)
	}
}
