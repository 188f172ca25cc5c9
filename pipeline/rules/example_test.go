package rules_test

import (
	"fmt"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
)

func ExampleSet_Judge() {
	set, err := rules.New(rules.Config{Rules: []rules.Rule{
		{Name: "receipts", Match: rules.Match{Where: map[string][]string{"event": {"order_*"}}}, Priority: rules.High},
		{
			Name:  "digest",
			Match: rules.Match{Where: map[string][]string{"event": {"digest"}}},
			At:    &rules.At{Time: "Friday 13:00", Zone: rules.Zone{Field: "data.timezone", Default: "Europe/Berlin"}},
		},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	wednesday := time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)
	for _, value := range []string{
		`{"event":"order_paid"}`,
		`{"event":"digest","data":{"timezone":"Asia/Kolkata"}}`,
		`{"event":"digest","data":{"timezone":"Mars/Base"}}`,
		`{"event":"login"}`,
	} {
		var e event.Event
		e.Load(event.Record{Topic: "messages", Value: []byte(value), Time: wednesday}, "cluster")
		e.PrepareObject()
		v := set.Judge(&e, rules.Place{Stream: "messages", Partitions: 12}, wednesday)
		due := "at once"
		if !v.Due.IsZero() {
			due = v.Due.UTC().Format(time.DateTime)
		}
		fmt.Printf("class %d %q: %s, zone unknown %v\n", v.Class, v.Rule, due, v.ZoneUnknown)
	}
	// Output:
	// class 1 "receipts": at once, zone unknown false
	// class 2 "digest": 2026-03-06 07:30:00, zone unknown false
	// class 2 "digest": 2026-03-06 12:00:00, zone unknown true
	// class 0 "": at once, zone unknown false
}
