// Package gateway is the suite of the door for events that come by HTTP: the
// official client libraries and what they were seen to send, webhooks, a Kafka
// that is away, a gateway that is killed, bursts, latency and cost.
package gateway

import (
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
	"sluice/scripts/sdk"
)

// Suite lists the checks. They share a Kafka of a single node; each has
// members, topics, a group, a simulator and a backend of its own.
func Suite(r *rig.Rig) suite.Suite {
	g := gateway{r}
	return suite.Suite{Name: "gateway", Checks: []suite.Check{
		{Name: "node", What: "customerio-node: every method, 400, 401 and 207 as its own errors", Run: g.library(sdk.Node())},
		{Name: "python", What: "customerio for Python over TLS: the same", Run: g.library(sdk.Python())},
		{Name: "libraries-away", What: "without Kafka each library gets a 503 as its own error", Run: g.librariesAway},
		{Name: "wire", What: "what the libraries were seen to send is answered and understood as by the API", Run: g.wire},
		{Name: "vectors", What: "webhook signatures are judged as by the official library", Run: g.vectors},
		{Name: "repeats", What: "genuine repeats both arrive, a library's retry does not double", Run: g.repeats},
		{Name: "latency", What: "the promised p95 at 100 requests/s", Run: g.latency},
		{Name: "burst", What: "10,000 signed webhooks in 5 s reach the backend evenly", Run: g.burst, Limit: 8 * time.Minute},
		{Name: "killed", What: "kill -9 of the gateway loses nothing that got 200", Run: g.killed},
		{Name: "kafka-away", What: "Kafka away: 503 with Retry-After, and each event once in the end", Run: g.kafkaAway},
		{Name: "floor", What: "CPU beside a bare handler that only reads and produces", Run: g.floor, Limit: 15 * time.Minute},
		{Name: "fuzz", What: "decoder, credentials, paths, v1 to v2 and webhooks under the fuzzer", Run: g.fuzz, Limit: 30 * time.Minute},
	}}
}

type gateway struct{ rig *rig.Rig }

// pick takes the short form's number or the full one.
func (g gateway) pick(short, full int) int {
	if g.rig.Long {
		return full
	}
	return short
}
