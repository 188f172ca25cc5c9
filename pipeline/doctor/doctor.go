// Package doctor examines what a configuration relies on: the brokers and what
// they allow, the topics, the records in them, the destinations and their
// credentials, and the clocks. Nothing that it does changes anything: it
// appends no record, commits no offset and sends no event.
package doctor

import (
	"context"
	"sync"
	"time"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/pipeline/tiers"
)

// State is how one finding stands.
type State string

// The states.
const (
	OK      State = "ok"
	Warning State = "warning" // works, and should be looked at
	Failed  State = "failed"  // does not work, or may lose or disorder events
)

// Check is what was looked at. The set is closed.
type Check string

// The checks, in the order in which they are reported.
const (
	Settings    Check = "config"
	Kafka       Check = "kafka"
	Topics      Check = "topics"
	Access      Check = "access"
	Records     Check = "records"
	Destination Check = "destination"
	Credentials Check = "credentials"
	Clock       Check = "clock"
)

// Finding is one thing that was looked at. It holds no secret and no payload.
type Finding struct {
	Check   Check  `json:"check"`
	Subject string `json:"subject"` // a broker, topic, workspace …
	State   State  `json:"state"`
	What    string `json:"what"`
	Remedy  string `json:"remedy,omitempty"` // what to do; empty when all is well
}

// Report is everything that was found.
type Report struct {
	Findings []Finding `json:"findings"`
	OK       int       `json:"ok"`
	Warnings int       `json:"warnings"`
	Failed   int       `json:"failed"`
}

// NewReport counts findings.
func NewReport(findings []Finding) Report {
	r := Report{Findings: findings}
	for _, f := range findings {
		switch f.State {
		case OK:
			r.OK++
		case Warning:
			r.Warnings++
		case Failed:
			r.Failed++
		}
	}
	return r
}

// Options say how far an examination goes.
type Options struct {
	Roles   []tiers.Role // whose access is checked
	Records int64        // read of each partition, the newest; 0: none
	Force   bool         // accept few replicas, as topics apply does
}

// DefaultOptions are right for the machine of a delivering member.
func DefaultOptions() Options {
	return Options{Roles: []tiers.Role{tiers.Deliver}, Records: 100}
}

const (
	// askTime bounds the questions to Kafka that read no records.
	askTime = 20 * time.Second
	// readTime bounds the reading of records.
	readTime = 30 * time.Second
)

// Examine looks at everything that a configuration without faults names, Kafka
// and the destinations at the same time, and returns what it found, Kafka
// first, then the destinations in the configuration's order.
func Examine(ctx context.Context, cfg config.Config, o Options) []Finding {
	var wait sync.WaitGroup
	var kafka []Finding
	wait.Go(func() { kafka = examineKafka(ctx, cfg, o) })
	found := make([][]Finding, len(cfg.Workspaces))
	for i, w := range cfg.Workspaces {
		wait.Go(func() { found[i] = examineWorkspace(ctx, w) })
	}
	wait.Wait()
	for _, each := range found {
		kafka = append(kafka, each...)
	}
	return kafka
}

// Bounds on how far two clocks may be apart.
const (
	clockWarns = 10 * time.Second
	clockFails = 5 * time.Minute
)

// judgeClock compares another's clock, which is ahead of ours by so much, give
// or take within.
func judgeClock(subject string, ahead, within time.Duration) Finding {
	f := Finding{Check: Clock, Subject: subject, State: OK, What: "differs by less than " + clockWarns.String() + " from this machine's"}
	off := ahead.Abs() - within
	if off < clockWarns {
		return f
	}
	side := "ahead of"
	if ahead < 0 {
		side = "behind"
	}
	f.State = Warning
	if off >= clockFails {
		f.State = Failed
	}
	f.What = ahead.Abs().Round(time.Second).String() + " " + side + " this machine's"
	f.Remedy = "set both by NTP: times of events decide which update is the newer, and certificates and tokens are only valid in their time"
	return f
}

func examineKafka(ctx context.Context, cfg config.Config, o Options) []Finding {
	admin, err := partition.NewAdmin(cfg.Kafka)
	if err != nil {
		return []Finding{{Check: Kafka, Subject: "client", State: Failed, What: err.Error(), Remedy: "mend the kafka section of the configuration"}}
	}
	defer admin.Close()
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	k := kafka{admin: admin, cfg: cfg, options: o}
	if !k.cluster(asking) {
		return k.found
	}
	k.clock(asking)
	k.topics(asking)
	k.leftovers(asking)
	k.access(asking)
	if o.Records > 0 {
		reading, cancel := context.WithTimeout(ctx, readTime)
		defer cancel()
		k.records(reading)
	}
	return k.found
}
