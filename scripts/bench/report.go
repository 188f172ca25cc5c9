package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// figures are what one run of one contender came to.
type figures struct {
	Contender  string  `json:"contender"`
	Events     int64   `json:"events"`
	Requests   int64   `json:"requests"`
	Seconds    float64 `json:"seconds"`
	Rate       float64 `json:"events_per_s"`
	CPU        float64 `json:"cpu_s_per_100k"`
	Bytes      float64 `json:"bytes_per_event"`
	Allocs     float64 `json:"allocs_per_event"`
	RSS        float64 `json:"rss_mb"`
	Late       int64   `json:"late"`
	Overlap    int64   `json:"overlap"`
	Duplicates int64   `json:"duplicates"`
	InFlight   int64   `json:"in_flight"`
	OtherCores float64 `json:"other_cores"` // busy with neither contender, target nor broker: other work, and the driver
}

// bar is a figure that is held to a number.
type bar struct {
	Name string  `json:"name"`
	Have float64 `json:"have"`
	Bar  float64 `json:"bar"`
	Most bool    `json:"most"` // have must not be above bar; else not below
	Unit string  `json:"unit"`
	Time bool    `json:"time"` // time is in it, so other work on the machine moves it
}

func (b bar) met() bool { return b.Most && b.Have <= b.Bar || !b.Most && b.Have >= b.Bar }

func atMost(name string, have, limit float64, unit string) bar {
	return bar{Name: name, Have: have, Bar: limit, Most: true, Unit: unit}
}

func atLeast(name string, have, limit float64, unit string) bar {
	return bar{Name: name, Have: have, Bar: limit, Unit: unit}
}

// timed marks a bar whose figure other work on the machine moves.
func timed(b bar) bar {
	b.Time = true
	return b
}

// row is a step's result, and a line of the JSON form.
type row struct {
	Step string    `json:"step"`
	What string    `json:"what"`
	Runs []figures `json:"runs"`
	Bars []bar     `json:"bars"`
}

// json writes the row as one line.
func (r row) json(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// table writes the row for a person.
func (r row) table(w io.Writer) error {
	fmt.Fprintf(w, "\n%s: %s\n", r.Step, r.What)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tevents\tevents/s\tCPU s/100k\tB/event\tallocs/event\tRSS MB\tlate\toverlap\tdups\trequests\tin flight\tother cores\t")
	for _, f := range r.Runs {
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.2f\t%s\t%s\t%.0f\t%d\t%d\t%d\t%d\t%d\t%.2f\t\n", f.Contender, f.Events, f.Rate, f.CPU,
			known(f.Bytes), known(f.Allocs), f.RSS, f.Late, f.Overlap, f.Duplicates, f.Requests, f.InFlight, f.OtherCores)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, b := range r.Bars {
		sign, verdict := ">=", "met"
		if b.Most {
			sign = "<="
		}
		if !b.met() {
			verdict = "NOT MET"
		}
		fmt.Fprintf(w, "  %-44s %10.2f%s  %s %.2f%s  %s\n", b.Name, b.Have, b.Unit, sign, b.Bar, b.Unit, verdict)
	}
	return nil
}

// known is a figure that only our own process tells.
func known(v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", v)
}
