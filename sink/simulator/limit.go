package simulator

import "time"

// bucket is the rate limiter of one workspace: a token bucket of `burst`
// tokens that fills with `limit` tokens a second. One request takes one
// token, so no window of t seconds holds more than limit × t + burst taken
// ones. A request that finds no token is above the limit.
type bucket struct {
	started bool
	tokens  float64 // below 0: the debt of a flooded account
	filled  int64   // when it was last filled, ns
}

// maxDebtSeconds bounds the debt of a flooded account: this long after the
// flood has ended it is healthy again.
const maxDebtSeconds = 10

// take asks for one token at time now (ns, never going back).
//
// Without a token: when debts are not kept, nothing is taken and wait is when
// the next token comes. When they are kept, the token is owed, and wait is how
// long the account needs to work off what it owes, so a flood makes all of its
// requests slow until it ends.
func (b *bucket) take(now int64, limit Limit, burst int, debts bool) (taken bool, wait time.Duration) {
	rate, depth := float64(limit), float64(depthOf(limit, burst))
	if !b.started {
		b.started, b.tokens, b.filled = true, depth, now
	}
	b.tokens = min(depth, b.tokens+float64(now-b.filled)/1e9*rate)
	b.filled = now
	if b.tokens >= 1 {
		b.tokens--
		return true, 0
	}
	if !debts {
		b.tokens = max(b.tokens, 0)
		return false, seconds((1 - b.tokens) / rate)
	}
	b.tokens = max(b.tokens-1, -maxDebtSeconds*rate)
	return false, seconds(max(0, -b.tokens) / rate)
}

// depthOf is the burst, or when it is 0 a tenth of a second of the limit.
func depthOf(limit Limit, burst int) int {
	if burst > 0 {
		return burst
	}
	return max(1, int(limit/10))
}

func seconds(s float64) time.Duration {
	return time.Duration(min(s, 24*3600) * float64(time.Second))
}
