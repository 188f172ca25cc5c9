package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// perRequest is how many numbers a request of the traffic has: a tenth of the
// requests are batches that use all of them, the others use the first.
const perRequest = 3

// traffic is numbered events of a few hundred users, as an application's are.
type traffic struct{ door *rig.Door }

// numbers are those of the events in request n.
func numbers(n int) []int64 {
	first := int64(n)*perRequest + 1
	if n%10 != 9 {
		return []int64{first}
	}
	all := make([]int64, perRequest)
	for i := range all {
		all[i] = first + int64(i)
	}
	return all
}

// request is the nth one, the same each time.
func (t traffic) request(ctx context.Context, n int) (*http.Request, error) {
	all := numbers(n)
	if len(all) == 1 {
		return post(ctx, fmt.Sprintf("%s/api/v1/customers/u%03d/events", t.door.URL(), n%300), fmt.Sprintf(`{"name":"purchase","data":{"_n":%d,"price":23.45}}`, all[0]))
	}
	entities := make([]string, len(all))
	for i, number := range all {
		entities[i] = fmt.Sprintf(`{"type":"person","action":"event","identifiers":{"id":"u%03d"},"name":"purchase","attributes":{"_n":%d}}`, (n+i)%300, number)
	}
	return post(ctx, t.door.URL()+"/api/v2/batch", `{"batch":[`+strings.Join(entities, ",")+`]}`)
}

// account is what became of numbered events at a simulator.
type account struct {
	effects  map[int64]int // by number
	arrivals int64         // that were accepted, repeats with them
}

func accountOf(arrivals []rig.Arrival) account {
	a := account{effects: map[int64]int{}}
	for _, arrival := range arrivals {
		if arrival.Accepted() && arrival.N > 0 {
			a.arrivals++
			if arrival.Effect {
				a.effects[arrival.N]++
			}
		}
	}
	return a
}

// judge holds the requests that were answered 200 to what took effect: each of
// their events once. What nobody was promised may have come as well, but
// nothing twice.
func (a account) judge(r *suite.Result, shots rig.Shots) {
	var promised, missing, doubled int64
	for _, shot := range shots {
		if shot.Status != http.StatusOK {
			continue
		}
		for _, number := range numbers(shot.N) {
			promised++
			if a.effects[number] == 0 {
				missing++
			}
		}
	}
	for _, times := range a.effects {
		if times > 1 {
			doubled++
		}
	}
	r.AtLeast("events promised", float64(promised), 1, "")
	r.Equal("missing", missing, 0)
	r.Equal("took effect twice", doubled, 0)
	r.Note("arrived", fmt.Sprintf("%d for %d promised", a.arrivals, promised))
}

// unanswered are requests that got another status than those given.
func unanswered(shots rig.Shots, statuses ...int) string {
	for _, shot := range shots {
		known := false
		for _, status := range statuses {
			known = known || shot.Status == status
		}
		if !known {
			return fmt.Sprintf("request %d: %d %s %v", shot.N, shot.Status, shot.Body, shot.Err)
		}
	}
	return ""
}
