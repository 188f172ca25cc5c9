package main

import (
	"math/bits"
	"sync/atomic"
)

// stats is what GET /_stats answers.
type stats struct {
	Requests     int64   `json:"requests"`
	Offered      int64   `json:"offered"`
	Accepted     int64   `json:"accepted"`
	Unique       int64   `json:"unique"`
	Duplicates   int64   `json:"duplicates"`
	Late         int64   `json:"late"`    // accepted after a later event of the same user
	Overlap      int64   `json:"overlap"` // a request that came while another of its user was answered
	Failed       int64   `json:"failed"`
	Malformed    int64   `json:"malformed"`
	MostInFlight int64   `json:"most_in_flight"`
	First        int64   `json:"first_ns"`
	Last         int64   `json:"last_ns"`
	PerSecond    []int64 `json:"per_s"`  // accepted
	DelayP50     int64   `json:"p50_ns"` // from the loader's send to the arrival
	DelayP99     int64   `json:"p99_ns"`
	Delays       int64   `json:"delays"` // events that told when they were sent
}

func (w *workspace) stats() stats {
	s := stats{
		Requests: w.requests.Load(), Offered: w.offered.Load(), Accepted: w.accepted.Load(), Unique: w.unique.Load(),
		Duplicates: w.duplicates.Load(), Late: w.late.Load(), Overlap: w.overlap.Load(), Failed: w.failed.Load(),
		Malformed: w.malformed.Load(), MostInFlight: w.mostInFlight.Load(), First: w.first.Load(), Last: w.last.Load(),
		DelayP50: w.delays.quantile(0.50), DelayP99: w.delays.quantile(0.99), Delays: w.delays.total(),
	}
	if s.Last > 0 {
		s.PerSecond = make([]int64, (s.Last-s.First)/1e9+1)
		for i := range s.PerSecond {
			for j := i * 100; j < min((i+1)*100, ticks); j++ {
				s.PerSecond[i] += int64(w.perTick[j].Load())
			}
		}
	}
	return s
}

// delays is a histogram with 16 steps an octave: a quantile is at most 6 % high.
type delays struct {
	counts [64 * 16]atomic.Int64
}

func (d *delays) add(ns int64) { d.counts[step(max(ns, 1))].Add(1) }

func step(ns int64) int {
	octave := bits.Len64(uint64(ns)) - 1
	if octave < 4 {
		return int(ns)
	}
	return octave*16 + int(ns>>(octave-4))&15
}

// ceiling is the upper end of a step.
func ceiling(i int) int64 {
	octave, part := i/16, int64(i%16)
	if octave < 4 {
		return int64(i)
	}
	return (16+part+1)<<(octave-4) - 1
}

func (d *delays) total() (n int64) {
	for i := range d.counts {
		n += d.counts[i].Load()
	}
	return n
}

func (d *delays) quantile(q float64) int64 {
	left := int64(q * float64(d.total()))
	for i := range d.counts {
		if left -= d.counts[i].Load(); left < 0 {
			return ceiling(i)
		}
	}
	return 0
}
