package checker

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Report is the judgement. Counts are of events unless they say otherwise.
type Report struct {
	Read          int     `json:"read"`               // in the input
	Delivered     int     `json:"delivered"`          // accepted (2xx) at least once
	DeadLettered  int     `json:"dead_lettered"`      // as the caller said
	Dropped       int     `json:"dropped"`            // as the caller said
	InHand        int     `json:"in_hand"`            // as the caller said
	Lost          int     `json:"lost"`               // what remains of read; never below 0
	Duplicates    int     `json:"duplicates"`         // acceptances beyond an event's first
	DoubleEffects int     `json:"double_effects"`     // took effect more than once
	OrderBreaks   int     `json:"order_breaks"`       // first accepted after a later event of the same user
	MaxSecond     int     `json:"max_1s"`             // most requests that arrived within any second
	MaxTenth      int     `json:"max_100ms"`          // most requests that arrived within any 100 ms
	Requests      int     `json:"requests"`           // HTTP requests, answered or not
	Seconds       float64 `json:"seconds"`            // from the first acceptance to the last
	Foreign       int     `json:"foreign"`            // arrivals that are no event of the input
	Deferred      int     `json:"deferred,omitempty"` // of those in hand, that wait for their time; as the caller said
}

// OK says that nothing was lost, nothing took effect twice and no user's
// events were accepted out of order. A duplicate alone does no harm: at least
// once is what is promised.
func (r Report) OK() bool { return r.Lost == 0 && r.DoubleEffects == 0 && r.OrderBreaks == 0 }

// settled is what is accounted for.
func (r Report) settled() int { return r.Delivered + r.DeadLettered + r.Dropped + r.InHand }

// Table is the judgement for a person: aligned rows, the balance, and the
// verdict, each line with its end.
func (r Report) Table() string {
	var b strings.Builder
	row := func(name, figure string) { _, _ = fmt.Fprintf(&b, "%-14s  %13s\n", name, figure) }
	for _, one := range []struct {
		name  string
		count int
	}{
		{"read", r.Read},
		{"delivered", r.Delivered},
		{"dead-lettered", r.DeadLettered},
		{"dropped", r.Dropped},
		{"in hand", r.InHand},
		{"lost", r.Lost},
		{"duplicates", r.Duplicates},
		{"double effects", r.DoubleEffects},
		{"order breaks", r.OrderBreaks},
		{"foreign", r.Foreign},
		{"requests", r.Requests},
		{"most in 1 s", r.MaxSecond},
		{"most in 100 ms", r.MaxTenth},
	} {
		row(one.name, grouped(one.count))
		if one.name == "in hand" && r.Deferred > 0 {
			row("of it deferred", grouped(r.Deferred))
		}
	}
	row("seconds", strconv.FormatFloat(r.Seconds, 'f', 1, 64))
	row("events/s", r.rate())
	b.WriteString(r.balance())
	return b.String()
}

// rate is what was delivered in a second, "-" when all came at one instant.
func (r Report) rate() string {
	const exact = 10 // from here on a fraction says nothing
	switch rate := float64(r.Delivered) / r.Seconds; {
	case r.Seconds <= 0:
		return "-"
	case rate < exact:
		return strconv.FormatFloat(rate, 'f', 1, 64)
	default:
		return grouped(int(math.Round(rate)))
	}
}

// balance is the lines below the table.
func (r Report) balance() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "\nread %s = delivered %s + dead-lettered %s + dropped %s + in hand %s + lost %s",
		grouped(r.Read), grouped(r.Delivered), grouped(r.DeadLettered), grouped(r.Dropped), grouped(r.InHand), grouped(r.Lost))
	if over := r.settled() - r.Read; over > 0 {
		_, _ = fmt.Fprintf(&b, " - %s counted twice\n", grouped(over))
		b.WriteString("An event can be delivered and not yet passed in Kafka, or stand in the dead tier from an earlier run: check again when nothing is in hand.")
	}
	if r.Delivered == 0 && r.Foreign > 0 {
		b.WriteString("\nNo arrival belongs to the input: was it produced with --seq, and is this the same file?")
	}
	verdict := "ok"
	if !r.OK() {
		verdict = "NOT ok"
	}
	return b.String() + "\n" + verdict + "\n"
}

// grouped writes a count with a comma between thousands.
func grouped(count int) string {
	digits := strconv.Itoa(count)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
