package outages

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// The checks of failing users produce at this rate, which is far below what the
// budget allows, so that nothing but the failures can make others wait.
const (
	sickRate   = 100 // requests a second
	sickItems  = 10  // events a request
	sickEvents = 60  // a second
	sickUsers  = 500
)

// sick names the users that fail: one in ten, heavy and light ones.
func sick() []string {
	var users []string
	for n := 3; n < sickUsers; n += 10 {
		users = append(users, fmt.Sprintf("u%05d", n))
	}
	return users
}

// isSick tells whether it is one of them.
func isSick(user string) bool { return strings.HasSuffix(user, "3") }

// flow is a stage whose traffic has run for a while.
func (s outages) flow(ctx context.Context, members int, calm time.Duration) (*stage, error) {
	p := plan{rate: sickRate, items: sickItems, latency: "20ms"}
	if !s.rig.Long { // so that it ends soon, and as many tries as that takes
		p.settings = map[string]string{"tries": "{base: 2s, cap: 5s, held: 1000}"}
	}
	st, err := s.stage(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := st.start(ctx, members); err != nil {
		return nil, err
	}
	if err := st.traffic(sickEvents, rig.NewLines(sickUsers, 7)); err != nil {
		return nil, err
	}
	// A group's first members wait for a quarantine before they send.
	if err := st.arrived(ctx, 5*sickEvents, 40*time.Second); err != nil {
		return nil, err
	}
	return st, rig.Pause(ctx, calm)
}

// failingUsers lets one user in ten fail for a while.
func (s outages) failingUsers(ctx context.Context, r *suite.Result) error {
	calm, lasts := s.seconds(20, 60), s.seconds(40, 300)
	st, err := s.flow(ctx, 1, 0)
	if err != nil {
		return err
	}
	before := time.Now()
	if err := rig.Pause(ctx, calm); err != nil {
		return err
	}
	from := time.Now()
	if err := st.sim.Configure(ctx, map[string]any{"fail_user": sick()}); err != nil {
		return err
	}
	if err := rig.Pause(ctx, lasts); err != nil {
		return err
	}
	to := time.Now()
	if err := st.sim.Configure(ctx, map[string]any{"fail_user": ""}); err != nil {
		return err
	}
	produced, err := st.quiet(ctx)
	if err != nil {
		return err
	}
	// Who was held back is tried again within minutes: not at once, on purpose.
	if err := st.arrived(ctx, produced, s.limit(5, 25)); err != nil {
		r.Holds("all delivered afterwards", false, err.Error(), "all")
	}
	times, err := st.produced(ctx)
	if err != nil {
		return err
	}
	well := func(a rig.Arrival) bool { return !isSick(a.User) }
	had, has := st.delays(times, before, from, well), st.delays(times, from, to, well)
	r.AtLeast("others' events before", float64(len(had)), 0.5*sickEvents*calm.Seconds(), "")
	r.AtLeast("and meanwhile", float64(len(has)), 0.7*sickEvents*lasts.Seconds(), "")
	r.Note("before", had.String())
	r.Note("meanwhile", has.String())
	bar := 1.1 * had.quantile(0.99).Seconds()
	r.AtMost("others' p99", 1000*has.quantile(0.99).Seconds(), 1000*st.gate(bar, max(1.5*bar, bar+0.02)), " ms")
	r.AtLeast("attempts that failed", float64(failed(st.seen)), 50, "")
	if err := st.held(ctx, r); err != nil {
		return err
	}
	if err := st.settled(ctx, r, produced, 0); err != nil {
		return err
	}
	return st.stop()
}

// failed counts the requests that the destination answered with 500.
func failed(arrivals []rig.Arrival) int {
	var all []rig.Arrival
	for _, a := range arrivals {
		if a.Status == 500 {
			all = append(all, a)
		}
	}
	return len(rig.Requests(all))
}

// held holds that those who failed were held, nearly all of them, and nobody
// else.
func (st *stage) held(ctx context.Context, r *suite.Result) error {
	had, others, err := st.onHeld(ctx)
	if err != nil {
		return err
	}
	fell := map[string]bool{}
	for _, a := range st.seen {
		if a.Status == 500 && isSick(a.User) {
			fell[a.User] = true
		}
	}
	r.AtLeast("users who failed", float64(len(fell)), 10, "")
	r.AtLeast("of them held", 100*float64(had)/float64(max(1, len(fell))), 60, "%")
	r.Equal("others held", int64(others), 0)
	return nil
}

// onHeld counts the users with records on the held topic: those that fail, and
// others.
func (st *stage) onHeld(ctx context.Context) (failing, others int, err error) {
	cfg := partition.DefaultConfig()
	cfg.Brokers = strings.Split(st.kafka.Brokers, ",")
	users, topic := map[string]bool{}, st.stream+".held"
	for p := range int32(partitions) {
		end, err := st.kafka.End(ctx, topic, p)
		if err != nil {
			return 0, 0, err
		}
		if err := partition.ReadRange(ctx, cfg, partition.Range{Topic: topic, Partition: p, To: end}, func(e event.Record) error {
			users[string(e.Key)] = true
			return nil
		}); err != nil {
			return 0, 0, fmt.Errorf("read who is held: %w", err)
		}
	}
	for user := range users {
		if isSick(user) {
			failing++
		} else {
			others++
		}
	}
	return failing, others, nil
}

// heldRebuild kills the member that holds users back: whoever takes over must
// find out whom, from Kafka alone.
func (s outages) heldRebuild(ctx context.Context, r *suite.Result) error {
	st, err := s.flow(ctx, 2, 3*time.Second)
	if err != nil {
		return err
	}
	if err := st.sim.Configure(ctx, map[string]any{"fail_user": sick()}); err != nil {
		return err
	}
	kills := s.pick(2, 5)
	for kill := range kills {
		// Long enough for tries in place to be used up, and for events to follow.
		if err := rig.Pause(ctx, 12*time.Second); err != nil {
			return err
		}
		if kill == 0 {
			held, err := st.kafka.Count(ctx, st.stream+".held")
			if err != nil {
				return err
			}
			r.AtLeast("held before the first kill", float64(held), 20, " events")
		}
		owner, err := st.owner(ctx)
		if err != nil {
			return err
		}
		owner.Kill()
		if err := st.start(ctx, 1); err != nil {
			return err
		}
		if kill == kills-2 { // the last kill is on the way back, while what was held goes out
			if err := st.sim.Configure(ctx, map[string]any{"fail_user": ""}); err != nil {
				return err
			}
		}
	}
	produced, err := st.quiet(ctx)
	if err != nil {
		return err
	}
	if err := st.arrived(ctx, produced, s.limit(5, 15)); err != nil {
		r.Holds("all delivered afterwards", false, err.Error(), "all")
	}
	r.Equal("kills", int64(kills), int64(s.pick(2, 5)))
	if err := st.settled(ctx, r, produced, 0); err != nil {
		return err
	}
	return st.stop()
}
