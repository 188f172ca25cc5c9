package ways

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

const (
	users      = 10_000 // of each language
	partitions = 48     // the default
	longestID  = 150    // bytes of a user ID that Customer.io takes
)

// landing sends users from one language and compares where each landed with
// what `sluice route` says, then has them delivered: the keys and the bodies
// must be what a client of that language meant.
func (w ways) landing(l language) func(context.Context, *suite.Result) error {
	return func(ctx context.Context, r *suite.Result) error {
		if missing := l.missing(ctx); missing != "" {
			r.Skip(missing)
			return nil
		}
		st, err := w.stage(ctx, l.name)
		if err != nil {
			return err
		}
		dir, err := l.installed(ctx, w.rig.Root)
		if err != nil {
			return err
		}
		keys := userKeys(users)
		if err := l.send(ctx, dir, st.kafka.Brokers, st.stream, strings.NewReader(strings.Join(keys, "\n")+"\n")); err != nil {
			return err
		}
		landed, err := st.landed(ctx, keys)
		if err != nil {
			return err
		}
		r.Equal("records", landed.records, users)
		r.Equal("of the users sent", landed.known, users)
		r.Equal("where route says", landed.right, users)
		r.Equal("partitions used", int64(len(landed.used)), partitions)
		delivered, metrics, err := st.deliver(ctx)
		if err != nil {
			return err
		}
		r.Equal("counted as misplaced", int64(metrics.Sum(misplacedMetric, `stream="`+st.stream+`"`)), 0)
		return st.settledRight(ctx, r, keys, delivered)
	}
}

// settledRight judges what became of the users' events: an id longer than
// Customer.io takes is set aside, the others arrive.
func (st *stage) settledRight(ctx context.Context, r *suite.Result, keys, delivered []string) error {
	long := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return len(key) <= longestID })
	letters, err := st.kafka.ReadAll(ctx, st.stream+".dead")
	if err != nil {
		return err
	}
	dead := make([]string, len(letters))
	for i, l := range letters {
		dead[i] = string(l.Key)
	}
	r.Equal("users at the destination", known(delivered, keys), int64(len(keys)-len(long)))
	r.Equal("set aside, their ids too long for it", known(dead, long), int64(len(long)))
	return nil
}

// landed is where the records of a topic stand.
type landed struct {
	records int64
	known   int64          // different keys among those that were sent
	right   int64          // records in the partition that route names
	used    map[int32]bool // partitions with a record
}

// landed reads the stream's topic and asks the binary where each key belongs.
func (st *stage) landed(ctx context.Context, keys []string) (landed, error) {
	l := landed{used: map[int32]bool{}}
	routes, err := st.routes(ctx, keys)
	if err != nil {
		return l, err
	}
	records, err := st.kafka.ReadAll(ctx, st.stream)
	if err != nil {
		return l, err
	}
	seen := map[string]bool{}
	for _, record := range records {
		l.records++
		l.used[record.Partition] = true
		partition, ok := routes[string(record.Key)]
		if ok {
			seen[string(record.Key)] = true
		}
		if ok && partition == record.Partition {
			l.right++
		}
	}
	l.known = int64(len(seen))
	return l, nil
}

// routes asks `sluice route` for the partition of every key.
func (st *stage) routes(ctx context.Context, keys []string) (map[string]int32, error) {
	routes := make(map[string]int32, len(keys))
	for chunk := range slices.Chunk(keys, 250) { // what a command line holds
		args := append([]string{"route", "-c", st.file, "-o", "json", "--", st.stream}, chunk...)
		o, err := st.rig.Try(ctx, args...)
		if err != nil {
			return nil, err
		}
		if o.Code != 0 {
			return nil, fmt.Errorf("sluice route ended with code %d: %s", o.Code, o.Err)
		}
		var answer struct {
			Routes []struct {
				User      string `json:"user"`
				Partition int32  `json:"partition"`
			} `json:"routes"`
		}
		if err := rig.LastObject(o.Out, &answer); err != nil {
			return nil, err
		}
		for _, route := range answer.Routes {
			routes[route.User] = route.Partition
		}
	}
	return routes, nil
}

// deliver runs a member until all is settled, and returns the users whose
// events were taken and the member's last metrics.
func (st *stage) deliver(ctx context.Context) ([]string, rig.Metrics, error) {
	member, err := st.rig.Run(st.config, "")
	if err != nil {
		return nil, nil, err
	}
	if err := member.Ready(ctx); err != nil {
		return nil, nil, err
	}
	if err := st.kafka.AwaitCaughtUp(ctx, st.config.Group, st.stream, time.Minute); err != nil {
		return nil, nil, err
	}
	metrics, err := member.Metrics(ctx)
	if err != nil {
		return nil, nil, err
	}
	arrivals, err := st.sim.History(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	var taken []string
	for _, a := range arrivals {
		if a.Accepted() {
			taken = append(taken, a.User)
		}
	}
	return taken, metrics, member.Stop(40 * time.Second)
}

// known counts the different ones of have that are among want.
func known(have, want []string) int64 {
	wanted := make(map[string]bool, len(want))
	for _, key := range want {
		wanted[key] = true
	}
	seen := map[string]bool{}
	for _, key := range have {
		if wanted[key] {
			seen[key] = true
		}
	}
	return int64(len(seen))
}
