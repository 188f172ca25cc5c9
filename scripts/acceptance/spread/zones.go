package spread

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// zoned is an event that says where its user is, and when it has to come.
type zoned struct {
	user, name, zone string // the zone as JSON, empty: not said
	due              time.Time
	unknown          bool // it is no zone, or none is said
	days             bool // it waits for hours: it is looked for in the list of what is deferred
}

// zonedAhead is how far ahead the moment is at least. A zone that is a minute
// east of UTC has it a minute earlier.
const zonedAhead = 90 * time.Second

// zonesUnknown has events whose zones are nonsense take their rule's default, and
// be counted; users who move between two events have each by the zone that it
// says.
func (s spread) zonesUnknown(ctx context.Context, r *suite.Result) error {
	moment := time.Now().UTC().Add(zonedAhead).Truncate(time.Minute).Add(time.Minute)
	zone := "zone: {field: data.tz, default: UTC}"
	st, err := s.stage(ctx, 2, map[string]string{
		"budget": "{requests: 400/s, events: unlimited}",
		"rules": fmt.Sprintf("[{name: digest, match: {event: digest}, at: {time: %q, %s}}, {name: night, match: {event: sms}, quiet: {from: %q, to: %q, %s}}]",
			clock(moment), zone, clock(moment.Add(-time.Hour)), clock(moment), zone),
	})
	if err != nil {
		return err
	}
	if err := st.warm(ctx); err != nil {
		return err
	}
	begin := time.Now()
	r.AtLeast("time until the moment", moment.Sub(begin).Seconds(), 61, " s")
	events, err := zonedEvents(begin, moment)
	if err != nil {
		return err
	}
	err = st.produce(ctx, len(events), func(i int) string {
		e := events[i]
		data := "{}"
		if e.zone != "" {
			data = `{"tz":` + e.zone + `}`
		}
		return fmt.Sprintf(`{"user":%q,"event":%q,"data":%s}`, e.user, e.name, data)
	})
	if err != nil {
		return err
	}
	if err := st.zonesListed(ctx, r, events); err != nil {
		return err
	}
	soon := 0
	for _, e := range events {
		if !e.days {
			soon++
		}
	}
	err = rig.Await(ctx, time.Until(moment.Add(30*time.Second)), fmt.Sprintf("%d events to be delivered", soon), func(ctx context.Context) bool {
		return st.update(ctx) == nil && len(st.firsts("digest"))+len(st.firsts("sms")) >= soon
	})
	if err != nil {
		return err
	}
	st.judgeZones(r, events)
	if err := st.zonesCounted(ctx, r, events); err != nil {
		return err
	}
	return st.stop()
}

func clock(at time.Time) string { return at.Format("15:04") }

// zonedEvents are the events of the check, for that moment in UTC.
func zonedEvents(begin, moment time.Time) ([]zoned, error) {
	var all []zoned
	// What is at most a piece of a zone's name is none: not the machine's own,
	// no path, no abbreviation that is none of the database's.
	for i, zone := range []string{`"Mars/Olympus"`, `""`, `null`, `7`, `"Local"`, `"../UTC"`, `"+99:00"`, `["UTC"]`, ""} {
		for n := range 10 {
			all = append(all,
				zoned{user: fmt.Sprintf("d%d-%d", i, n), name: "digest", zone: zone, due: moment, unknown: true},
				zoned{user: fmt.Sprintf("n%d-%d", i, n), name: "sms", zone: zone, due: moment, unknown: true})
		}
	}
	for n := range 30 {
		mover, awake := fmt.Sprintf("m%d", n), fmt.Sprintf("a%d", n)
		all = append(all,
			zoned{user: mover, name: "digest", zone: `"Etc/UTC"`, due: moment},
			zoned{user: mover, name: "digest", zone: `"+00:01"`, due: moment.Add(-time.Minute)},
			zoned{user: awake, name: "sms", zone: `"+12:00"`, due: begin})
	}
	for _, name := range []string{"Asia/Kolkata", "America/St_Johns", "Pacific/Chatham", "Australia/Lord_Howe", "America/New_York"} {
		in, err := time.LoadLocation(name)
		if err != nil {
			return nil, fmt.Errorf("load a zone: %w", err)
		}
		day := begin.In(in)
		at := time.Date(day.Year(), day.Month(), day.Day(), moment.Hour(), moment.Minute(), 0, 0, in)
		if at.Before(begin) {
			at = time.Date(day.Year(), day.Month(), day.Day()+1, moment.Hour(), moment.Minute(), 0, 0, in)
		}
		text, err := json.Marshal(name)
		if err != nil {
			return nil, fmt.Errorf("write a zone: %w", err)
		}
		all = append(all, zoned{user: "z-" + name, name: "digest", zone: string(text), due: at, days: true})
	}
	return all, nil
}

// zonesListed looks at when events are due that do not come during the check.
func (st *stage) zonesListed(ctx context.Context, r *suite.Result, events []zoned) error {
	var off []string
	err := rig.Await(ctx, 30*time.Second, "events in zones far away to be deferred", func(ctx context.Context) bool {
		list, err := st.deferred(ctx)
		if err != nil {
			return false
		}
		due := map[string]time.Time{}
		for _, e := range list.Next {
			due[e.User] = e.Due
		}
		off = nil
		for _, e := range events {
			if e.days && !due[e.user].Equal(e.due) {
				off = append(off, fmt.Sprintf("%s at %s instead of %s", e.user, due[e.user], e.due.UTC()))
			}
		}
		return len(off) == 0
	})
	r.Holds("due in other zones", len(off) == 0, strings.Join(append(off, "as their clocks say")[:1], ""), "as their clocks say")
	return err
}

// judgeZones holds what arrived to its times.
func (st *stage) judgeZones(r *suite.Result, events []zoned) {
	at := st.firsts("digest")
	maps.Copy(at, st.firsts("sms"))
	early, late, missing, unwanted := 0, time.Duration(math.MinInt64), 0, 0
	for i, e := range events {
		when, came := at[int64(i)+1]
		switch {
		case e.days && came:
			unwanted++
		case e.days:
		case !came:
			missing++
		case when.Before(e.due):
			early++
		case e.name == "digest" || e.unknown: // the others come while all are being produced
			late = max(late, when.Sub(e.due))
		}
	}
	r.Equal("lost", int64(missing), 0)
	r.Equal("before their time", int64(early), 0)
	r.Equal("of other zones", int64(unwanted), 0)
	r.AtMost("latest", late.Seconds(), accuracy.Seconds(), " s")
}

// zonesCounted holds the metrics to how many zones were unknown.
func (st *stage) zonesCounted(ctx context.Context, r *suite.Result, events []zoned) error {
	want := map[string]int64{}
	for _, e := range events {
		if e.unknown {
			want["all"]++
			want[e.name]++
		}
	}
	var all, digest, night float64
	for _, m := range st.running() {
		metrics, err := m.Metrics(ctx)
		if err != nil {
			return err
		}
		const classes = "sluice_pipeline_class_events_total"
		all += metrics.Sum("sluice_pipeline_rules_doubtful_total", `what="zone"`)
		digest += metrics.Sum(classes, `class="digest"`, `what="zone_unknown"`)
		night += metrics.Sum(classes, `class="night"`, `what="zone_unknown"`)
	}
	r.Equal("unknown zones counted", int64(all), want["all"])
	r.Equal("of them by the rule digest", int64(digest), want["digest"])
	r.Equal("and by the rule night", int64(night), want["sms"])
	return nil
}
