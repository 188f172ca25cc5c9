package event_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/pipeline/event"
)

func death() event.Death {
	return event.Death{
		Topic: "events.dead", Verdict: "rejected", Reason: "invalid", Detail: "name: too long",
		Status: 400, Attempts: 3, Workspace: "acme-us",
		First: time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.FixedZone("", 3600)),
		Last:  time.Date(2026, 3, 4, 5, 6, 9, 0, time.UTC),
	}
}

func TestDeadLetterHeaders(t *testing.T) {
	t.Parallel()
	r := record(purchase, header("id", ulidA), header("mine", "1"), header("sluice-reason", "forged"), header("sluice-new", "forged"))
	e := entity(r)
	have := event.DeadLetter(e, death())
	want := []string{
		"id=" + ulidA, "mine=1",
		"sluice-reason=invalid", "sluice-detail=name: too long", "sluice-verdict=rejected", "sluice-status=400",
		"sluice-attempts=3", "sluice-first=2026-03-04T04:06:07.008Z", "sluice-last=2026-03-04T05:06:09.000Z",
		"sluice-time=2023-11-14T22:13:20.123Z", "sluice-source=events/7/4711", "sluice-workspace=acme-us", "sluice-id=" + ulidA,
	}
	var lines []string
	for _, h := range have.Headers {
		lines = append(lines, h.Key+"="+string(h.Value))
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("headers:\nwant %v\nhave %v", want, lines)
	}
	if have.Topic != "events.dead" || have.Partition != -1 || !have.Time.IsZero() ||
		!bytes.Equal(have.Key, r.Key) || !bytes.Equal(have.Value, r.Value) {
		t.Errorf("the record is not for events.dead with its own key and value: %+v", have)
	}
}

func TestDeadLetterRoundTrip(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]event.Record{
		"event":     record(purchase),
		"not JSON":  record("{"),
		"tombstone": {Topic: "a.b", Partition: 1, Offset: 1 << 40, Key: []byte("k"), Time: time.UnixMilli(5)},
		"empty key": {Topic: "a", Key: []byte{}, Value: []byte("{}"), Time: time.UnixMilli(5)},
		"no user":   {Topic: "a", Value: []byte{}, Time: time.UnixMilli(5)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := entity(r)
			died := event.DeadLetter(e, death())
			if (died.Key == nil) != (r.Key == nil) || (died.Value == nil) != (r.Value == nil) {
				t.Errorf("null and empty are confused: key %v value %v", died.Key, died.Value)
			}
			have, source, err := event.ParseDeath(died)
			if err != nil {
				t.Fatal(err)
			}
			want := death()
			if want.First = want.First.UTC(); !have.First.Equal(want.First) || !have.Last.Equal(want.Last) || !have.Time.Equal(r.Time) {
				t.Errorf("times: want %v %v %v, have %v %v %v", want.First, want.Last, r.Time, have.First, have.Last, have.Time)
			}
			want.First, want.Last, want.Time, want.ID = have.First, have.Last, have.Time, e.EventID()
			if have != want || source != e.Source {
				t.Errorf("want %+v of %v, have %+v of %v", want, e.Source, have, source)
			}
		})
	}
}

func TestDeadLetterIsBounded(t *testing.T) {
	t.Parallel()
	d := death()
	d.Reason, d.Detail = strings.Repeat("é", 5000), "a"+strings.Repeat("é", 5000)
	have, _, err := event.ParseDeath(event.DeadLetter(entity(record(purchase)), d))
	if err != nil || len(have.Reason) != 256 || len(have.Detail) != 4095 || !utf8.ValidString(have.Detail) {
		t.Errorf("reason %d, detail %d bytes, %v", len(have.Reason), len(have.Detail), err)
	}
	d.Detail, d.First, d.Last = "", time.Time{}, time.Time{}
	for _, h := range event.DeadLetter(entity(record(purchase)), d).Headers {
		if h.Key == event.HeaderDetail || h.Key == event.HeaderFirst || h.Key == event.HeaderLast {
			t.Errorf("%s has nothing to say: %q", h.Key, h.Value)
		}
	}
}

func TestParseDeathSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := event.DeadLetter(entity(record(purchase)), death())
	for key, values := range map[string][]string{
		event.HeaderReason:    {"-"},
		event.HeaderVerdict:   {"-"},
		event.HeaderWorkspace: {"-"},
		event.HeaderStatus:    {"-", "", "x"},
		event.HeaderAttempts:  {"-", "1.5"},
		event.HeaderFirst:     {"yesterday"},
		event.HeaderSource:    {"-", "events", "events/7", "/7/1", "events/x/1", "events/7/x", "events/3000000000/1", "events/7/1/2"},
		event.HeaderEventID:   {"-", "short"},
	} {
		for _, value := range values {
			r := good
			r.Headers = nil
			for _, h := range good.Headers {
				switch {
				case h.Key != key:
					r.Headers = append(r.Headers, h)
				case value != "-":
					r.Headers = append(r.Headers, header(key, value))
				}
			}
			if _, _, err := event.ParseDeath(r); err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%s %q: want an error that names the header, have %v", key, value, err)
			}
		}
	}
}
