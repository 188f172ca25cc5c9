package gateway

import (
	"strings"
	"testing"

	"sluice/pipeline/event"
)

// A segment call about one person stands in that person's lane, behind the call
// that made the person; one about several in the segment's.
func TestV1SegmentRecords(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		line, body string
		want       made
	}{
		{"POST /api/v1/segments/7/add_customers", `{"ids":["A@b.io"]}`, made{"A@b.io", `{"segment_id":"7","body":{"ids":["A@b.io"]}}`, event.OpSegmentAdd, false, false}},
		{"POST /api/v1/segments/7/add_customers?id_type=", `{"ids":["1"]}`, made{"1", `{"segment_id":"7","body":{"ids":["1"]}}`, event.OpSegmentAdd, false, false}},
		{"POST /api/v1/segments/7/add_customers?id_type=email", ` { "ids" : [ "A@b.io" ] } `, made{"a@b.io", `{"segment_id":"7","body":{ "ids" : [ "A@b.io" ] },"id_type":"email"}`, event.OpSegmentAdd, false, false}},
		{"POST /api/v1/segments/7/remove_customers?id_type=cio_id", `{"ids":["a3"]}`, made{"cio_a3", `{"segment_id":"7","body":{"ids":["a3"]},"id_type":"cio_id"}`, event.OpSegmentRemove, false, false}},
		{"POST /api/v1/segments/a%2Fb/remove_customers?id_type=id&x=1", `{"x":1.0,"ids":["1","2"]}`, made{"segment:a/b", `{"segment_id":"a/b","body":{"x":1.0,"ids":["1","2"]},"id_type":"id"}`, event.OpSegmentRemove, false, false}},
		{"POST /api/v1/segments/7/add_customers", `{"ids":[""]}`, made{"segment:7", `{"segment_id":"7","body":{"ids":[""]}}`, event.OpSegmentAdd, false, false}},
	} {
		items, refused := v1Send(t, tc.line, tc.body)
		if len(items) != 1 {
			t.Errorf("%s: have %d items and %s", tc.line, len(items), refused.body)
			continue
		}
		checkMade(t, tc.line, items[0], tc.want)
	}
	long := strings.Repeat("i", v1MaxIDBytes+1) // no person has it, so it must not become a key
	if items, _ := v1Send(t, "POST /api/v1/segments/7/add_customers", `{"ids":["`+long+`"]}`); string(items[0].key) != "segment:7" {
		t.Errorf("have key %q", items[0].key)
	}
}

// An event too large for v2 stays an entity in the record: only the way out
// says it by v1.
func TestV1LargeEventStaysAnEntity(t *testing.T) {
	t.Parallel()
	data := `{` + fields(100, v1MaxEventData-100) + `}`
	items, _ := v1Send(t, "POST /api/v1/customers/5/events", `{"name":"large","data":`+data+`}`)
	if len(items) != 1 || items[0].op != event.OpNone {
		t.Fatalf("have %d items", len(items))
	}
	e := prepared(t, items[0])
	if e.Op != event.OpEvent || string(e.Field(event.FieldAttributes)) != data || e.Size <= v1MaxEntityBytes {
		t.Errorf("have %s of %d bytes", e.Op, e.Size)
	}
}
