package ways

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// allPurchases is how many the file of the shop holds.
const allPurchases = 69_659

// sent is what `sluice send -o json` ends with.
type sent struct {
	Succeeded   int64   `json:"succeeded"`
	Failed      int64   `json:"failed"`
	Seconds     float64 `json:"seconds"`
	FromLine    int64   `json:"from_line"`
	SettledPath string  `json:"settled_path"`
}

// direct sends every purchase without Kafka, stops that twice in the middle,
// with a destination that fails now and then, and goes on as the command says.
func (w ways) direct(ctx context.Context, r *suite.Result) error {
	sim, err := w.rig.Simulate(ctx, []string{"shop"}, "--latency", "lognormal:20ms,200ms", "--errors", "1%")
	if err != nil {
		return err
	}
	config := w.rig.Path(w.rig.Name("direct") + ".yaml")
	site, key, _ := bytes.Cut([]byte(rig.Credentials("shop")), []byte(":"))
	text := fmt.Sprintf("workspaces:\n  shop: {sink: customerio, region: us, site_id: %s, api_key: %s, base_url: %q, budget: {requests: unlimited, events: unlimited}}\n", site, key, sim.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	purchases, err := os.ReadFile(filepath.Join(w.rig.Root, "scripts", "data", "cdnow.csv"))
	if err != nil {
		return fmt.Errorf("read the purchases: %w", err)
	}
	file := w.rig.Path(w.rig.Name("cdnow") + ".csv") // what is left over is written beside it
	if err := os.WriteFile(file, purchases, 0o600); err != nil {
		return fmt.Errorf("copy the purchases: %w", err)
	}
	columns := []string{"--map", "user=customer_id,timestamp=date", "--event", "purchase"}
	args := append([]string{"send", file, "--workspace", "shop", "-c", config, "-o", "json", "--seq"}, columns...)

	var succeeded, stops int64
	var last sent
	for further := []string(nil); ; stops++ {
		stopAfter := 1500 * time.Millisecond
		if stops == 2 {
			stopAfter = 0
		}
		last, err = w.send(ctx, append(args, further...), stopAfter)
		if err != nil {
			return err
		}
		succeeded += last.Succeeded
		if last.FromLine == 0 {
			break
		}
		further = []string{"--from-line", strconv.FormatInt(last.FromLine, 10)}
		if last.SettledPath != "" {
			further = append(further, "--settled", last.SettledPath)
		}
	}
	v, err := w.rig.Check(ctx, file, sim.URL, columns...)
	if err != nil {
		return err
	}
	r.Equal("succeeded", succeeded, allPurchases)
	r.Equal("delivered", v.Delivered, allPurchases)
	r.Equal("lost", v.Lost, 0)
	r.Equal("duplicates", v.Duplicates, 0)
	r.Equal("order breaks", v.OrderBreaks, 0)
	r.AtLeast("stops", float64(stops), 1, "")
	if last.Seconds > 0 {
		r.Note("events/s at the end", fmt.Sprintf("%.0f", float64(last.Succeeded)/last.Seconds))
	}
	return nil
}

// send runs the command to its end, or stops it after a while; 0 is never.
func (w ways) send(ctx context.Context, args []string, stopAfter time.Duration) (sent, error) {
	binary, err := w.rig.Sluice()
	if err != nil {
		return sent{}, err
	}
	var out bytes.Buffer
	p, err := w.rig.Start("send", rig.Pipes{Out: &out}, binary, args...)
	if err != nil {
		return sent{}, err
	}
	limit := 2 * time.Minute
	if stopAfter > 0 {
		limit = stopAfter
	}
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = p.Wait(waiting)
	if waiting.Err() != nil && stopAfter > 0 && ctx.Err() == nil {
		err = p.Stop(time.Minute)
	}
	const inPart = 3
	if err != nil && (p.Running() || rig.ExitCode(err) != inPart) {
		p.Kill()
		return sent{}, errors.Join(err, ctx.Err())
	}
	var s sent
	return s, rig.LastObject(out.String(), &s)
}
