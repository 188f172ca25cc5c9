package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// floor runs the benchmark's steps of the gateway and holds it to their bars.
func (g gateway) floor(ctx context.Context, r *suite.Result) error {
	args := []string{"run", "./scripts/bench", "-only", "gateway-track,gateway-batch", "-json"}
	if !g.rig.Long {
		args = append(args, "-short")
	}
	out, err := rig.Command(ctx, g.rig.Root, nil, "go", args...)
	if err != nil {
		return err
	}
	steps := 0
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		var row struct {
			Step string `json:"step"`
			Runs []struct {
				Contender string  `json:"contender"`
				CPU       float64 `json:"cpu_s_per_100k"`
				Rate      float64 `json:"events_per_s"`
			} `json:"runs"`
			Bars []struct {
				Name string  `json:"name"`
				Have float64 `json:"have"`
				Bar  float64 `json:"bar"`
				Most bool    `json:"most"`
				Unit string  `json:"unit"`
			} `json:"bars"`
		}
		if json.Unmarshal(lines.Bytes(), &row) != nil || row.Step == "" {
			continue
		}
		steps++
		for _, run := range row.Runs {
			r.Note(row.Step+" "+run.Contender, fmt.Sprintf("%.1f us of CPU at %.0f/s", run.CPU*10, run.Rate))
		}
		for _, b := range row.Bars {
			if b.Most {
				r.AtMost(row.Step+" "+b.Name, b.Have, b.Bar, b.Unit)
			} else {
				r.AtLeast(row.Step+" "+b.Name, b.Have, b.Bar, b.Unit)
			}
		}
	}
	r.Equal("steps", int64(steps), 2)
	return nil
}
