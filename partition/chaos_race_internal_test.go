//go:build race

package partition

// fewSeeds is what TestChaos runs unless told: a world has no goroutines, so the
// race detector makes it ten times slower and finds nothing more.
const fewSeeds = 8
