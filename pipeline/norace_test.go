//go:build !race

package pipeline_test

// less is 1 without the race detector: the longest tests run in full.
const less = 1
