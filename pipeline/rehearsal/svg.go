package rehearsal

import (
	"fmt"
	"io"
	"text/template"
	"time"
)

// Measures of the picture, in its own units.
const (
	pictureWide  = 860.0
	plotLeft     = 64.0
	plotWide     = 772.0
	plotHigh     = 150.0
	panelHigh    = 226.0 // from one panel to the next
	firstPanel   = 92.0
	svgColumns   = 386 // two units each
	shownClasses = 7   // in colours of their own; the rest are one
	letterWide   = 6.6
	leastHigh    = 1.2 // of a column with events
)

// picture is what the template draws.
type picture struct {
	Title       string
	Wide, High  float64
	Left, Right float64
	PlotHigh    float64
	Note        string
	Legend      []legend
	Panels      []drawn
	Marks       []mark
}

type legend struct {
	X      float64
	Colour int
	Name   string
}

type drawn struct {
	Y          float64
	Title      string
	Top, Half  string
	Rectangles []rectangle
	Cuts       []cut
	Beyond     mark // without text: nothing is cut
}

type rectangle struct {
	X, Y, W, H float64
	Class      string
}

// cut is where a column goes on beyond the scale.
type cut struct {
	X, W float64
}

type mark struct {
	X            float64
	Text, Anchor string
}

// SVG draws the chart as a picture for light and dark pages alike. The error is
// the writer's.
func (c *Chart) SVG(w io.Writer) error {
	s, all := c.fit(svgColumns)
	p := picture{
		Title: c.Title, Wide: pictureWide, High: firstPanel + panelHigh*float64(len(all)) - 30, Left: plotLeft, Right: plotLeft + plotWide,
		PlotHigh: plotHigh, Note: "events a second",
	}
	if s.width > time.Second {
		p.Note += "; a column is " + span(s.width) + ", pale: its busiest second"
	}
	colours := c.colours(&p)
	wide := plotWide / float64(s.columns)
	for i := range all {
		d := all[i].draw(s, wide, colours)
		d.Y, d.Title = firstPanel+panelHigh*float64(i), c.Panels[i].Title
		p.Panels = append(p.Panels, d)
	}
	for _, t := range s.ticks {
		at := plotWide * t.at.Seconds() / s.edge().Seconds()
		m := mark{X: plotLeft + at, Text: t.text, Anchor: "middle"}
		switch half := letterWide * float64(len(t.text)) / 2; {
		case at > plotWide:
			continue
		case at > plotWide-half:
			m.Anchor = "end"
		}
		p.Marks = append(p.Marks, m)
	}
	if err := pictureTemplate().Execute(w, p); err != nil {
		return fmt.Errorf("draw the chart: %w", err)
	}
	return nil
}

// colours gives classes that have sent something a colour each, the largest
// first, and says so in the legend.
func (c *Chart) colours(p *picture) []int {
	counts := make([]int, len(c.Classes))
	for _, panel := range c.Panels {
		for _, s := range panel.Outcome.Sends {
			counts[c.Class[s.Event]]++
		}
	}
	colours := make([]int, len(c.Classes))
	x, used, others := plotLeft, 0, false
	add := func(colour int, name string) {
		p.Legend = append(p.Legend, legend{x, colour, name})
		x += 26 + letterWide*float64(len(name))
	}
	for i, name := range c.Classes {
		switch {
		case counts[i] == 0:
		case i > 0 && used < shownClasses:
			used++
			colours[i] = used
			add(used, name)
		case i == 0:
			add(0, name)
		default:
			colours[i] = shownClasses + 1
			others = true
		}
	}
	if others {
		add(shownClasses+1, "others")
	}
	return colours
}

// draw makes rectangles of one panel's columns.
func (b *bars) draw(s scale, wide float64, colours []int) drawn {
	d := drawn{Top: perSecond(s.top), Half: perSecond(s.top / 2)}
	high := func(v float64) float64 { return plotHigh * min(v, s.top) / s.top }
	for i, column := range b.Columns.Columns {
		x, total := plotLeft+float64(i)*wide, high(b.mean(column))
		if total > 0 { // or it would look as if there were none
			total = max(total, leastHigh)
		}
		if busiest := high(b.busiest(column)); busiest > total {
			class := fmt.Sprintf("busy c%d", shownClasses+1)
			if at := largest(column.Classes); 2*column.Classes[at] > column.Events {
				class = fmt.Sprintf("busy c%d", colours[at])
			}
			d.Rectangles = append(d.Rectangles, rectangle{x, plotHigh - busiest, wide, busiest - total, class})
		}
		y := plotHigh
		for class, n := range column.Classes {
			if n == 0 {
				continue
			}
			h := total * float64(n) / float64(column.Events)
			y -= h
			d.Rectangles = append(d.Rectangles, rectangle{x, y, wide, h, fmt.Sprintf("c%d", colours[class])})
		}
		if most := max(b.mean(column), b.busiest(column)); most > s.top {
			d.Cuts = append(d.Cuts, cut{X: x, W: wide})
		}
	}
	d.tellCuts("up to " + perSecond(b.most) + "/s")
	return d
}

// tellCuts writes how far columns go on beyond the scale: behind the first ones
// that do, or before them where there is no room.
func (d *drawn) tellCuts(text string) {
	if len(d.Cuts) == 0 {
		return
	}
	last := 0
	for last+1 < len(d.Cuts) && d.Cuts[last+1].X < d.Cuts[last].X+1.5*d.Cuts[last].W {
		last++
	}
	const gap = 6
	d.Beyond = mark{d.Cuts[last].X + d.Cuts[last].W + gap, text, "start"}
	if d.Beyond.X+1.2*letterWide*float64(len(text)) > plotLeft+plotWide {
		d.Beyond.X, d.Beyond.Anchor = d.Cuts[0].X-gap, "end"
	}
}

// largest is the number of the class with most events.
func largest(classes []int) int {
	at := 0
	for i, n := range classes {
		if n > classes[at] {
			at = i
		}
	}
	return at
}

func pictureTemplate() *template.Template {
	return template.Must(template.New("chart").Funcs(template.FuncMap{
		"n":   func(f float64) string { return fmt.Sprintf("%.2f", f) },
		"add": func(a, b float64) float64 { return a + b },
		"div": func(a, b float64) float64 { return a / b },
	}).Parse(pictureText))
}

const pictureText = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{n .Wide}} {{n .High}}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="12" role="img">
<title>{{html .Title}}</title>
<style>
 .page { fill: #ffffff } text { fill: #1f2328 } .soft { fill: #59636e } .axis { stroke: #818b98 } .grid { stroke: #d1d9e0; stroke-dasharray: 2 3 }
 .busy { opacity: .42 } .cut { fill: #ffffff }
 .c0 { fill: #818b98 } .c1 { fill: #2f6feb } .c2 { fill: #e16f24 } .c3 { fill: #1f883d } .c4 { fill: #8250df } .c5 { fill: #cf222e } .c6 { fill: #0e8a9c } .c7 { fill: #b08800 } .c8 { fill: #59636e }
 @media (prefers-color-scheme: dark) {
  .page { fill: #0d1117 } text { fill: #e6edf3 } .soft { fill: #9198a1 } .axis { stroke: #656c76 } .grid { stroke: #30363d } .cut { fill: #0d1117 }
  .c0 { fill: #9198a1 } .c1 { fill: #4493f8 } .c2 { fill: #f0883e } .c3 { fill: #3fb950 } .c4 { fill: #ab7df8 } .c5 { fill: #f85149 } .c6 { fill: #39c5cf } .c7 { fill: #d29922 } .c8 { fill: #6e7681 }
 }
</style>
<rect class="page" width="{{n .Wide}}" height="{{n .High}}"/>
<text x="{{n .Left}}" y="26" font-size="15" font-weight="600">{{html .Title}}</text>
{{range .Legend -}}
<rect class="c{{.Colour}}" x="{{n .X}}" y="40" width="10" height="10" rx="2"/><text x="{{n (add .X 15)}}" y="49">{{html .Name}}</text>
{{end -}}
<text class="soft" x="{{n .Right}}" y="49" text-anchor="end">{{.Note}}</text>
{{- $p := .}}
{{range .Panels}}
<g transform="translate(0 {{n .Y}})">
<text x="{{n $p.Left}}" y="-12" font-weight="600">{{html .Title}}</text>
<line class="grid" x1="{{n $p.Left}}" y1="0" x2="{{n $p.Right}}" y2="0"/><line class="grid" x1="{{n $p.Left}}" y1="{{n (div $p.PlotHigh 2)}}" x2="{{n $p.Right}}" y2="{{n (div $p.PlotHigh 2)}}"/>
<text class="soft" x="{{n (add $p.Left -8)}}" y="4" text-anchor="end">{{.Top}}</text><text class="soft" x="{{n (add $p.Left -8)}}" y="{{n (add (div $p.PlotHigh 2) 4)}}" text-anchor="end">{{.Half}}</text><text class="soft" x="{{n (add $p.Left -8)}}" y="{{n (add $p.PlotHigh 4)}}" text-anchor="end">0</text>
<g shape-rendering="crispEdges">
{{range .Rectangles}}<rect class="{{.Class}}" x="{{n .X}}" y="{{n .Y}}" width="{{n .W}}" height="{{n .H}}"/>
{{end}}</g>
{{range .Cuts}}<rect class="cut" x="{{n (add .X -1)}}" y="12" width="{{n (add .W 2)}}" height="2.5"/><rect class="cut" x="{{n (add .X -1)}}" y="17" width="{{n (add .W 2)}}" height="2.5"/>
{{end}}{{with .Beyond}}{{if .Text}}<text x="{{n .X}}" y="19" text-anchor="{{.Anchor}}" font-weight="600">{{.Text}}</text>
{{end}}{{end}}<line class="axis" x1="{{n $p.Left}}" y1="{{n $p.PlotHigh}}" x2="{{n $p.Right}}" y2="{{n $p.PlotHigh}}"/>
{{range $p.Marks}}<line class="axis" x1="{{n .X}}" y1="{{n $p.PlotHigh}}" x2="{{n .X}}" y2="{{n (add $p.PlotHigh 5)}}"/><text class="soft" x="{{n .X}}" y="{{n (add $p.PlotHigh 20)}}" text-anchor="{{.Anchor}}">{{.Text}}</text>
{{end}}</g>
{{end}}</svg>
`
