package main

import (
	"testing"

	"sluice/partition"
)

// Every remedy can be typed as it stands, and moves the tier that stopped.
func TestRemediesNameTheTier(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		of     trouble
		shards []int32
		want   string
	}{
		{trouble{stream: "s", reason: "gone"}, []int32{3}, "s 3 stopped: gone; what the topic still has is delivered after: sluice shard resume s all --at start"},
		{
			trouble{stream: "s", reason: "beyond", beyond: true},
			[]int32{3},
			"s 3 stopped: beyond; what the topic still has is delivered after: stop the members, then sluice group reset --stream s --to start",
		},
		{
			trouble{stream: "s", reason: "gone", tier: partition.Replay},
			[]int32{3},
			"s.replay 3 stopped: gone; what the topic still has is delivered after: sluice shard resume s 3 --at start --tier replay",
		},
		{
			trouble{stream: "s", reason: "none", tier: partition.Held, bars: true},
			[]int32{4, 3},
			"s.held 3-4 stopped: none; until it goes on, its live shard waits too, for nobody knows whose events are held; " +
				"what the topic still has is delivered after: sluice shard resume s all --at start",
		},
		{
			trouble{stream: "s", reason: "beyond", tier: partition.Held, beyond: true},
			[]int32{3},
			"s.held 3 stopped: beyond; what the topic still has is delivered after: stop the members, then sluice shard resume s all --at start",
		},
	} {
		if have := tt.of.text(tt.shards); have != tt.want {
			t.Errorf("want %s\nhave %s", tt.want, have)
		}
	}
}
