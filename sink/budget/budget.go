// Package budget is time and numbers: how often a workspace may be asked.
package budget

// Config is a workspace's budget. A rate of 0 is unlimited.
type Config struct {
	Requests Rate // attempts, first tries and retries alike
	Events   Rate // events, counted inside batches
}

// Rate is a number of things a second.
type Rate float64

// DefaultConfig is Customer.io's: 80 requests a second leave headroom under
// the 100 that other integrations share, and 1,000 events.
func DefaultConfig() Config { return Config{Requests: 80, Events: 1000} }
