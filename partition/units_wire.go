package partition

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// Member is what a member tells the group about itself, in its user data.
// Unknown fields of later versions are ignored.
type Member struct {
	Version int    `json:"v"`
	Region  string `json:"region,omitempty"`
	Admin   string `json:"admin,omitempty"` // host:port of its action endpoints

	// Demand is, by workspace, the attempts a second measured here, for those
	// that have no rate and of which shards are here.
	Demand map[string]float64 `json:"demand,omitempty"`

	// Asked is how often this member has asked for another generation because its
	// own left shards to nobody.
	Asked int `json:"asked,omitempty"`

	// Routes stands for the streams and routes of this member; the balancer
	// sets it. Members with the same one count shards alike.
	Routes string `json:"routes,omitempty"`
}

// handout is the user data of an assignment.
type handout struct {
	Version int            `json:"v"`
	Totals  map[string]int `json:"totals"`
	Counted map[string]int `json:"counted,omitzero"`
	Pending bool           `json:"pending,omitempty"` // some shards wait until who has them gives them up
}

// handoutVersion changes when a field changes its meaning; a new field does not.
const handoutVersion = 1

// fingerprint is the same for two members exactly when they route alike, but
// for chance.
func fingerprint(streams []Stream) string {
	h := fnv.New64a()
	for _, s := range slices.SortedFunc(slices.Values(streams), func(a, b Stream) int { return strings.Compare(a.Topic, b.Topic) }) {
		_, _ = fmt.Fprintf(h, "%q", s.Topic) // a hash takes everything
		for _, r := range s.Routes {
			_, _ = fmt.Fprintf(h, " %d-%d %q", r.From, r.To, r.Workspace)
		}
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// brief leaves demands with two digits, so that small changes change nothing
// and a group of many members stays below the size that a broker keeps.
func brief(demand map[string]float64) map[string]float64 {
	short := make(map[string]float64, len(demand))
	for workspace, rate := range demand {
		if loadOf(rate) == 0 {
			continue
		}
		text := strconv.FormatFloat(min(rate, maxLoad/loadScale), 'e', 1, 64)
		short[workspace], _ = strconv.ParseFloat(text, 64) // it was one
	}
	return short
}

// parseMember reads a member's user data; the zero Member when it is not ours.
func parseMember(userData []byte) Member {
	var m Member
	if json.Unmarshal(userData, &m) != nil {
		return Member{}
	}
	return m
}

// parseHandout reads an assignment's user data; the zero handout when it is not
// ours or says what cannot be.
func parseHandout(userData []byte) handout {
	var h handout
	if json.Unmarshal(userData, &h) != nil || h.Version < 1 {
		return handout{}
	}
	for _, counts := range []map[string]int{h.Totals, h.Counted} {
		for _, n := range counts {
			if n < 0 {
				return handout{}
			}
		}
	}
	return h
}
