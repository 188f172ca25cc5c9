package partition

import "math"

// statement is that a member owns a partition, as of a generation.
type statement struct{ owner, generation int32 }

// claimed gives each unit to the member that owns most of it.
func (l *layout) claimed() {
	believed := l.believed()
	count := make([]int32, len(l.members))
	for i := range l.units {
		u := &l.units[i]
		class := l.classes[u.class]
		for _, s := range u.shards {
			// A member that gave the topic up cannot keep the partition.
			if m := believed[s.topic][s.partition].owner; m != nobody && class.has[m] {
				count[m]++
			}
		}
		most := int32(0)
		for _, m := range class.members {
			if count[m] > most {
				most, u.owner = count[m], m
			}
			count[m] = 0
		}
	}
}

// believed is who owns each partition, by topic. Of the claims to a partition
// only those of the highest generation count (KIP-792): a member that missed a
// rebalance still names what is another's by now.
func (l *layout) believed() [][]statement {
	number := make(map[string]int, len(l.topics))
	believed := make([][]statement, len(l.topics))
	for t, name := range l.topics {
		number[name] = t
		believed[t] = make([]statement, l.partitions[t])
		for p := range believed[t] {
			believed[t][p] = statement{owner: nobody, generation: math.MinInt32}
		}
	}
	for m := range l.members {
		member := &l.members[m]
		for topic, partitions := range member.claims {
			t, known := number[topic]
			for _, p := range partitions {
				if !known || p < 0 || p >= l.partitions[t] {
					continue
				}
				if b := &believed[t][p]; b.owner == nobody || member.generation > b.generation {
					*b = statement{owner: int32(m), generation: member.generation}
				}
			}
		}
	}
	return believed
}
