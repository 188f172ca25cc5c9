package budget_test

import (
	"fmt"
	"testing"
	"time"

	"sluice/sink/budget"
)

// owners makes pacers that own all of a budget with classes of call.
func owners(b *testing.B, n int, cfg budget.Config) []*budget.Pacer {
	b.Helper()
	pacers := make([]*budget.Pacer, n)
	for i := range pacers {
		pacers[i] = budget.NewPacer(cfg, budget.Options{Batch: 100, Rand: func() float64 { return 0 }})
		pacers[i].SetShare(1, 1)
		if cfg.Requests < 1 && cfg.Requests > 0 {
			continue // it is to wait for ever
		}
		if _, err := pacers[i].Wait(b.Context(), nothing); err != nil {
			b.Fatal(err)
		}
	}
	return pacers
}

// slow makes so many classes, of which all but the first have a limit.
func slow(n int) []budget.Class {
	classes := make([]budget.Class, n)
	for i := range classes {
		classes[i] = budget.Class{Name: fmt.Sprint("class ", i), Rate: budget.Rate(25 * i)}
	}
	return classes
}

func BenchmarkTry(b *testing.B) {
	calls := []budget.Call{{Name: "app", Bits: 1, Rate: 1e9}, {Name: "broadcast", Bits: 2, Rate: 1e9}}
	for _, bench := range []struct {
		name string
		cfg  budget.Config
	}{
		{"unlimited", budget.Config{}},
		{"granted", budget.Config{Requests: 1e9, Events: 1e10}},
		{"granted, 2 calls", budget.Config{Requests: 1e9, Events: 1e10, Calls: calls}},
		{"granted, 4 classes", budget.Config{Requests: 1e9, Events: 1e10, Classes: slow(4)}},
		{"granted, 64 classes", budget.Config{Requests: 1e9, Events: 1e10, Classes: slow(64)}},
		{"denied", budget.Config{Requests: 1e-6, Events: 1e10}},
	} {
		for _, n := range []int{1, 100, 1000} {
			if n > 1 && bench.cfg.Classes != nil {
				continue // to make the owners of a thousand takes half a minute, and tells nothing new of classes
			}
			b.Run(fmt.Sprintf("%s/pacers=%d", bench.name, n), func(b *testing.B) {
				pacers := owners(b, n, bench.cfg)
				b.ReportAllocs()
				i, granted := 0, 0
				for b.Loop() {
					pacers[i].Try(func(room budget.Room) budget.Charge {
						granted++
						charge := budget.Charge{Events: 1, Bits: 3}
						if room.Classes != nil {
							charge.Classes = room.Classes[:1]
						}
						return charge
					})
					if i++; i == n {
						i = 0
					}
				}
				b.ReportMetric(float64(granted)/float64(b.N), "granted/op")
			})
		}
	}
}

func BenchmarkAnswered(b *testing.B) {
	p := owners(b, 1, budget.DefaultConfig())[0]
	sent := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		p.Answered(sent, false)
	}
}

func BenchmarkDone(b *testing.B) {
	for _, full := range []bool{false, true} {
		b.Run(fmt.Sprintf("full=%v", full), func(b *testing.B) {
			f := budget.NewInFlight(256, 256, nil)
			sent := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				f.Done(sent, false, full)
			}
		})
	}
}
