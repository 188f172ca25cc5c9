package replay_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/partition"
	"sluice/pipeline/replay"
)

// deed is one record of a random log.
type deed struct {
	action string // event, identify, delete, suppress, merge, faulty
	user   string
	other  string // that a merge makes go
	at     time.Time
	shard  int32
	offset int64
}

func (d deed) destroys() bool {
	return d.action == "delete" || d.action == "suppress" || d.action == "merge"
}

// names tells whether a deed that destroys concerns a user.
func (d deed) names(user string) bool {
	return d.user == user || (d.action == "merge" && d.other == user)
}

func (d deed) value(n int) string {
	switch d.action {
	case "event":
		return track(d.user, n)
	case "identify":
		return identify(d.user, n)
	case "merge":
		return merge(d.user, d.other)
	case "faulty":
		return `{"type":"person"}`
	}
	return destroy(d.action, d.user)
}

// selected is the rule in its simplest form: what of a window is replayed.
func selected(log []deed, kept func(deed) bool) []string {
	var places []string
	for _, d := range log {
		if !kept(d) || d.action == "faulty" || buried(log, d) || d.destroys() && overtaken(log, d, kept) {
			continue
		}
		places = append(places, fmt.Sprintf("%d:%d", d.shard, d.offset))
	}
	slices.Sort(places)
	return places
}

// buried tells whether the user of a deed was destroyed after it: in the same
// shard by its place, in another by its time, where of two at one time a call
// that destroys is taken to be later.
func buried(log []deed, d deed) bool {
	return slices.ContainsFunc(log, func(x deed) bool {
		if !x.destroys() || !x.names(d.user) || x == d {
			return false
		}
		if x.shard == d.shard {
			return x.offset > d.offset
		}
		return x.at.After(d.at) || (x.at.Equal(d.at) && !d.destroys())
	})
}

// overtaken tells whether a call that destroys would undo what came since and is
// not replayed behind it.
func overtaken(log []deed, d deed, kept func(deed) bool) bool {
	for _, user := range []string{d.user, d.other} {
		if user == "" {
			continue
		}
		for _, x := range log {
			if x.user != user || x.destroys() || x.action == "faulty" {
				continue
			}
			if x.shard != d.shard {
				if x.at.After(d.at) && !superseded(log, d, user, false) {
					return true
				}
			} else if x.offset > d.offset && !kept(x) && !superseded(log, d, user, true) {
				return true
			}
		}
	}
	return false
}

// superseded tells whether a later call destroys the same user from the same
// shard, or from others than the user's.
func superseded(log []deed, d deed, user string, here bool) bool {
	home := partition.ShardOf([]byte(user), partitions)
	return slices.ContainsFunc(log, func(x deed) bool {
		if !x.destroys() || !x.names(user) || x == d {
			return false
		}
		if here {
			return x.shard == d.shard && x.offset > d.offset
		}
		return x.shard != home && x.at.After(d.at)
	})
}

func TestSelectionEqualsTheModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 7))
			w := newPlainWorld(t)
			log := randomLog(t, w, random)
			w.settle(t, live)
			sel := replay.Selection{Stream: "events"}
			if random.IntN(3) > 0 {
				sel.From = minute(random.IntN(30))
			}
			if random.IntN(3) > 0 {
				sel.To = minute(30 + random.IntN(30))
			}
			name := ""
			if random.IntN(4) == 0 {
				name, sel.Fields = "event", map[string]string{"action": "event"}
			}
			kept := func(d deed) bool {
				return (sel.From.IsZero() || !d.at.Before(sel.From)) && (sel.To.IsZero() || d.at.Before(sel.To)) && (name == "" || d.action == name)
			}
			have := strings.Fields(w.places(t, w.plan(t, sel)))
			slices.Sort(have)
			if want := selected(log, kept); !slices.Equal(have, want) {
				for i, d := range log {
					t.Logf("%d: %d:%d %s %s %s %s", i, d.shard, d.offset, d.at.Format("04:05"), d.action, d.user, d.other)
				}
				t.Errorf("%s–%s %s: want %v, have %v", sel.From.Format("04:05"), sel.To.Format("04:05"), name, want, have)
			}
		})
	}
}

// randomLog writes deeds of a few users. No two times are equal in a shard's
// neighbourhood, for which of them comes first is then a matter of taste.
func randomLog(t *testing.T, w *world, random *rand.Rand) []deed {
	t.Helper()
	actions := []string{"event", "event", "event", "event", "identify", "identify", "delete", "suppress", "merge", "faulty"}
	users := []string{"ada", "bob", "cyd", "dan", "eve", "fay"}
	var log []deed
	for i := range 40 {
		d := deed{action: actions[random.IntN(len(actions))], user: users[random.IntN(len(users))]}
		for d.action == "merge" && (d.other == "" || d.other == d.user) {
			d.other = users[random.IntN(len(users))]
		}
		d.at = minute(i + random.IntN(20)).Add(time.Duration(i) * time.Millisecond)
		d.shard, d.offset = w.write(t, d.user, d.value(i), d.at)
		log = append(log, d)
	}
	return log
}
