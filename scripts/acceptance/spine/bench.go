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
	Step string             `json:"step"`
	Bars []bar              `json:"bars"`
	More map[string]float64 `json:"figures"`
}

type bar struct {
	Name string  `json:"name"`
	Have float64 `json:"have"`
	Bar  float64 `json:"bar"`
	Most bool    `json:"most"` // have must not be above bar; else not below
	Unit string  `json:"unit"`
}

// bench runs the whole path beside the reference and holds it to the bars.
// Other work on the machine costs both sides, so ratios are told as they are
// and absolute figures get a quarter's grace in the short form.
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
		for _, b := range line.Bars {
			name, limit := line.Step+" "+b.Name, b.Bar
			switch {
			case b.Most && s.rig.Long:
				r.AtMost(name, b.Have, limit, b.Unit)
			case b.Most:
				r.AtMost(name, b.Have, limit*1.25, b.Unit)
			case s.rig.Long:
				r.AtLeast(name, b.Have, limit, b.Unit)
			default:
				r.AtLeast(name, b.Have, limit*0.8, b.Unit)
			}
		}
		r.Note(line.Step, fmt.Sprintf("%.0f events/s", line.More["events_per_s"]))
	}
	return nil
}
