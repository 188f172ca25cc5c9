// Package partition is all that sluice knows of Kafka. It reads shards as a
// member of a consumer group, keeps what it has read in lanes (one queue per
// key, at most one attempt in flight each), tracks what is settled and commits
// it, and pauses the partitions whose events nobody can take just now. It also
// appends records, reads ranges without a group and looks after topics.
//
// A shard is a stream and a partition number: the partitions of that number of
// its tiers' topics, which one member owns together. What is said below of a
// shard holds for each of its tiers by itself. Its watermark, the next offset to
// settle, is what is committed; it only ever passes settled records. The commit
// carries, beside the watermark, which offsets above it are settled already, so
// a crash sends again no more than what was in flight and what was settled
// since the last commit.
package partition

import "fmt"

// ShardOf returns the partition of a key under Kafka's default partitioner
// (murmur2 of the key, sign bit cleared, modulo the partition count), so that
// any producer in any language shards alike. The key must not be nil: a record
// without a key has no shard of its own.
func ShardOf(key []byte, partitions int32) int32 {
	return int32((murmur2(key) & 0x7fffffff) % uint32(partitions)) //nolint:gosec // both are below 2^31
}

// murmur2 is the 32-bit hash of org.apache.kafka.common.utils.Utils.murmur2,
// seed 0x9747b28c, byte for byte.
func murmur2(b []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := uint32(seed) ^ uint32(len(b)) //nolint:gosec // Kafka truncates the length likewise
	for len(b) >= 4 {
		k := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		b = b[4:]
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(b[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}

// Tier is one of the topics of a stream, which all have the same partitions and
// the same keys.
type Tier uint8

const (
	// Live is where events arrive.
	Live Tier = iota
	// Held is where an event waits that cannot be delivered for now, with its
	// user's later ones behind it.
	Held
	// Replay is what is sent again on purpose.
	Replay
	// Overflow is where events wait whose class is over its own limit, with
	// their users' later ones behind them.
	Overflow
	// Delay10s is where deferred events wait: each record for as long as the
	// tier's Step, and then for another step, or in memory.
	Delay10s
	// Delay10m is the same for those that are due in ten minutes or more.
	Delay10m
	// Delay6h is the same for those that are due in six hours or more.
	Delay6h
	// tiers is how many there are.
	tiers
)

// String is the tier's name.
func (t Tier) String() string {
	switch t {
	case Held:
		return "held"
	case Replay:
		return "replay"
	case Overflow:
		return "overflow"
	case Delay10s:
		return "delay-10s"
	case Delay10m:
		return "delay-10m"
	case Delay6h:
		return "delay-6h"
	case Live, tiers:
	}
	return "live"
}

// captures tells whether the tier holds on to users: what comes of them on the
// live tier has to follow as long as something of them is there.
func (t Tier) captures() bool { return t == Held || t == Overflow }

// ShardID names one tier of a shard, which without a Tier is the live one.
type ShardID struct {
	Stream    string
	Partition int32
	Tier      Tier
}

// String is the form used in logs and messages: stream/partition, and for
// another tier than live stream.tier/partition.
func (id ShardID) String() string {
	if id.Tier == Live {
		return fmt.Sprintf("%s/%d", id.Stream, id.Partition)
	}
	return fmt.Sprintf("%s.%s/%d", id.Stream, id.Tier, id.Partition)
}

// sibling names another tier of the same shard.
func (id ShardID) sibling(t Tier) ShardID {
	id.Tier = t
	return id
}
