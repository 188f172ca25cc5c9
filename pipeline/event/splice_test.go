package event_test

import (
	"strings"
	"testing"
	"time"

	"sluice/pipeline/event"
)

const (
	ulidA     = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	ulidB     = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
	hashed1   = "42V3SEF2BM5FTD4X66E6EMP3C3" // user 42, purchase, order-1
	hashed17  = "6ZF4CA8GQ5F84GTK2WBAPAFMTJ" // user 42, purchase, 17
	hashedHdr = "0MYENZX048T7TMT1H083ZRV33S" // user 42, header order-1
)

func TestIDInPlace(t *testing.T) {
	t.Parallel()
	const head = `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"purchase","timestamp":7`
	const rest = `,"attributes":{"id":"kept"}}`
	for name, test := range map[string]struct{ header, id, wantID, want string }{
		"absent":           {"", "", derived, `{"id":"` + derived + `",` + head[1:] + rest},
		"null":             {"", `,"id":null`, derived, head + `,"id":"` + derived + `"` + rest},
		"empty":            {"", `,"id":""`, derived, head + `,"id":"` + derived + `"` + rest},
		"a list":           {"", `,"id":["x"]`, derived, head + `,"id":"` + derived + `"` + rest},
		"true":             {"", `,"id":true`, derived, head + `,"id":"` + derived + `"` + rest},
		"ULID":             {"", `,"id": "` + ulidA + `"`, ulidA, head + `,"id": "` + ulidA + `"` + rest},
		"lower-case ULID":  {"", `,"id":"` + strings.ToLower(ulidA) + `"`, ulidA, head + `,"id":"` + strings.ToLower(ulidA) + `"` + rest},
		"other string":     {"", `,"id" : "order-1"`, hashed1, head + `,"id" : "` + hashed1 + `"` + rest},
		"escaped string":   {"", `,"id":"\u006frder-1"`, hashed1, head + `,"id":"` + hashed1 + `"` + rest},
		"number":           {"", `,"id":17`, hashed17, head + `,"id":"` + hashed17 + `"` + rest},
		"number as string": {"", `,"id":"17"`, hashed17, head + `,"id":"` + hashed17 + `"` + rest},
		"header, none":     {ulidB, "", ulidB, `{"id":"` + ulidB + `",` + head[1:] + rest},
		"header, other":    {ulidB, `,"id":"` + ulidA + `"`, ulidB, head + `,"id":"` + ulidB + `"` + rest},
		"header, same":     {ulidA, `,"id":"` + ulidA + `"`, ulidA, head + `,"id":"` + ulidA + `"` + rest},
		"unfit header":     {"order-1", `,"id":"` + ulidA + `"`, hashedHdr, head + `,"id":"` + hashedHdr + `"` + rest},
		"header, no ULID":  {"order-1", "", hashedHdr, `{"id":"` + hashedHdr + `",` + head[1:] + rest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := entity(record(head+test.id+rest, header("id", test.header)))
			have := string(e.AppendEntity(nil))
			if have != test.want {
				t.Errorf("entity:\nwant %s\nhave %s", test.want, have)
			}
			if e.ID.String() != test.wantID || e.Size != len(test.want) {
				t.Errorf("want id %s size %d, have %s %d", test.wantID, len(test.want), e.ID, e.Size)
			}
		})
	}
}

func TestTimestampInPlace(t *testing.T) {
	t.Parallel()
	const head = `{"type":"person","identifiers":{"id":"42"}`
	const rest = `,"action":"identify"}`
	for value, test := range map[string]struct {
		want string
		unix int64
	}{
		`1613063089`:                        {`1613063089`, 1613063089},
		`0`:                                 {`0`, 0},
		`9999999999`:                        {`9999999999`, 9999999999},
		`1613063089.99`:                     {`1613063089`, 1613063089},
		`1.613063089e9`:                     {`1613063089`, 1613063089},
		`1613063089.0`:                      {`1613063089`, 1613063089},
		`"1613063089"`:                      {`1613063089`, 1613063089},
		`"1613063089.5"`:                    {`1613063089`, 1613063089},
		`"\u0031613063089"`:                 {`1613063089`, 1613063089},
		`null`:                              {`1700000000`, 1700000000},
		`-5`:                                {`1700000000`, 1700000000},
		`-0.5`:                              {`1700000000`, 1700000000},
		`1613063089000`:                     {`1700000000`, 1700000000}, // milliseconds
		`1e300`:                             {`1700000000`, 1700000000},
		`99999999999999999999`:              {`1700000000`, 1700000000},
		`"2021-02-11T17:04:49Z"`:            {`1700000000`, 1700000000},
		`"0x1"`:                             {`1700000000`, 1700000000},
		`"inf"`:                             {`1700000000`, 1700000000},
		`"1e"`:                              {`1700000000`, 1700000000},
		`""`:                                {`1700000000`, 1700000000},
		`" 1613063089"`:                     {`1700000000`, 1700000000},
		`true`:                              {`1700000000`, 1700000000},
		`{"seconds":1613063089}`:            {`1700000000`, 1700000000},
		`[1613063089]`:                      {`1700000000`, 1700000000},
		`1` + strings.Repeat("0", 40):       {`1700000000`, 1700000000},
		`"` + strings.Repeat("1", 40) + `"`: {`1700000000`, 1700000000},
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			e := entity(record(head + `,"timestamp": ` + value + rest))
			want := head + `,"timestamp": ` + test.want + rest
			if have := string(e.AppendEntity(nil)); have != want || e.Size != len(want) {
				t.Errorf("want %s of %d bytes, have %s of size %d", want, len(want), have, e.Size)
			}
			if e.Unix() != test.unix {
				t.Errorf("unix: want %d, have %d", test.unix, e.Unix())
			}
		})
	}
}

// Both orders of the two fields, each replaced, and one of each.
func TestIDAndTimestampTogether(t *testing.T) {
	t.Parallel()
	const head = ` {"type":"person","action":"event","identifiers":{"id":"42"},"name":"purchase"`
	for in, want := range map[string]string{
		`,"id":null,"timestamp":"7"}` + "\n":   head[1:] + `,"id":"` + derived + `","timestamp":7}`,
		`,"timestamp":null,"x":0,"id":17}`:     head[1:] + `,"timestamp":1700000000,"x":0,"id":"` + hashed17 + `"}`,
		`,"timestamp":7.5}`:                    `{"id":"` + derived + `",` + head[2:] + `,"timestamp":7}`,
		`,"id":17 }`:                           `{"timestamp":1700000000,` + head[2:] + `,"id":"` + hashed17 + `" }`,
		`,"id":"` + ulidA + `","timestamp":7}`: head[1:] + `,"id":"` + ulidA + `","timestamp":7}`,
	} {
		e := entity(record(head + in))
		if have := string(e.AppendEntity(nil)); have != want || e.Size != len(want) {
			t.Errorf("%s:\nwant %s\nhave %s, size %d of %d", in, want, have, e.Size, len(want))
		}
	}
}

// Where the API takes no id or timestamp, fields of those names are the
// producer's own and go out as they came.
func TestIDAndTimestampElsewhereAreLeftAlone(t *testing.T) {
	t.Parallel()
	for _, g := range goldens() {
		if g.header != "" || g.want != "" {
			continue
		}
		value := `{"id":null,"timestamp":"x",` + g.value[1:]
		e := entity(record(value))
		if have := string(e.AppendEntity(nil)); have != value || e.Size != len(value) || e.ID.String() != derived {
			t.Errorf("%s: want %s, have %s", g.op, value, have)
		}
	}
	value := `{"type":"person","action":"identify","identifiers":{"id":"42"},"id":17,"timestamp":7}`
	if have := string(entity(record(value)).AppendEntity(nil)); have != value {
		t.Errorf("identify: want %s, have %s", value, have)
	}
}

func TestUnixKeepsToWhatTheAPITakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		at   time.Time
		want int64
	}{
		{time.Time{}, 0},
		{time.UnixMilli(-1), 0},
		{time.Unix(1<<40, 0), 9_999_999_999},
		{time.UnixMilli(1999), 1},
	} {
		r := record(`{"type":"person","action":"identify","identifiers":{"id":"42"}}`)
		r.Time = test.at
		e := entity(r)
		if have := e.Unix(); have != test.want || len(e.AppendEntity(nil)) != e.Size {
			t.Errorf("%v: want %d, have %d", test.at, test.want, have)
		}
	}
	var none event.Event
	if have := none.Unix(); have != 0 {
		t.Errorf("an event that was never loaded: want 0, have %d", have)
	}
}
