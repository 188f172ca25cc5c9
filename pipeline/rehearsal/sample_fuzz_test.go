package rehearsal_test

import (
	"strings"
	"testing"

	"sluice/pipeline/event"
	"sluice/pipeline/rehearsal"
	"sluice/pipeline/rules"
)

// FuzzExample shows an event of any bytes, and must show nothing of what it says.
func FuzzExample(f *testing.F) {
	f.Add([]byte(`{"event":"hunter2","campaign":{"id":"hunter2","hunter2":1},"list":[{"id":"hunter2"}]}`))
	f.Add([]byte(`{"name":"a","data":{"hunter2":{"hunter2":["hunter2"]}},"type":"hunter2"}`))
	f.Add([]byte(`["hunter2"]`))
	f.Fuzz(func(t *testing.T, value []byte) {
		list := []rules.Rule{{Name: "it", Match: rules.Match{Exists: []string{"campaign.id"}}}}
		s, err := rehearsal.NewSample(list, rules.Place{Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		e := prepared([]event.Record{{Key: []byte("1"), Value: value, Time: monday}})[0]
		s.Try(1, e, monday)
		for _, c := range s.Tried().Classes {
			if c.Example != nil && strings.Contains(c.Example.Event, "hunter2") {
				t.Fatalf("%s is shown as %s", value, c.Example.Event)
			}
		}
	})
}
