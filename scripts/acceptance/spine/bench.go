package spine

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// row is a line of the benchmark's JSON form.
type row struct {
	Step string `json:"step"`
	Runs []struct {
		Contender  string  `json:"contender"`
		Rate       float64 `json:"events_per_s"`
		CPU        float64 `json:"cpu_s_per_100k"`
		OtherCores float64 `json:"other_cores"`
	} `json:"runs"`
	Bars []struct {
		Name string  `json:"name"`
		Have float64 `json:"have"`
		Bar  float64 `json:"bar"`
		Most bool    `json:"most"` // have must not be above bar; else not below
		Unit string  `json:"unit"`
		Time bool    `json:"time"` // other work on the machine moves it
	} `json:"bars"`
}

// grace is what figures with time in them may miss their bar by in the short
// form, which mostly shares the machine with other work.
const grace = 1.25

// bench runs the whole path beside the reference and holds it to the bars.
func (s spine) bench(ctx context.Context, r *suite.Result) error {
	args := []string{"run", "./scripts/bench", "-json"}
	if !s.rig.Long {
		args = append(args, "-short")
	}
	out, err := rig.Command(ctx, s.rig.Root, nil, "go", args...)
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		var line row
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Step == "" {
			continue
		}
		line.judge(r, s.rig.Long)
	}
	return nil
}

func (l row) judge(r *suite.Result, strict bool) {
	for _, run := range l.Runs {
		r.Note(l.Step+" "+run.Contender, fmt.Sprintf("%.0f/s at %.2f CPU s per 100k, %.1f cores busy with other work", run.Rate, run.CPU, run.OtherCores))
	}
	for _, b := range l.Bars {
		allowed := 1.0
		if b.Time && !strict {
			allowed = grace
		}
		if b.Most {
			r.AtMost(l.Step+" "+b.Name, b.Have, b.Bar*allowed, b.Unit)
		} else {
			r.AtLeast(l.Step+" "+b.Name, b.Have, b.Bar/allowed, b.Unit)
		}
	}
}
