//go:build !race

package partition

// fewSeeds is what TestChaos runs unless told: a second or two.
const fewSeeds = 60
