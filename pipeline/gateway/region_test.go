package gateway_test

import (
	"strings"
	"testing"

	"sluice/pipeline/gateway"
)

func regional(field string) gateway.Config {
	cfg := config()
	cfg.Credentials[0].Stream = ""
	cfg.Credentials[0].Region = &gateway.RegionRule{Field: field, Streams: map[string]string{"us": "events-us", "eu": "events-eu", "1": "events-eu"}}
	return cfg
}

func TestRegionRule(t *testing.T) {
	t.Parallel()
	identify := func(attributes string) string {
		return `{"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":` + attributes + `}`
	}
	for _, tc := range []struct {
		name, path, body, topic string // no topic: refused
	}{
		{"us", "/api/v2/entity", identify(`{"region":"us"}`), "topic-us"},
		{"eu", "/api/v2/entity", identify(`{"a":{"region":"us"},"region":"eu"}`), "topic-eu"},
		{"escaped", "/api/v2/entity", identify(`{"r\u0065gion":"\u0065u"}`), "topic-eu"},
		{"number", "/api/v2/entity", identify(`{"region":1}`), "topic-eu"},
		{"v1 identify", "/api/v1/customers/42", `{"region":"eu"}`, "topic-eu"},
		{"v1 event", "/api/v1/customers/42/events", `{"name":"n","data":{"region":"eu"}}`, "topic-eu"},
		{"v1 form", "/api/v1/forms/1/submit", `{"data":{"email":"a@b.c","region":"eu"}}`, "topic-eu"},
		{"unknown", "/api/v2/entity", identify(`{"region":"secret-region"}`), ""},
		{"absent", "/api/v2/entity", identify(`{}`), ""},
		{"only deeper", "/api/v2/entity", identify(`{"a":{"region":"us"}}`), ""},
		{"null", "/api/v2/entity", identify(`{"region":null}`), ""},
		{"list", "/api/v2/entity", identify(`{"region":["us"]}`), ""},
		{"empty", "/api/v2/entity", identify(`{"region":""}`), ""},
		{"another case", "/api/v2/entity", identify(`{"region":"EU"}`), ""},
		{"no attributes", "/api/v2/entity", `{"type":"person","action":"delete","identifiers":{"id":"42"}}`, ""},
		{"v1 delete", "/api/v1/customers/42", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			k := &kafka{}
			method := "POST"
			switch {
			case tc.path == "/api/v1/customers/42" && tc.body == "":
				method = "DELETE"
			case tc.path == "/api/v1/customers/42":
				method = "PUT"
			}
			w := send(newGateway(t, regional("region"), k), request(method, tc.path, tc.body))
			records := k.taken()
			if tc.topic != "" {
				if w.Code >= 300 || len(records) != 1 || records[0].Topic != tc.topic {
					t.Errorf("want it in %s, have %d and %v", tc.topic, w.Code, records)
				}
				return
			}
			wantStatus(t, w, 400)
			if len(records) > 0 {
				t.Errorf("want nothing appended, have %v", records)
			}
			if have := w.Body.String(); !strings.Contains(have, "region must be one of 1, eu, us") || strings.Contains(have, "secret-region") {
				t.Errorf("want the field and the known values, and not what was sent; have %s", have)
			}
		})
	}
}

func TestRegionByIdentifier(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body string
		want       int
	}{
		{"in identifiers", `{"type":"person","action":"delete","identifiers":{"id":"eu"}}`, 200},
		{"both the same", `{"type":"person","action":"identify","identifiers":{"id":"eu"},"attributes":{"id":"eu"}}`, 200},
		{"both, and not the same", `{"type":"person","action":"identify","identifiers":{"id":"eu"},"attributes":{"id":"us"}}`, 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			wantStatus(t, send(newGateway(t, regional("id"), &kafka{}), request("POST", "/api/v2/entity", tc.body)), tc.want)
		})
	}
}

func TestRegionsInABatch(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	item := func(region string) string {
		return `{"type":"person","action":"event","name":"n","identifiers":{"id":"1"},"attributes":{"region":"` + region + `"}}`
	}
	w := send(newGateway(t, regional("region"), k), request("POST", "/api/v2/batch", `{"batch":[`+item("us")+`,`+item("mars")+`,{},`+item("eu")+`]}`))
	wantStatus(t, w, 207)
	want := `{"errors":[{"batch_index":1,"reason":"invalid","field":"region","message":"region must be one of 1, eu, us: it decides where the event is kept"},` +
		`{"batch_index":2,"reason":"required","field":"type","message":"type is required"}]}` + "\n"
	if have := w.Body.String(); have != want {
		t.Errorf("want %s have %s", want, have)
	}
	if records := k.taken(); len(records) != 2 || records[0].Topic != "topic-us" || records[1].Topic != "topic-eu" {
		t.Errorf("want one record in each region, have %v", records)
	}
}
