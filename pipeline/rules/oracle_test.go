package rules_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
)

// The oracle walks a clock minute by minute and knows nothing of offsets or of
// when they change.

// hits are the instants, from two days before begin to days after, at which a
// clock first shows, or passes, a local time that matches.
func hits(begin time.Time, days int, in *time.Location, matches func(local time.Time) bool) []time.Time {
	var found []time.Time
	at := begin.Truncate(time.Minute).Add(-48 * time.Hour)
	shown := wall(at.Add(-time.Minute), in)
	for end := begin.Add(time.Duration(days) * 24 * time.Hour); at.Before(end); at = at.Add(time.Minute) {
		for now := wall(at, in); shown.Before(now); {
			if shown = shown.Add(time.Minute); matches(shown) {
				found = append(found, at)
			}
		}
	}
	return found
}

// wall is what a clock shows, as if it were UTC.
func wall(at time.Time, in *time.Location) time.Time {
	at = at.In(in)
	return time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), 0, 0, time.UTC)
}

func oracleZones() []string {
	return []string{
		"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia",
		"America/Nuuk", "Africa/Cairo", "Africa/Casablanca", "America/Santiago", "Pacific/Chatham", "UTC", "-09:30", "+14:00",
	}
}

// instant draws a whole minute of 2024 to 2030, half of the time near a change
// of the clock.
func instant(t *rapid.T, in *time.Location) time.Time {
	const minutes = 7 * 365 * 24 * 60
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, minutes).Draw(t, "minute")) * time.Minute)
	if _, change := at.In(in).ZoneBounds(); rapid.Bool().Draw(t, "near a change") && !change.IsZero() && change.Year() <= 2030 {
		at = change.UTC().Add(time.Duration(rapid.IntRange(-2000, 400).Draw(t, "minutes off")) * time.Minute)
	}
	return at
}

// clock draws a time of day, half of the time one that changes of clocks hit.
func clock(t *rapid.T, name string) time.Duration {
	minute := rapid.IntRange(0, 24*60-1)
	if rapid.Bool().Draw(t, name+" at night") {
		minute = rapid.IntRange(0, 200)
	}
	return time.Duration(minute.Draw(t, name)) * time.Minute
}

func clockText(c time.Duration) string { return time.Time{}.Add(c).Format("15:04") }

// located is the zone of that name as this test knows it.
func located(t *rapid.T, name string) *time.Location {
	if offset, err := time.Parse("-07:00", name); err == nil {
		_, seconds := offset.Zone()
		return time.FixedZone(name, seconds)
	}
	in, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestAtAgreesWithAClock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(oracleZones()).Draw(t, "zone")
		in := located(t, name)
		from, at := instant(t, in), clock(t, "at")
		weekday := time.Weekday(rapid.IntRange(-1, 6).Draw(t, "weekday"))
		text := clockText(at)
		if weekday >= 0 {
			text = weekday.String() + " " + text
		}
		if rapid.Bool().Draw(t, "within the minute") {
			from = from.Add(20 * time.Second)
		}
		var want time.Time
		for _, hit := range hits(from, 10, in, func(local time.Time) bool {
			return local.Sub(local.Truncate(24*time.Hour)) == at && (weekday < 0 || local.Weekday() == weekday)
		}) {
			if want = hit; !hit.Before(from) {
				break
			}
		}
		s, err := rules.New(rules.Config{Rules: []rules.Rule{{Name: "it", Match: where("stream", "messages"), At: &rules.At{Time: text, Zone: rules.Zone{Default: name}}}}})
		if err != nil {
			t.Fatal(err)
		}
		v := s.Judge(&event.Event{Time: from}, place(), from.Add(-time.Second))
		if !v.Due.Equal(want) {
			t.Errorf("%s after %s: want %s, have %s", text, from.In(in), want.In(in), v.Due.In(in))
		}
	})
}

func TestQuietAgreesWithAClock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(oracleZones()).Draw(t, "zone")
		in := located(t, name)
		now, from, to := instant(t, in), clock(t, "from"), clock(t, "to")
		if from == to {
			to = (to + time.Minute) % (24 * time.Hour)
		}
		var spans [][2]time.Time
		for _, begin := range hits(now, 6, in, func(local time.Time) bool { return local.Sub(local.Truncate(24*time.Hour)) == from }) {
			spans = append(spans, [2]time.Time{begin, endOf(begin, from, to, in)})
		}
		quiet := func(at time.Time) bool {
			return slices.ContainsFunc(spans, func(s [2]time.Time) bool { return !s[0].After(at) && at.Before(s[1]) })
		}
		sent := now
		for quiet(sent) {
			sent = sent.Add(time.Minute)
		}
		closes := sent
		for !quiet(closes) {
			closes = closes.Add(time.Minute)
		}
		s, err := rules.New(rules.Config{Rules: []rules.Rule{{Name: "it", Match: where("stream", "messages"), Quiet: &rules.Quiet{
			From: clockText(from), To: clockText(to), Zone: rules.Zone{Default: name},
		}}}})
		if err != nil {
			t.Fatal(err)
		}
		v := s.Judge(&event.Event{Time: now}, place(), now)
		if v.Due.IsZero() {
			v.Due = now
		}
		if !v.Due.Equal(sent) || !v.Closes.Equal(closes) {
			t.Errorf("%s to %s at %s: want %s until %s, have %s until %s", clockText(from), clockText(to), now.In(in),
				sent.In(in), closes.In(in), v.Due.In(in), v.Closes.In(in))
		}
	})
}

// endOf is when the quiet time that begins at an instant ends: when the clock
// first shows the end, or more. Where the clock skipped the beginning it shows
// a little more at that instant, which may be the next date already.
func endOf(begin time.Time, from, to time.Duration, in *time.Location) time.Time {
	date := wall(begin, in).Add(-from).Truncate(24 * time.Hour)
	end := date.Add(to)
	if to <= from {
		end = end.Add(24 * time.Hour)
	}
	at := begin
	for wall(at, in).Before(end) {
		at = at.Add(time.Minute)
	}
	return at
}
