package partition

import "fmt"

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
	return Live, fmt.Errorf("the tier must be live, held or replay, have %q", name)
}

// resumption is the command that lets the shard go on once it has stopped.
func (id ShardID) resumption() string {
	command := fmt.Sprintf("sluice shard resume %s %d --at start|OFFSET", id.Stream, id.Partition)
	if id.Tier != Live {
		command += " --tier " + id.Tier.String()
	}
	return command
}
