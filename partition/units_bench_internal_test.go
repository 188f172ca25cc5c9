package partition

import "testing"

// BenchmarkPlan makes the plan of a large fleet: 1,000 workspaces of 48
// partitions on 50 members, when nobody has anything yet and when another member
// joins. Rated is as most fleets are, unlimited the worst: 48,000 units.
func BenchmarkPlan(b *testing.B) {
	for _, kind := range []struct {
		name string
		rate float64
	}{{"rated", 100}, {"unlimited", 0}} {
		rates := make([]float64, 1000)
		for i := range rates {
			rates[i] = kind.rate
		}
		fresh := office(50, 48, rates...)
		settled := office(50, 48, rates...)
		settled.settle()
		settled.join("n", "")
		for _, r := range []struct {
			name string
			in   planInput
		}{{"start", fresh.in}, {"join", settled.in}} {
			b.Run(kind.name+"/"+r.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					plan(r.in)
				}
			})
		}
	}
}
