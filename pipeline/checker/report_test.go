package checker_test

import (
	"encoding/json"
	"strings"
	"testing"

	"sluice/pipeline/checker"
)

func TestReportFields(t *testing.T) {
	t.Parallel()
	have, err := json.Marshal(checker.Report{
		Read: 1, Delivered: 2, DeadLettered: 3, Dropped: 4, InHand: 5, Lost: 6, Duplicates: 7, DoubleEffects: 8,
		OrderBreaks: 9, MaxSecond: 10, MaxTenth: 11, Requests: 12, Seconds: 13.5, Foreign: 14,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"read":1,"delivered":2,"dead_lettered":3,"dropped":4,"in_hand":5,"lost":6,"duplicates":7,"double_effects":8,` +
		`"order_breaks":9,"max_1s":10,"max_100ms":11,"requests":12,"seconds":13.5,"foreign":14}`
	if string(have) != want {
		t.Errorf("\nhave %s\nwant %s", have, want)
	}
}

func TestReportOK(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		report checker.Report
		want   bool
	}{
		"clean":          {checker.Report{Read: 5, Delivered: 5}, true},
		"duplicates":     {checker.Report{Read: 5, Delivered: 5, Duplicates: 3}, true},
		"set aside":      {checker.Report{Read: 5, Delivered: 2, DeadLettered: 2, InHand: 1}, true},
		"lost":           {checker.Report{Read: 5, Delivered: 4, Lost: 1}, false},
		"double effects": {checker.Report{Read: 5, Delivered: 5, DoubleEffects: 1}, false},
		"order breaks":   {checker.Report{Read: 5, Delivered: 5, OrderBreaks: 1}, false},
	} {
		if have := c.report.OK(); have != c.want {
			t.Errorf("%s: have %v, want %v", name, have, c.want)
		}
	}
}

func TestReportTable(t *testing.T) {
	t.Parallel()
	have := checker.Report{Read: 69659, Delivered: 69650, DeadLettered: 4, Lost: 5, Duplicates: 1234567, Requests: 700, MaxSecond: 80, MaxTenth: 8, Seconds: 8.75}.Table()
	want := strings.Join([]string{
		"read                   69,659",
		"delivered              69,650",
		"dead-lettered               4",
		"dropped                     0",
		"in hand                     0",
		"lost                        5",
		"duplicates          1,234,567",
		"double effects              0",
		"order breaks                0",
		"foreign                     0",
		"requests                  700",
		"most in 1 s                80",
		"most in 100 ms              8",
		"seconds                   8.8",
		"events/s                7,960",
		"",
		"read 69,659 = delivered 69,650 + dead-lettered 4 + dropped 0 + in hand 0 + lost 5",
		"NOT ok",
		"",
	}, "\n")
	if have != want {
		t.Errorf("\nhave:\n%s\nwant:\n%s", have, want)
	}
	for report, want := range map[checker.Report]string{
		{Read: 5, Delivered: 5}:            "\nok\n",
		{Delivered: 1}:                     "events/s                    -\n",
		{Delivered: 5, Seconds: 2}:         "events/s                  2.5\n",
		{Read: 5, Delivered: 5, InHand: 2}: "in hand 2 + lost 0 - 2 counted twice\n",
		{Read: 5, Lost: 5, Foreign: 5}:     "was it produced with --seq",
	} {
		if have := report.Table(); !strings.Contains(have, want) {
			t.Errorf("have\n%s\nwant %q in it", have, want)
		}
	}
}

// What waits for its time is told below what is in hand, and only when there is
// something: neither lost nor late.
func TestReportTellsWhatIsDeferred(t *testing.T) {
	t.Parallel()
	r := checker.Report{Read: 12, InHand: 12, Deferred: 10}
	if have := r.Table(); !r.OK() || !strings.Contains(have, "in hand                    12\nof it deferred             10\nlost                        0\n") {
		t.Errorf("have %s", have)
	}
	if have, err := json.Marshal(r); err != nil || !strings.Contains(string(have), `"deferred":10`) {
		t.Errorf("have %s, %v", have, err)
	}
	r.Deferred = 0
	if have := r.Table(); strings.Contains(have, "deferred") {
		t.Errorf("have %s", have)
	}
}
