package rules_test

import (
	"testing"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
)

// at is a local time such as "2026-03-29 02:30 +01:00".
func at(t testing.TB, text string) time.Time {
	t.Helper()
	for _, layout := range []string{"2006-01-02 15:04 -07:00", "2006-01-02 15:04:05 -07:00"} {
		if parsed, err := time.Parse(layout, text); err == nil {
			return parsed
		}
	}
	t.Fatalf("%q is no time", text)
	return time.Time{}
}

func TestAt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ time, zone, own, want string }{
		"later today":               {"13:00", "Europe/Berlin", "2026-03-04 12:59 +01:00", "2026-03-04 13:00 +01:00"},
		"that very moment":          {"13:00", "Europe/Berlin", "2026-03-04 13:00 +01:00", "2026-03-04 13:00 +01:00"},
		"just gone":                 {"13:00", "Europe/Berlin", "2026-03-04 13:00:01 +01:00", "2026-03-05 13:00 +01:00"},
		"weekday":                   {"Friday 13:00", "Europe/Berlin", "2026-03-04 12:59 +01:00", "2026-03-06 13:00 +01:00"},
		"weekday in short":          {"fri 9:05", "Europe/Berlin", "2026-03-04 12:59 +01:00", "2026-03-06 09:05 +01:00"},
		"weekday today":             {"Wednesday 13:00", "Europe/Berlin", "2026-03-04 12:59 +01:00", "2026-03-04 13:00 +01:00"},
		"weekday gone today":        {"Wednesday 12:00", "Europe/Berlin", "2026-03-04 12:59 +01:00", "2026-03-11 12:00 +01:00"},
		"weekday there, not here":   {"Thursday 00:30", "Pacific/Apia", "2026-03-04 12:00 +01:00", "2026-03-05 00:30 +13:00"},
		"midnight":                  {"00:00", "Europe/Berlin", "2026-03-04 12:00 +01:00", "2026-03-05 00:00 +01:00"},
		"midnight, as its end":      {"Friday 24:00", "Europe/Berlin", "2026-03-04 12:00 +01:00", "2026-03-07 00:00 +01:00"},
		"date":                      {"2026-04-24 18:00", "America/New_York", "2026-03-04 12:00 +01:00", "2026-04-24 18:00 -04:00"},
		"half an hour off":          {"08:00", "Asia/Kolkata", "2026-03-04 12:00 +00:00", "2026-03-05 08:00 +05:30"},
		"three quarters off":        {"08:00", "Asia/Kathmandu", "2026-03-04 12:00 +00:00", "2026-03-05 08:00 +05:45"},
		"fixed offset":              {"08:00", "+05:30", "2026-03-04 12:00 +00:00", "2026-03-05 08:00 +05:30"},
		"UTC unless it says":        {"13:00", "", "2026-03-04 12:00 +00:00", "2026-03-04 13:00 +00:00"},
		"Berlin, skipped":           {"02:30", "Europe/Berlin", "2026-03-29 01:00 +01:00", "2026-03-29 03:00 +02:00"},
		"Berlin, after the skip":    {"03:00", "Europe/Berlin", "2026-03-29 01:00 +01:00", "2026-03-29 03:00 +02:00"},
		"Berlin, twice":             {"02:30", "Europe/Berlin", "2026-10-25 01:00 +02:00", "2026-10-25 02:30 +02:00"},
		"Berlin, between the two":   {"02:30", "Europe/Berlin", "2026-10-25 02:00 +01:00", "2026-10-26 02:30 +01:00"},
		"New York, skipped":         {"Sunday 02:15", "America/New_York", "2026-03-06 01:00 -05:00", "2026-03-08 03:00 -04:00"},
		"New York, twice":           {"Sunday 01:30", "America/New_York", "2026-10-30 01:00 -04:00", "2026-11-01 01:30 -04:00"},
		"Lord Howe, skipped":        {"02:15", "Australia/Lord_Howe", "2026-10-04 01:00 +10:30", "2026-10-04 02:30 +11:00"},
		"Lord Howe, twice":          {"01:45", "Australia/Lord_Howe", "2026-04-05 01:00 +11:00", "2026-04-05 01:45 +11:00"},
		"St John's, skipped":        {"02:30", "America/St_Johns", "2026-03-08 01:00 -03:30", "2026-03-08 03:00 -02:30"},
		"St John's, twice":          {"01:30", "America/St_Johns", "2026-11-01 00:10 -02:30", "2026-11-01 01:30 -02:30"},
		"Apia, a day left out":      {"Friday 13:00", "Pacific/Apia", "2011-12-29 12:00 -10:00", "2011-12-31 00:00 +14:00"},
		"Cairo, no midnight":        {"00:10", "Africa/Cairo", "2026-04-23 23:00 +02:00", "2026-04-24 01:00 +03:00"},
		"Nuuk, the day before ends": {"Saturday 23:30", "America/Nuuk", "2026-03-29 00:00 -01:00", "2026-03-29 00:00 -01:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := made(t, rules.Rule{Name: "it", At: &rules.At{Time: test.time, Zone: rules.Zone{Default: test.zone}}})
			own := at(t, test.own)
			v := s.Judge(&event.Event{Time: own, Class: "it"}, place(), own.Add(-time.Second))
			if want := at(t, test.want); !v.Due.Equal(want) || v.ZoneUnknown {
				t.Errorf("want %s, have %s", want, v.Due.In(want.Location()))
			}
		})
	}
}

func TestQuiet(t *testing.T) {
	t.Parallel()
	night := rules.Quiet{From: "22:00", To: "08:00", Zone: rules.Zone{Default: "Europe/Berlin"}}
	noon := rules.Quiet{From: "12:00", To: "14:30", Zone: rules.Zone{Default: "Europe/Berlin"}}
	early := rules.Quiet{From: "02:10", To: "02:50", Zone: rules.Zone{Default: "Europe/Berlin"}}
	for name, test := range map[string]struct {
		quiet             rules.Quiet
		now, want, closes string // want is empty: at once
	}{
		"by day":                       {night, "2026-03-04 12:00 +01:00", "", "2026-03-04 22:00 +01:00"},
		"it begins":                    {night, "2026-03-04 22:00 +01:00", "2026-03-05 08:00 +01:00", "2026-03-05 22:00 +01:00"},
		"before midnight":              {night, "2026-03-04 23:00 +01:00", "2026-03-05 08:00 +01:00", "2026-03-05 22:00 +01:00"},
		"after midnight":               {night, "2026-03-05 00:30 +01:00", "2026-03-05 08:00 +01:00", "2026-03-05 22:00 +01:00"},
		"it is over":                   {night, "2026-03-05 08:00 +01:00", "", "2026-03-05 22:00 +01:00"},
		"within a day":                 {noon, "2026-03-04 13:00 +01:00", "2026-03-04 14:30 +01:00", "2026-03-05 12:00 +01:00"},
		"before it":                    {noon, "2026-03-04 11:00 +01:00", "", "2026-03-04 12:00 +01:00"},
		"a short night":                {night, "2026-03-28 23:00 +01:00", "2026-03-29 08:00 +02:00", "2026-03-29 22:00 +02:00"},
		"a long night":                 {night, "2026-10-24 23:00 +02:00", "2026-10-25 08:00 +01:00", "2026-10-25 22:00 +01:00"},
		"the clock skips it":           {early, "2026-03-29 01:55 +01:00", "", "2026-03-30 02:10 +02:00"},
		"the clock shows it twice":     {early, "2026-10-25 02:20 +02:00", "2026-10-25 02:50 +02:00", "2026-10-26 02:10 +01:00"},
		"the second is not quiet":      {early, "2026-10-25 02:20 +01:00", "", "2026-10-26 02:10 +01:00"},
		"all day from 24:00 but a bit": {rules.Quiet{From: "24:00", To: "23:00"}, "2026-03-04 12:00 +00:00", "2026-03-04 23:00 +00:00", "2026-03-05 00:00 +00:00"},
		"until the day's end":          {rules.Quiet{From: "20:00", To: "24:00"}, "2026-03-04 21:00 +00:00", "2026-03-05 00:00 +00:00", "2026-03-05 20:00 +00:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := made(t, rules.Rule{Name: "it", Quiet: &test.quiet})
			now := at(t, test.now)
			v := s.Judge(&event.Event{Time: now, Class: "it"}, place(), now)
			var want time.Time
			if test.want != "" {
				want = at(t, test.want)
			}
			if !v.Due.Equal(want) || !v.Closes.Equal(at(t, test.closes)) {
				t.Errorf("want %s until %s, have %s until %s", test.want, test.closes, v.Due, v.Closes)
			}
		})
	}
}

func TestZoneOfTheUser(t *testing.T) {
	t.Parallel()
	s := made(t, rules.Rule{Name: "it", Match: where("event", "purchase"), At: &rules.At{
		Time: "13:00", Zone: rules.Zone{Field: "data.timezone", Default: "Europe/Berlin"},
	}})
	for zone, test := range map[string]struct {
		want    string
		unknown bool
	}{
		`"America/New_York"`: {"2026-03-04 13:00 -05:00", false},
		`"Asia/Kathmandu"`:   {"2026-03-04 13:00 +05:45", false},
		`"Asia\/Kathmandu"`:  {"2026-03-04 13:00 +05:45", false},
		`"+05:30"`:           {"2026-03-04 13:00 +05:30", false},
		`"-0330"`:            {"2026-03-04 13:00 -03:30", false},
		`"+09"`:              {"2026-03-05 13:00 +09:00", false},
		`"Z"`:                {"2026-03-04 13:00 +00:00", false},
		`"UTC"`:              {"2026-03-04 13:00 +00:00", false},
		`""`:                 {"2026-03-04 13:00 +01:00", true},
		`null`:               {"2026-03-04 13:00 +01:00", true},
		`{}`:                 {"2026-03-04 13:00 +01:00", true},
		`7`:                  {"2026-03-04 13:00 +01:00", true},
		`"Local"`:            {"2026-03-04 13:00 +01:00", true},
		`"localtime"`:        {"2026-03-04 13:00 +01:00", true},
		`"Mars/Base"`:        {"2026-03-04 13:00 +01:00", true},
		`"../etc/passwd"`:    {"2026-03-04 13:00 +01:00", true},
		`"Europe/../UTC"`:    {"2026-03-04 13:00 +01:00", true},
		`"right/UTC"`:        {"2026-03-04 13:00 +01:00", true},
		`"+25:00"`:           {"2026-03-04 13:00 +01:00", true},
		`"+05:3"`:            {"2026-03-04 13:00 +01:00", true},
		`"+05:"`:             {"2026-03-04 13:00 +01:00", true},
	} {
		e := entity(`{"type":"person","identifiers":{"id":"1"},"action":"event","name":"purchase","attributes":{"timezone":` + zone + `}}`)
		for range 2 { // loaded, then remembered
			v := s.Judge(e, place(), produced())
			if want := at(t, test.want); !v.Due.Equal(want) || v.ZoneUnknown != test.unknown {
				t.Errorf("%s: want %s, unknown %v; have %s, %v", zone, want, test.unknown, v.Due, v.ZoneUnknown)
			}
		}
	}
}
