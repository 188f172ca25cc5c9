package event_test

import (
	"strings"
	"testing"
	"time"

	"sluice/pipeline/event"
)

func TestPublicHeaders(t *testing.T) {
	t.Parallel()
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for name, test := range map[string]struct {
		key, value   string
		class, trace string
		at           time.Time
		spread       time.Duration
		want         string
	}{
		"class":               {key: "class", value: "spring/sale-1", class: "spring/sale-1"},
		"class, empty":        {key: "class", value: ""},
		"class, space":        {key: "class", value: "a b", want: event.ReasonBadHeader},
		"class, line break":   {key: "class", value: "a\nb", want: event.ReasonBadHeader},
		"class, not ASCII":    {key: "class", value: "é", want: event.ReasonBadHeader},
		"class, long":         {key: "class", value: strings.Repeat("c", 65), want: event.ReasonBadHeader},
		"trace":               {key: "traceparent", value: trace, trace: trace},
		"trace, upper case":   {key: "traceparent", value: strings.ToUpper(trace)},
		"trace, no trace id":  {key: "traceparent", value: "00-00000000000000000000000000000000-b7ad6b7169203331-01"},
		"trace, no parent id": {key: "traceparent", value: "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"},
		"trace, version":      {key: "traceparent", value: "ff" + trace[2:]},
		"trace, more":         {key: "traceparent", value: trace + "\r\nX-Evil: 1"},
		"at, zone":            {key: "deliver_at", value: "2026-03-04T06:06:07+01:00", at: at},
		"at, seconds":         {key: "deliver_at", value: "1772600767", at: at},
		"at, milliseconds":    {key: "deliver_at", value: "1772600767000", want: event.ReasonBadHeader},
		"at, word":            {key: "deliver_at", value: "soon", want: event.ReasonBadHeader},
		"spread":              {key: "spread", value: "1h30m", spread: 90 * time.Minute},
		"spread, empty":       {key: "spread", value: ""},
		"spread, longest":     {key: "spread", value: "2160h", spread: event.MaxAhead},
		"spread, longer":      {key: "spread", value: "2160h1ns", want: event.ReasonBadHeader},
		"spread, none":        {key: "spread", value: "0s", want: event.ReasonBadHeader},
		"spread, back":        {key: "spread", value: "-3m", want: event.ReasonBadHeader},
		"spread, no unit":     {key: "spread", value: "180", want: event.ReasonBadHeader},
		"other case":          {key: "Class", value: "a b"},
		"unknown":             {key: "content-type", value: "text/plain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := loaded(record("{}", header(test.key, test.value)))
			if have := reason(e.Fault); have != test.want {
				t.Fatalf("reason: want %q, have %q", test.want, have)
			}
			if e.Class != test.class || e.Traceparent != test.trace || !e.DeliverAt.Equal(test.at) || e.Spread != test.spread {
				t.Errorf("want %q %q %v %v, have %q %q %v %v", test.class, test.trace, test.at, test.spread, e.Class, e.Traceparent, e.DeliverAt, e.Spread)
			}
		})
	}
}

// The list is closed: not a path, not an operation that an entity can say.
func TestUnknownOp(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"identify", "send", "none", "FORM_SUBMIT", "form_submit ", "/api/v1/forms/1/submit", "\x00"} {
		e := entity(record(`{"form_id":"f","body":{}}`, header("op", op)))
		if have := reason(e.Fault); have != event.ReasonUnknownOp {
			t.Errorf("%q: want %s, have %q", op, event.ReasonUnknownOp, have)
		}
	}
	for _, op := range event.Ops() {
		if op.ByHeader() != (op >= event.OpFormSubmit && op <= event.OpUnsubscribe) {
			t.Errorf("%s: by header %v", op, op.ByHeader())
		}
	}
}
