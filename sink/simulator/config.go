package simulator

import (
	"errors"
	"fmt"
)

// Config is how a simulator begins. All of it but the seed can be changed
// while it runs, by POST /_sim/config.
type Config struct {
	Region  string  // whose host this plays: us or eu
	Keys    []Key   // the credentials that are accepted; none: any that are not empty
	Latency Latency // of every answer, unless the service is down
	Limit   Limit   // requests a second of one workspace
	Burst   int     // requests that may come at once; 0: a tenth of a second of the limit, at least 1
	OnLimit OnLimit // what happens to a request above the limit
	Errors  Share   // of the requests that are answered 500 without effect
	Seed    uint64  // of the dice for latency, errors and cuts
}

// DefaultConfig is a healthy US account that answers at once, takes any
// credentials and has no limit.
func DefaultConfig() Config {
	return Config{Region: regionUS, OnLimit: Answer429, Seed: 1}
}

// Validate returns all faults of the configuration, joined.
func (c Config) Validate() error {
	var faults []error
	wrong := func(path, format string, have any) {
		faults = append(faults, fmt.Errorf("%s: "+format, path, have))
	}
	if !isRegion(c.Region) {
		wrong("region", "must be us or eu, have %q", c.Region)
	}
	for i, key := range c.Keys {
		if key.Site == "" || key.Secret == "" || !isRegion(key.Region) && key.Region != "" {
			wrong(fmt.Sprintf("keys[%d]", i), "must be SITE:KEY, or SITE:KEY@us or @eu; have site %q", key.Site)
		}
	}
	if c.Latency.Median < 0 || c.Latency.P99 != 0 && c.Latency.P99 < c.Latency.Median {
		wrong("latency", "must not be negative, nor the median above the 99th percentile, have %s", c.Latency)
	}
	if !(c.Limit >= 0 && c.Limit <= maxLimit) {
		wrong("limit", "must be a rate such as 100/s, have %s", c.Limit)
	}
	if c.Burst < 0 {
		wrong("burst", "must not be negative, have %d", c.Burst)
	}
	if c.OnLimit != Answer429 && c.OnLimit != Degrade {
		wrong("on_limit", "must be 429 or degrade, have %q", c.OnLimit)
	}
	if !(c.Errors >= 0 && c.Errors <= 1) {
		wrong("errors", "must be between 0%% and 100%%, have %s", c.Errors)
	}
	return errors.Join(faults...)
}
