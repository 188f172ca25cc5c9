package rehearsal_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/pipeline/rehearsal"
)

// sent is an outcome with so many sends in each second.
func sent(seconds ...int) *rehearsal.Outcome {
	o := &rehearsal.Outcome{Begin: monday}
	for second, n := range seconds {
		for i := range n {
			at := time.Duration(second)*time.Second + time.Duration(i)*time.Second/time.Duration(n)
			o.Sends = append(o.Sends, rehearsal.Send{At: at, Event: len(o.Sends)})
		}
	}
	return o
}

func TestFigures(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		o := &rehearsal.Outcome{}
		at := time.Duration(0)
		for i := range 200 {
			at += time.Duration(r.IntN(60)) * 10 * time.Millisecond
			o.Sends = append(o.Sends, rehearsal.Send{At: at, Event: i})
			o.Requests = append(o.Requests, at)
		}
		even := func(e int) bool { return e%2 == 0 }
		want := 0
		for _, from := range o.Sends {
			n := 0
			for _, s := range o.Sends {
				if even(s.Event) && s.At >= from.At && s.At < from.At+time.Second {
					n++
				}
			}
			want = max(want, n)
		}
		f := o.Figures(even)
		if f.Peak != want || f.Events != 100 || f.First != o.Sends[0].At || f.Last != o.Sends[198].At {
			t.Fatalf("want at most %d, have %+v", want, f)
		}
		if all := o.Figures(nil); o.PeakRequests() != all.Peak {
			t.Fatalf("requests: want %d, have %d", all.Peak, o.PeakRequests())
		}
		columns := o.Columns(7*time.Second, at, make([]uint8, 200), 1)
		sum, most := 0, 0
		for _, c := range columns.Columns {
			sum += c.Events
			most = max(most, c.Busiest)
		}
		if sum != 200 || most != o.Figures(nil).Peak {
			t.Fatalf("columns: have %d events, at most %d", sum, most)
		}
	}
}

func TestWidthFor(t *testing.T) {
	t.Parallel()
	for _, span := range []time.Duration{0, time.Second, 89 * time.Second, 90 * time.Second, 3 * time.Hour, 10 * 24 * time.Hour, 90 * 365 * 24 * time.Hour} {
		width := rehearsal.WidthFor(span, 90)
		if width < time.Second || int(span/width)+1 > 90 {
			t.Errorf("%v: have %v", span, width)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	chart := rehearsal.Chart{
		Panels:  []rehearsal.Panel{{Title: "before", Outcome: sent(400, 400)}, {Title: "after", Outcome: sent(40, 80, 80, 60, 20, 0, 1)}},
		Classes: []string{"default"}, Class: make([]uint8, 1000),
	}
	var out strings.Builder
	if err := chart.Text(&out, 60); err != nil {
		t.Fatal(err)
	}
	const want = `before
    160 ┤▲▲
        │██
        │██
        │██
     80 ┤██
        │██
        │██
        │██
        │ ▲ is beyond the scale: up to 400/s

after
    160 ┤
        │
        │
        │
     80 ┤ ██
        │ ███
        │████
        │█████ ▁
      0 └┬─┬─┬─┬
        0 s  6 s
events a second; a column is a second
`
	if out.String() != want {
		t.Errorf("want\n%s\nhave\n%s", want, out.String())
	}
}

// Whatever is drawn, no line is wider than asked for.
func TestTextKeepsItsWidth(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int{1, 60, 85, 4000, 100_000} {
		o := &rehearsal.Outcome{Begin: monday}
		for i := range seconds {
			o.Sends = append(o.Sends, rehearsal.Send{At: time.Duration(i) * time.Second, Event: 0})
		}
		chart := rehearsal.Chart{Panels: []rehearsal.Panel{{Title: "one", Outcome: o}}, Classes: []string{"default"}, Class: []uint8{0}}
		for _, wide := range []int{0, 80, 100} {
			var out strings.Builder
			if err := chart.Text(&out, wide); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(out.String()) {
				if n := utf8.RuneCountInString(line) - 1; n > max(wide, rehearsal.LeastWide) && !strings.HasPrefix(line, "events a second") {
					t.Errorf("%d s, %d wide: have %d in %q", seconds, wide, n, line)
				}
			}
		}
	}
}

func TestSVG(t *testing.T) {
	t.Parallel()
	classes := []string{"default", `<a&"b">`, "c", "d", "e", "f", "g", "h", "i", "j"}
	class := make([]uint8, 1000)
	for i := range class {
		class[i] = uint8(i % len(classes))
	}
	chart := rehearsal.Chart{
		Title:   "1 < 2",
		Panels:  []rehearsal.Panel{{Title: "before", Outcome: sent(900)}, {Title: "after", Outcome: sent(40, 80, 80, 60, 20, 0, 1)}},
		Classes: classes, Class: class,
	}
	var out strings.Builder
	if err := chart.SVG(&out); err != nil {
		t.Fatal(err)
	}
	decoder := xml.NewDecoder(strings.NewReader(out.String()))
	var texts []string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		if data, ok := token.(xml.CharData); ok {
			texts = append(texts, strings.TrimSpace(string(data)))
		}
	}
	all := strings.Join(texts, "|")
	for _, want := range []string{"1 < 2", "before", "after", `<a&"b">`, "others", "up to 900/s", "160", "events a second", "prefers-color-scheme: dark"} {
		if !strings.Contains(all, want) {
			t.Errorf("want %q, have %s", want, all)
		}
	}
	if strings.Contains(out.String(), "NaN") || strings.Contains(out.String(), "Inf") {
		t.Error("want numbers")
	}
}

// How far a column goes that is cut is told within the picture, also at its edge.
func TestCutsAreTold(t *testing.T) {
	t.Parallel()
	for at, want := range map[int]string{0: `text-anchor="start" font-weight="600">up to 400/s`, 9: `text-anchor="end" font-weight="600">up to 400/s`} {
		seconds := []int{1, 2, 2, 1, 2, 1, 2, 1, 2, 1}
		calm := sent(seconds...)
		seconds[at] = 400
		chart := rehearsal.Chart{
			Panels:  []rehearsal.Panel{{Title: "a", Outcome: calm}, {Title: "b", Outcome: sent(seconds...)}},
			Classes: []string{"default"}, Class: make([]uint8, 500),
		}
		var out strings.Builder
		if err := chart.SVG(&out); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("want %s, have %v\n%s", want, err, out.String())
		}
	}
}

// Nothing that was sent draws an empty chart.
func TestEmptyChart(t *testing.T) {
	t.Parallel()
	chart := rehearsal.Chart{Panels: []rehearsal.Panel{{Title: "none", Outcome: &rehearsal.Outcome{}}}, Classes: []string{"default"}}
	var out strings.Builder
	if err := errors.Join(chart.Text(&out, 80), chart.SVG(&out)); err != nil || !strings.Contains(out.String(), "none") || strings.Contains(out.String(), "NaN") {
		t.Errorf("have %v\n%s", err, out.String())
	}
}

func TestThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if have := rehearsal.Thousands(n); have != want {
			t.Errorf("want %s, have %s", want, have)
		}
	}
}
