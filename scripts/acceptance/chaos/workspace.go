package chaos

import (
	"fmt"
	"time"

	"sluice/scripts/acceptance/rig"
)

// The cast of every run.
const (
	fleetSize  = 4     // members at most
	users      = 2_000 // of each workspace
	partitions = 12    // of each stream

	inFlight = 15              // attempts of a member at once, the product's default
	lease    = 3 * time.Second // how long a member may send on after its last accepted commit, the product's default
	reach    = 40              // requests a second for which a workspace stays on one member
)

// workspace is one destination with a budget, and the traffic to it.
type workspace struct {
	name  string
	rate  int // requests a second
	items int // events of a request at most
	feed  int // events a second that are produced
	units int // that the budget is split into
}

// workspaces are one whose budget binds as soon as something was held up, kept
// whole on one member, and a larger one that is split over several.
func workspaces() []workspace {
	return []workspace{
		{name: "orders", rate: 40, items: 4, feed: 100, units: 1},
		{name: "visits", rate: 120, items: 5, feed: 250, units: 3},
	}
}

// settings are the workspace's keys in the file. What waits, waits briefly, so
// that a fault of seconds shows what one of minutes would.
func (w workspace) settings() map[string]string {
	return map[string]string{
		"budget":          fmt.Sprintf("{requests: %d/s, events: unlimited}", w.rate),
		"max_batch_items": fmt.Sprint(w.items),
		"in_flight":       fmt.Sprint(inFlight),
		"max_in_flight":   fmt.Sprint(inFlight),
		"timeout":         "3s",
		"connect_timeout": "2s",
		"breaker":         "{failures: 5, probe_after: 2s, successes: 3}",
	}
}

// mostSent is the bar on requests granted in any second: each unit's pacer may
// have one more in a window that begins anywhere.
func (w workspace) mostSent() int {
	if w.units == 1 {
		return w.rate
	}
	return w.rate + w.units + 1
}

// user is the name of a user as rig.Lines writes it.
func user(n int) string { return fmt.Sprintf("u%05d", n) }

// lines is the workspace's traffic: the same for the same seed.
func (w workspace) lines(seed uint64) *rig.Lines {
	return rig.NewLines(users, seed*2+uint64(w.rate))
}
