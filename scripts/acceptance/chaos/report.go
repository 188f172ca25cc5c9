package chaos

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what a run came to.
type Report struct {
	Seed       uint64         `json:"seed"`
	Seconds    float64        `json:"seconds"`            // of the timeline
	Faults     map[string]int `json:"faults"`             // that struck, by kind
	Workspaces []Account      `json:"workspaces"`         // one each
	Drained    float64        `json:"drained"`            // seconds from the end of the traffic until all was settled
	Breaches   []string       `json:"breaches,omitempty"` // what did not hold, in words; empty: all held
	Log        string         `json:"log"`                // the path of the run's journal, in the folder of all logs
	Overlapped int            `json:"overlapping"`        // pairs of faults that were there at the same time
}

// Account is what became of a workspace's events.
type Account struct {
	Workspace     string  `json:"workspace"`
	Rate          int     `json:"rate"`         // requests a second
	Produced      int64   `json:"produced"`     // events
	Acknowledged  int64   `json:"acknowledged"` // of them, by Kafka
	Delivered     int64   `json:"delivered"`    // distinct ones
	DeadLetters   int64   `json:"dead_letters"` // distinct ones
	TwoWays       int64   `json:"two_ways"`     // both delivered and set aside
	Lost          int64   `json:"lost"`         // acknowledged, and neither
	Duplicates    int64   `json:"duplicates"`   // deliveries beyond an event's first
	Bound         int64   `json:"bound"`        // on duplicates
	OrderBreaks   int64   `json:"order_breaks"`
	DoubleEffects int64   `json:"double_effects"`
	Stall         float64 `json:"stall"`         // seconds: the longest without a delivery while there was backlog
	WorstSent     int     `json:"worst_sent"`    // requests granted in a second, over all members
	WorstArrived  int     `json:"worst_arrived"` // requests that arrived in a second
	Requests      int     `json:"requests"`      // that arrived
	Told          int     `json:"told"`          // that stand in the members' logs
}

// Held tells whether all held that must.
func (r Report) Held() bool { return len(r.Breaches) == 0 }

// Sum adds one figure over the workspaces.
func (r Report) Sum(figure func(Account) int64) int64 {
	var sum int64
	for _, a := range r.Workspaces {
		sum += figure(a)
	}
	return sum
}

// Stall is the longest of any workspace.
func (r Report) Stall() time.Duration {
	longest := 0.0
	for _, a := range r.Workspaces {
		longest = max(longest, a.Stall)
	}
	return time.Duration(longest * float64(time.Second))
}

// judge finds what did not hold in a workspace's account.
func (a Account) judge(w workspace, kills int) []string {
	var breaches []string
	breach := func(broken bool, format string, args ...any) {
		if broken {
			breaches = append(breaches, w.name+": "+fmt.Sprintf(format, args...))
		}
	}
	breach(a.Acknowledged == 0, "nothing was produced")
	breach(a.Delivered == 0, "nothing was delivered")
	breach(a.Lost > 0, "%d acknowledged events lost", a.Lost)
	breach(a.TwoWays > 0, "%d events both delivered and dead-lettered", a.TwoWays)
	breach(a.OrderBreaks > 0, "%d order breaks", a.OrderBreaks)
	breach(a.DoubleEffects > 0, "%d double effects", a.DoubleEffects)
	breach(a.Duplicates > a.Bound, "%d duplicates, the faults explain %d", a.Duplicates, a.Bound)
	breach(a.WorstSent > w.mostSent(), "%d requests granted in one second, the budget is %d", a.WorstSent, w.rate)
	// Without their lines in the logs the worst second would be none; a member
	// that is killed takes those of its last attempts with it.
	breach(a.Told+kills*inFlight < a.Requests*99/100, "%d requests arrived, the members tell of %d", a.Requests, a.Told)
	return breaches
}

// Table writes one row a run, and under it what did not hold.
func Table(out io.Writer, reports []Report) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "seed\tfaults\tproduced\tdelivered\tdead\tdup (bound)\torder\tdouble\tlost\tstall\tworst s / budget\tdrained\t")
	for _, r := range reports {
		worst := make([]string, len(r.Workspaces))
		for i, a := range r.Workspaces {
			worst[i] = fmt.Sprintf("%d/%d", a.WorstSent, a.Rate)
		}
		fmt.Fprintf(t, "%d\t%s\t%d\t%d\t%d\t%d (%d)\t%d\t%d\t%d\t%.1fs\t%s\t%.0fs\t%s\n", r.Seed, r.faults(),
			r.Sum(func(a Account) int64 { return a.Produced }), r.Sum(func(a Account) int64 { return a.Delivered }),
			r.Sum(func(a Account) int64 { return a.DeadLetters }),
			r.Sum(func(a Account) int64 { return a.Duplicates }), r.Sum(func(a Account) int64 { return a.Bound }),
			r.Sum(func(a Account) int64 { return a.OrderBreaks }), r.Sum(func(a Account) int64 { return a.DoubleEffects }),
			r.Sum(func(a Account) int64 { return a.Lost }), r.Stall().Seconds(), strings.Join(worst, " "), r.Drained, verdict(r))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

func verdict(r Report) string {
	if r.Held() {
		return "ok"
	}
	return "BREACH"
}

// faults tells how many struck, by what they hit.
func (r Report) faults() string {
	var counts [tracks]int
	for _, k := range Kinds() {
		counts[k.track()] += r.Faults[k.String()]
	}
	var parts []string
	for t, n := range counts {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", track(t), n))
		}
	}
	return strings.Join(parts, ", ")
}

// Detail writes a run's faults by kind and its breaches, with how to have the
// same again.
func (r Report) Detail(out io.Writer) {
	parts := make([]string, 0, len(r.Faults))
	for _, k := range Kinds() {
		if n := r.Faults[k.String()]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", k, n))
		}
	}
	fmt.Fprintf(out, "seed %d: %s; %d pairs at the same time\n", r.Seed, strings.Join(parts, ", "), r.Overlapped)
	for _, breach := range r.Breaches {
		fmt.Fprintf(out, "  BREACH %s\n", breach)
	}
	if !r.Held() {
		fmt.Fprintf(out, "  what happened: %s\n  the same faults again: make chaos SEED=%d MINUTES=%g\n", r.Log, r.Seed, r.Seconds/60)
	}
}
