package partition

import (
	"fmt"
	"strings"
)

// ParseTier reads the name of a tier, as Tier's String writes it; no name is
// the live one.
func ParseTier(name string) (Tier, error) {
	if name == "" {
		return Live, nil
	}
	for t := range tiers {
		if t.String() == name {
			return t, nil
		}
	}
	return Live, fmt.Errorf("the tier must be live, held, replay, overflow, delay-10s, delay-10m or delay-6h, have %q", name)
}

// TierOf tells by the name of a topic which tier of a stream it is: one beside a
// live topic that is known, which is named after that one and the tier, else a
// live one itself.
func TierOf(topic string, known func(live string) bool) Tier {
	for t := Held; t < tiers; t++ {
		if live, beside := strings.CutSuffix(topic, "."+t.String()); beside && known(live) {
			return t
		}
	}
	return Live
}

// resumption is the command that lets the shard go on once it has stopped.
func (id ShardID) resumption() string {
	command := fmt.Sprintf("sluice shard resume %s %d --at start|OFFSET", id.Stream, id.Partition)
	if id.Tier != Live {
		command += " --tier " + id.Tier.String()
	}
	return command
}
