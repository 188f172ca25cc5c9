package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// Report is what `sluice produce -o json` ends with.
type Report struct {
	Succeeded int64   `json:"succeeded"`
	Failed    int64   `json:"failed"`
	Seconds   float64 `json:"seconds"`
}

// Verdict is what `sluice check -o json` ends with.
type Verdict struct {
	Read          int64   `json:"read"`
	Delivered     int64   `json:"delivered"`
	DeadLettered  int64   `json:"dead_lettered"`
	Dropped       int64   `json:"dropped"`
	InHand        int64   `json:"in_hand"`
	Lost          int64   `json:"lost"`
	Duplicates    int64   `json:"duplicates"`
	DoubleEffects int64   `json:"double_effects"`
	OrderBreaks   int64   `json:"order_breaks"`
	Max1s         int64   `json:"max_1s"`
	Max100ms      int64   `json:"max_100ms"`
	Requests      int64   `json:"requests"`
	Seconds       float64 `json:"seconds"`
}

// LastObject decodes the last line of a command's output.
func LastObject(out string, into any) error {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	last := lines[len(lines)-1]
	if err := json.Unmarshal([]byte(last), into); err != nil {
		return fmt.Errorf("the last line of output is no JSON object: %w: %.200s", err, last)
	}
	return nil
}

// Produce runs `sluice produce` on a file to its end.
func (r *Rig) Produce(ctx context.Context, config, stream, file string, flags ...string) (Report, error) {
	var report Report
	binary, err := r.Sluice()
	if err != nil {
		return report, err
	}
	args := append([]string{"produce", stream, file, "-c", config, "-o", "json", "--seq"}, flags...)
	out, err := Command(ctx, r.Dir, nil, binary, args...)
	if err != nil {
		return report, err
	}
	return report, LastObject(out, &report)
}

// Check runs `sluice check`, which exits 1 when something was lost, doubled or
// out of order; that is a verdict here, not an error.
func (r *Rig) Check(ctx context.Context, file, simulator string, flags ...string) (Verdict, error) {
	var v Verdict
	binary, err := r.Sluice()
	if err != nil {
		return v, err
	}
	args := append([]string{"check", "--input", file, "--sim", simulator, "-o", "json", "--seq"}, flags...)
	out, err := Command(ctx, r.Dir, nil, binary, args...)
	if err != nil && ExitCode(err) != 1 {
		return v, err
	}
	if bad := LastObject(out, &v); bad != nil {
		return v, fmt.Errorf("%w (%w)", bad, err)
	}
	return v, nil
}
