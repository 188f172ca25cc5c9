package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
)

// Config says what a Gateway listens on, whom it lets in and how much it takes.
type Config struct {
	Listen    string // address for HTTP; empty: none
	ListenTLS string // address for HTTPS, in use when Cert and Key are named; empty: none
	Cert, Key string // PEM files of the TLS listener, read anew when they change

	Credentials []Credential      // of the Track API
	Open        map[string]string // endpoint that asks for no credentials → stream; one that is not named answers 404
	Webhooks    []Webhook
	Origins     []string // that browsers may call from; "*" is any; none: CORS is off

	InFlightBytes  int           // of request bodies and what is made of them, over all requests
	AppendTimeout  time.Duration // longest wait for all replicas; then 503
	RatePerAddress float64       // of the open endpoints, requests a second for each client address; 0 is no limit
}

// Credential lets a caller in, and says where its events go.
type Credential struct {
	SiteID, APIKey string
	Stream         string      // by name; empty when Region picks
	Region         *RegionRule // nil: Stream takes everything
	Rate           float64     // requests a second; 0 is no limit
}

// RegionRule picks the stream of each event by a field of its user: a member of
// the root of attributes (data in v1), or of identifiers. A value that Streams
// does not name, and an event without the field, are refused: there is no
// default, for a guess would send somebody's data to the wrong region.
type RegionRule struct {
	Field   string
	Streams map[string]string // value → stream by name
}

// Stream is where events may go.
type Stream struct {
	Name   string
	Topic  string
	Region string // of its workspace: us, eu, or empty when it has none
}

// Appender appends records with acks=all and calls done once for each; it may
// block while too much is under way, at most until ctx ends. A
// partition.Appender is one.
type Appender interface {
	Append(ctx context.Context, r event.Record, done func(partition.Position, error))
}

// DefaultConfig is right for most. The wait for Kafka is half of what the
// client libraries wait for an answer, so that they hear a 503 and when to come
// again rather than nothing.
func DefaultConfig() Config {
	return Config{
		Listen: ":8080", ListenTLS: ":8443",
		InFlightBytes: 64 << 20, AppendTimeout: 5 * time.Second, RatePerAddress: 10,
	}
}

// minInFlight is the least room in which one full batch of the smallest
// entities has its place.
const minInFlight = 4 << 20

// openEndpoints are those that ask for no credentials on the real API.
func openEndpoints() []string { return []string{"metrics", "push_events", "unsubscribe"} }

// Validate returns every fault, joined, each with its path. Whether the streams
// exist only New can tell.
func (c Config) Validate() error {
	var faults []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	must((c.Cert == "") == (c.Key == ""), "gateway.cert: cert and key must both be named, or neither")
	must(c.Listen != "" || c.ListenTLS != "" && c.Cert != "", "gateway.listen: must name an address, or listen_tls with cert and key")
	must(c.InFlightBytes >= minInFlight, "gateway.in_flight_bytes: must be at least 4 MiB, have %d", c.InFlightBytes)
	must(c.AppendTimeout > 0, "gateway.append_timeout: must be above 0, have %v", c.AppendTimeout)
	must(c.RatePerAddress >= 0, "gateway.rate_per_address: must not be negative, have %v", c.RatePerAddress)
	seen := map[string]bool{}
	for i, cred := range c.Credentials {
		at := fmt.Sprintf("gateway.credentials[%d]", i)
		must(cred.SiteID != "" && cred.APIKey != "", "%s: site_id and api_key must not be empty", at)
		must(!slices.Contains([]byte(cred.SiteID), ':'), "%s.site_id: must not hold a colon", at)
		must(!seen[cred.SiteID], "%s.site_id: stands twice", at)
		must(cred.Rate >= 0, "%s.rate: must not be negative, have %v", at, cred.Rate)
		must((cred.Stream == "") != (cred.Region == nil), "%s: must name either a stream or a region rule", at)
		if cred.Region != nil {
			must(cred.Region.Field != "", "%s.region.field: must not be empty", at)
			must(len(cred.Region.Streams) > 0, "%s.region.streams: must name at least one value", at)
		}
		seen[cred.SiteID] = true
	}
	for name := range c.Open {
		must(slices.Contains(openEndpoints(), name), "gateway.open: %q is none of %v", name, openEndpoints())
	}
	return errors.Join(faults...)
}
