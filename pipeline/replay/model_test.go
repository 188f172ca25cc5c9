package replay_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/replay"
)

// deed is one record of a random log.
type deed struct {
	action string // event, identify, delete, suppress, unsuppress, merge, faulty
	user   string
	other  string // that a merge makes go
	key    string // of the record
	at     time.Time
	shard  int32
	offset int64
	kept   bool // by window and selection
	read   bool // it does not stand before the window
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

// lives tells whether a deed makes its user be there.
func (d deed) lives() bool { return d.action == "event" || d.action == "identify" }

// destroys tells whether a deed concerns whom it names for good.
func (d deed) destroys() bool {
	return d.action == "delete" || d.action == "suppress" || d.action == "merge"
}

// before tells what came first: in one shard by place, in two by time, where of
// two at one time a call that destroys is taken to be later.
func (d deed) before(x deed) bool {
	if d.shard == x.shard {
		return d.offset < x.offset
	}
	return d.at.Before(x.at) || d.at.Equal(x.at) && !d.destroys() && x.destroys()
}

// history is the rule in its simplest form: what of a window is replayed.
type history []deed

func (h history) any(is func(deed) bool) bool { return slices.ContainsFunc(h, is) }

func (h history) replayed(d deed) bool {
	if !d.kept || d.action == "faulty" {
		return false
	}
	switch d.action {
	case "suppress":
		return !h.any(func(x deed) bool { return x.action == "unsuppress" && x.user == d.user && d.before(x) })
	case "unsuppress":
		return !h.any(func(x deed) bool { return x.action == "suppress" && x.user == d.user && d.before(x) })
	case "delete":
		return !h.gone(d.user, d) && !h.any(func(x deed) bool { return x.lives() && x.user == d.user && d.before(x) })
	case "merge":
		return !h.gone(d.user, d) && !h.gone(d.other, d) && !h.returned(d)
	}
	return !h.gone(d.user, d) && !h.silenced(d)
}

// returned tells whether whom a merge made go came back, and is there still.
func (h history) returned(d deed) bool {
	var last *deed
	for _, x := range h {
		if x.lives() && x.user == d.other && d.before(x) {
			last = &x
		}
	}
	return last != nil && !h.any(func(x deed) bool {
		return last.before(x) && (x.action == "merge" && x.other == d.other || (x.action == "delete" || x.action == "suppress") && x.user == d.other)
	})
}

// silenced tells whether a deed came while its user was suppressed.
func (h history) silenced(d deed) bool {
	return h.any(func(s deed) bool {
		return s.read && s.action == "suppress" && s.user == d.user && s.before(d) && !h.any(func(u deed) bool {
			return u.action == "unsuppress" && u.user == d.user && s.before(u) && u.before(d)
		})
	})
}

// gone tells whether a user was destroyed after a deed, otherwise than by a merge
// that is replayed.
func (h history) gone(user string, d deed) bool {
	return h.any(func(x deed) bool {
		switch x.action {
		case "delete", "suppress":
			return x.user == user && d.before(x)
		case "merge":
			return x.other == user && d.before(x) && !h.replayed(x)
		}
		return false
	})
}

func TestSelectionEqualsTheModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 7))
			w := newPlainWorld(t)
			log := randomHistory(t, w, random)
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
			var want []string
			for i, d := range log {
				log[i].kept = (sel.From.IsZero() || !d.at.Before(sel.From)) && (sel.To.IsZero() || d.at.Before(sel.To)) && (name == "" || d.action == name)
			}
			for i, d := range log {
				log[i].read = log.any(func(x deed) bool { return x.shard == d.shard && x.offset <= d.offset && !x.at.Before(sel.From) })
			}
			for _, d := range log {
				if log.replayed(d) {
					want = append(want, fmt.Sprintf("%d:%d", d.shard, d.offset))
				}
			}
			slices.Sort(want)
			have := strings.Fields(w.places(t, w.plan(t, sel)))
			slices.Sort(have)
			if !slices.Equal(have, want) {
				for i, d := range log {
					t.Logf("%d: %d:%d %s %s %s %s", i, d.shard, d.offset, d.at.Format("04:05"), d.action, d.key, d.other)
				}
				t.Errorf("%s–%s %s: want %v, have %v", sel.From.Format("04:05"), sel.To.Format("04:05"), name, want, have)
			}
		})
	}
}

// randomHistory writes deeds of a few users. Some calls stand in another shard
// than their users, under a key of their own, such as an address. No two times
// are equal in a shard's neighbourhood, for which of them comes first is then a
// matter of taste.
func randomHistory(t *testing.T, w *world, random *rand.Rand) history {
	t.Helper()
	actions := []string{"event", "event", "event", "event", "identify", "identify", "delete", "suppress", "unsuppress", "merge", "merge", "faulty"}
	users := []string{"ada", "bob", "cyd", "dan", "eve", "fay", "gil", "hal"}
	var log history
	for i := range 40 {
		d := deed{action: actions[random.IntN(len(actions))], user: users[random.IntN(len(users))]}
		for d.action == "merge" && (d.other == "" || d.other == d.user) {
			d.other = users[random.IntN(len(users))]
		}
		if d.key = d.user; !d.lives() && random.IntN(3) == 0 {
			d.key = d.user + "@example.com"
		}
		d.at = minute(i + random.IntN(20)).Add(time.Duration(i) * time.Millisecond)
		d.shard, d.offset = w.write(t, d.key, d.value(i), d.at)
		log = append(log, d)
	}
	return log
}
