// Package budget is time and numbers: how often a workspace may be asked, how
// many attempts may be in flight, and how both follow what the destination
// answers.
//
// A Pacer turns a member's share of a workspace's rate into an even stream of
// attempts. Over all members together no second holds more than the rate, as
// long as their shares never add up to more than one.
package budget

import "slices"

// Config is a workspace's budget, for all members together. A rate of 0 is
// unlimited.
type Config struct {
	Requests Rate   // attempts, first tries and retries alike
	Events   Rate   // events, counted inside batches
	Calls    []Call // classes of call inside the budget

	// Classes are those of events inside the budget, by number: that of an event
	// counts it in one of them. The first is the default one, which has no limit.
	Classes []Class
}

// Rate is a number of things a second.
type Rate float64

// Call is a class of call with a limit inside the budget. An attempt that holds
// any of its operations passes this class too.
type Call struct {
	Name string  // by which Set tells what changed; unique in a Config
	Bits uint64  // operations, a bit each
	Rate Rate    // attempts that hold one of them; 0: no limit of its own
	Cost float64 // what one such attempt takes of Requests; 0 means 1
}

// Class is a class of events with a limit inside the budget. However much waits,
// its events leave one by one: 25 a second are one each 40 ms. Where attempts are
// fewer than that, each holds its part of a second: 10 attempts 2 or 3 each.
type Class struct {
	Name string // by which Set tells what changed; unique in a Config
	Rate Rate   // events; 0: no limit of its own
}

// DefaultConfig is Customer.io's: 80 requests a second leave headroom under
// the 100 that other integrations share, and 1,000 events.
func DefaultConfig() Config { return Config{Requests: 80, Events: 1000} }

// Equal tells whether two budgets say the same, in the same order.
func (c Config) Equal(other Config) bool {
	return c.Requests == other.Requests && c.Events == other.Events &&
		slices.EqualFunc(c.Calls, other.Calls, func(a, b Call) bool {
			return a.Name == b.Name && a.Bits == b.Bits && a.Rate == b.Rate && a.cost() == b.cost()
		}) && slices.Equal(c.Classes, other.Classes)
}

// unlimited tells whether nothing of it ever makes anybody wait.
func (c Config) unlimited() bool {
	return c.Requests <= 0 && c.Events <= 0 && !limits(c.Classes) &&
		!slices.ContainsFunc(c.Calls, func(call Call) bool { return call.Rate > 0 })
}

// limits tells whether one of the classes has a limit.
func limits(classes []Class) bool {
	return slices.ContainsFunc(classes, func(c Class) bool { return c.Rate > 0 })
}

// stricter returns what both budgets allow. Its classes of events have the
// numbers that b gives them.
func stricter(a, b Config) Config {
	both := Config{
		Requests: lower(a.Requests, b.Requests), Events: lower(a.Events, b.Events),
		Classes: stricterClasses(a.Classes, b.Classes),
	}
	for _, call := range a.Calls {
		call.Cost = max(call.cost(), b.named(call.Name).cost())
		both.Calls = append(both.Calls, call)
	}
	for _, call := range b.Calls {
		i := slices.IndexFunc(both.Calls, func(c Call) bool { return c.Name == call.Name })
		if i < 0 {
			call.Cost = max(call.cost(), 1)
			both.Calls = append(both.Calls, call)
			continue
		}
		both.Calls[i].Bits |= call.Bits
		both.Calls[i].Rate = lower(both.Calls[i].Rate, call.Rate)
	}
	return both
}

// stricterClasses returns the classes of b, and behind them the limits that b
// no longer has.
func stricterClasses(a, b []Class) []Class {
	both := slices.Clone(b)
	for _, class := range a {
		if i := numbered(b, class.Name); i >= 0 {
			both[i].Rate = lower(class.Rate, both[i].Rate)
		} else if class.Rate > 0 {
			both = append(both, class)
		}
	}
	return both
}

// numbered returns the number of the class of that name, -1 when there is none.
func numbered(classes []Class, name string) int {
	return slices.IndexFunc(classes, func(c Class) bool { return c.Name == name })
}

// named returns the class of call of that name; one that is not there limits
// nothing.
func (c Config) named(name string) Call {
	for _, call := range c.Calls {
		if call.Name == name {
			return call
		}
	}
	return Call{}
}

func (c Call) cost() float64 {
	if c.Cost <= 0 {
		return 1
	}
	return c.Cost
}

// lower returns the lower of two rates, of which 0 is the highest.
func lower(a, b Rate) Rate {
	if a <= 0 || (b > 0 && b < a) {
		return b
	}
	return a
}
