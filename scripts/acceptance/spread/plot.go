package spread

import (
	"fmt"
	"os"
	"strings"
	"text/template"
	"time"

	"sluice/scripts/acceptance/rig"
)

// plot draws how many events arrived in each second, beside what a limit of so
// many a minute makes of the same burst: all of a window's allowance at once.
func (st *stage) plot(b burst, times rig.Times, begin time.Time) error {
	seconds := int(b.over/time.Second) + 6
	arrived := make([]int, seconds)
	for _, at := range times {
		if i := int(time.Unix(0, at).Sub(begin) / time.Second); i >= 0 && i < seconds {
			arrived[i]++
		}
	}
	window := make([]int, seconds) // 1,500 a minute, each minute's as fast as the destination takes it
	left := len(times)
	for start := 0; start < seconds && left > 0; start += 60 {
		allowed := min(left, pace*60)
		left -= allowed
		for i := start; i < seconds && allowed > 0; i++ {
			n := min(allowed, vendorBurst)
			window[i] += n
			allowed -= n
		}
	}
	name, note := "spread-"+b.by, b.by
	if b.kill {
		name, note = name+"-killed", note+", its sender killed half-way"
	}
	path := st.rig.Path(st.rig.Name(name) + ".svg")
	var out strings.Builder
	err := picture().Execute(&out, panels([]series{
		{"a limit of 1,500 a minute", window}, {fmt.Sprintf("sluice, spread: %s (%s)", strings.Replace(b.over.String(), "m0s", "m", 1), note), arrived},
	}))
	if err != nil {
		return fmt.Errorf("draw the plot: %w", err)
	}
	if err := os.WriteFile(path, []byte(out.String()), 0o600); err != nil {
		return fmt.Errorf("write the plot: %w", err)
	}
	return nil
}

// vendorBurst is how many a second an unpaced sender gets out within its limit.
const vendorBurst = 1000

// series is one panel's bars, a second each.
type series struct {
	Title string
	Bars  []int
}

// panel is where a series stands in the picture.
type panel struct {
	Title       string
	Y           int
	Peak, Top   int
	Rectangles  []rectangle
	Seconds     []label
	Half, Whole string
}

type rectangle struct{ X, Y, W, H float64 }

type label struct {
	X    float64
	Text string
}

const (
	wide, high = 640.0, 140.0
	left       = 56
)

func panels(all []series) []panel {
	var drawn []panel
	for i, s := range all {
		most := 1
		for _, n := range s.Bars {
			most = max(most, n)
		}
		p := panel{Title: s.Title, Y: 40 + i*210, Peak: most, Whole: fmt.Sprint(most), Half: fmt.Sprint(most / 2)}
		width := wide / float64(len(s.Bars))
		for at, n := range s.Bars {
			if n > 0 {
				h := high * float64(n) / float64(most)
				p.Rectangles = append(p.Rectangles, rectangle{left + float64(at)*width, high - h, max(0.6, width-0.4), h})
			}
		}
		for at := 0; at < len(s.Bars); at += max(10, len(s.Bars)/60*10) {
			p.Seconds = append(p.Seconds, label{left + float64(at)*width, fmt.Sprintf("%d s", at)})
		}
		drawn = append(drawn, p)
	}
	return drawn
}

func picture() *template.Template {
	return template.Must(template.New("plot").Parse(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 450" font-family="system-ui, sans-serif" font-size="12">
<style>
 svg { background: #ffffff; } text { fill: #1f2328; } .bar { fill: #2f6feb; } .burst .bar { fill: #d1242f; } .axis { stroke: #8b949e; stroke-width: 1; } .grid { stroke: #d0d7de; stroke-width: 0.5; }
 @media (prefers-color-scheme: dark) { svg { background: #0d1117; } text { fill: #e6edf3; } .grid { stroke: #30363d; } }
</style>
{{- range $i, $p := .}}
<g transform="translate(0 {{.Y}})"{{if eq $i 0}} class="burst"{{end}}>
<text x="56" y="-14" font-weight="600">{{.Title}}: at most {{.Peak}} events in a second</text>
<line class="grid" x1="56" y1="0" x2="696" y2="0"/><line class="grid" x1="56" y1="70" x2="696" y2="70"/>
<text x="50" y="4" text-anchor="end">{{.Whole}}/s</text><text x="50" y="74" text-anchor="end">{{.Half}}/s</text>
{{- range .Rectangles}}
<rect class="bar" x="{{printf "%.1f" .X}}" y="{{printf "%.1f" .Y}}" width="{{printf "%.1f" .W}}" height="{{printf "%.1f" .H}}"/>
{{- end}}
<line class="axis" x1="56" y1="140" x2="696" y2="140"/>
{{- range .Seconds}}
<text x="{{printf "%.1f" .X}}" y="156" text-anchor="middle">{{.Text}}</text>
{{- end}}
</g>
{{- end}}
</svg>
`))
}
