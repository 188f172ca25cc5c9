package rules_test

import (
	"strconv"
	"testing"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
)

// ten are rules as a workspace may have them: by name, pattern, op and user,
// with every way to defer.
func ten() []rules.Rule {
	list := []rules.Rule{
		{Name: "receipts", Match: where("event", "order_*"), Priority: rules.High},
		{Name: "sms", Match: where("event", "sms_sent", "sms_reminder"), Quiet: &rules.Quiet{From: "22:00", To: "08:00"}},
		{Name: "digest", Match: where("event", "digest"), At: &rules.At{Time: "Friday 13:00"}},
		{Name: "sync", Match: where("op", "identify")},
		{Name: "robots", Match: where("user", "robot-*")},
	}
	for i := range 4 {
		list = append(list, rules.Rule{Name: "named-" + strconv.Itoa(i), Match: where("event", "event-"+strconv.Itoa(i))})
	}
	return append(list, rules.Rule{Name: "rest", Match: where("stream", "messages"), Spread: rules.Spread{Over: 3 * time.Minute}})
}

// cases are events and rules whose judging is measured.
func cases() map[string]struct {
	rules []rules.Rule
	e     *event.Event
} {
	nested := append(ten()[:9], rules.Rule{Name: "campaign", Match: where("data.campaign_id", "42")})
	zoned := append(ten()[:9], rules.Rule{Name: "zoned", Match: where("event", "purchase"), Quiet: &rules.Quiet{
		From: "22:00", To: "08:00", Zone: rules.Zone{Field: "data.timezone"},
	}})
	return map[string]struct {
		rules []rules.Rule
		e     *event.Event
	}{
		"no match":      {ten()[:9], entity(purchase)},
		"last of ten":   {ten(), entity(purchase)},
		"by header":     {ten(), entity(purchase, header("class", "receipts"))},
		"no entity":     {ten(), object(`{"event":"purchase","data":{"campaign_id":42}}`)},
		"nested path":   {nested, entity(purchase)},
		"quiet, zoned":  {zoned, entity(purchase)},
		"without rules": {nil, entity(purchase)},
	}
}

func BenchmarkJudge(b *testing.B) {
	for name, c := range cases() {
		b.Run(name, func(b *testing.B) {
			s := made(b, c.rules...)
			now := produced()
			b.ReportAllocs()
			for b.Loop() {
				s.Judge(c.e, place(), now)
			}
		})
	}
}

// Neither a nested path nor a zone of the user's own allocates: what is found
// is a part of the event's bytes, and zones are remembered.
//
//nolint:paralleltest // AllocsPerRun counts the whole process
func TestJudgeDoesNotAllocate(t *testing.T) {
	for name, c := range cases() {
		s := made(t, c.rules...)
		if have := testing.AllocsPerRun(100, func() { s.Judge(c.e, place(), produced()) }); have != 0 {
			t.Errorf("%s: want no allocation, have %v", name, have)
		}
	}
}
