package chaos_test

import (
	"reflect"
	"testing"
	"time"

	"sluice/scripts/acceptance/chaos"
)

func TestTimelineIsOfItsSeed(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		one, same := chaos.Timeline(seed, 2*time.Minute), chaos.Timeline(seed, 2*time.Minute)
		if !reflect.DeepEqual(one, same) {
			t.Fatalf("seed %d: want the same faults twice, have\n%v\n%v", seed, one, same)
		}
		if other := chaos.Timeline(seed+1, 2*time.Minute); reflect.DeepEqual(one, other) {
			t.Errorf("seeds %d and %d: want other faults, have the same", seed, seed+1)
		}
	}
}

// TestTimelineHasEveryKind: two minutes have room for all of them.
func TestTimelineHasEveryKind(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		have := map[chaos.Kind]int{}
		for _, f := range chaos.Timeline(seed, 2*time.Minute) {
			have[f.Kind]++
		}
		for _, k := range chaos.Kinds() {
			if have[k] == 0 {
				t.Errorf("seed %d: no %v", seed, k)
			}
		}
		if have[chaos.ScaleUp] != 1 || have[chaos.ScaleDown] != 1 {
			t.Errorf("seed %d: want one of each scale, have %d and %d", seed, have[chaos.ScaleUp], have[chaos.ScaleDown])
		}
	}
}

// TestTimelineKeepsToItsRoom: the faults begin and end in time, whatever the
// length, in order, and the fleet grows before it shrinks.
func TestTimelineKeepsToItsRoom(t *testing.T) {
	t.Parallel()
	for _, length := range []time.Duration{chaos.Shortest, 45 * time.Second, time.Minute, 2 * time.Minute, 10 * time.Minute} {
		calm := min(20*time.Second, length/4)
		for seed := range uint64(100) {
			var last, up, down time.Duration
			faults := chaos.Timeline(seed, length)
			if len(faults) < 5 {
				t.Errorf("seed %d, %v: have %d faults", seed, length, len(faults))
			}
			for _, f := range faults {
				if f.At < last || f.At < 4*time.Second || f.At+f.For > length-calm {
					t.Errorf("seed %d, %v: out of room: %v", seed, length, f)
				}
				last = f.At
				switch f.Kind {
				case chaos.ScaleUp:
					up = f.At
				case chaos.ScaleDown:
					down = f.At
				default:
				}
			}
			if up == 0 || down <= up {
				t.Errorf("seed %d, %v: want it to grow, then shrink, have %v and %v", seed, length, up, down)
			}
		}
	}
}

// TestTimelineKeepsBrokersApart: one is back before the next goes.
func TestTimelineKeepsBrokersApart(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		var free time.Duration
		for _, f := range chaos.Timeline(seed, 3*time.Minute) {
			if f.Kind != chaos.BrokerStop && f.Kind != chaos.BrokerKill {
				continue
			}
			if f.At < free || f.Node < 1 || f.Node > 3 {
				t.Errorf("seed %d: the node before is not back: %v", seed, f)
			}
			free = f.At + f.For + 10*time.Second
		}
	}
}

// TestTimelineIsTold: each fault says what it is, and what it hits.
func TestTimelineIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault chaos.Fault
		want  string
	}{
		{chaos.Fault{Kind: chaos.Kill, At: 1500 * time.Millisecond, Member: 2, Owner: true, For: time.Second}, "   1.5s kill         the owner of orders, else member 2, for 1.0s"},
		{chaos.Fault{Kind: chaos.KafkaSlow, Node: 3, Delay: 70 * time.Millisecond, For: 2 * time.Second}, "   0.0s kafka-slow   node 3, 70ms late, for 2.0s"},
		{chaos.Fault{Kind: chaos.SinkHalf, Workspace: 1, For: time.Second}, "   0.0s sink-half    visits, for 1.0s"},
		{chaos.Fault{Kind: chaos.ScaleDown, Stay: [2]int{0, 3}}, "   0.0s scale-down   members 0 and 3 stay"},
		{chaos.Fault{Kind: chaos.BrokerKill, Owner: true, Node: 1, For: time.Second}, "   0.0s broker-kill  the coordinator, else node 1, for 1.0s"},
		{chaos.Fault{Kind: chaos.KafkaCut, For: time.Second}, "   0.0s kafka-cut    all nodes, for 1.0s"},
		{chaos.Fault{Kind: chaos.Users, Users: []int{7, 9}, For: time.Second}, "   0.0s users        [7 9], for 1.0s"},
		{chaos.Fault{Kind: chaos.Leaders}, "   0.0s leaders     "},
	} {
		if have := c.fault.String(); have != c.want {
			t.Errorf("want %q, have %q", c.want, have)
		}
	}
	if have := chaos.Kind(99).String(); have != "kind 99" {
		t.Errorf("want it told that nobody knows it, have %q", have)
	}
}
