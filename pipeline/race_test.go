//go:build race

package pipeline_test

// less is how much shorter the longest tests are under the race detector, which
// makes virtual time ten times slower and finds nothing more in more of it.
const less = 6
