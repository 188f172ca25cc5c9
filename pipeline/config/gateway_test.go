package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/pipeline/config"
	"sluice/pipeline/gateway"
	"sluice/scripts/kafka/authority"
)

const doorHead = `
workspaces:
  us: {sink: customerio, region: us, site_id: s, api_key: "${KEY}"}
  eu: {sink: customerio, region: eu, site_id: s, api_key: "${KEY}"}
  hook: {sink: webhook, url: "https://hooks.example.com/", passthrough: true}
streams:
  events-us: {workspace: us}
  events-eu: {workspace: eu, residency: eu}
  reports: {workspace: hook}
`

// everyDoorKey is a gateway with every key.
const everyDoorKey = `gateway:
  listen: ":1080"
  tls: {listen: ":1443", cert: gateway.pem, key: "file:gateway.key"}
  credentials:
    - {site_id: plain, api_key: "${KEY}", stream: events-us}
    - {site_id: ruled, api_key: file:/key, rate: 500/s, region: {field: region, streams: {us: events-us, EU: events-eu, no: events-eu}}}
  open: {metrics: events-us, push_events: events-us, unsubscribe: events-eu}
  origins: ["https://shop.example.com"]
  rate_per_address: 1/10s
  append_timeout: 3s
  in_flight_bytes: 32MiB
  webhooks:
    reports: {stream: reports, scheme: customerio, secrets: ["${KEY}", file:/key], window: 0s, key: [data.customer_id], require_key: true, id: [event_id, "header:X-Id"], carry: ["X-*"], max_bytes: 1MiB}
    stripe:
      stream: reports
      scheme: hmac
      secrets: ["68756e7465723221"]
      signature: {header: Stripe-Signature, prefix: v1=, timestamp_prefix: t=, signed: "{timestamp}.{body}", algorithm: sha512, encoding: base64, key_encoding: hex}
    slack: {stream: events-us, scheme: hmac, secrets: ["${KEY}"], signature: {header: X-Slack-Signature, prefix: v0=, timestamp_header: X-Slack-Request-Timestamp, signed: "v0:{timestamp}:{body}"}}
    asked: {stream: reports, scheme: token, secrets: ["${KEY}"], token: {query: key}}
    told: {stream: reports, scheme: customerio_action, secrets: ["${KEY}"], token: {header: X-Token, prefix: "Bearer "}}
    anybody: {stream: reports, scheme: none}
    silent: {stream: reports, scheme: customerio, secrets: [file:/key], key: [], id: [], carry: []}
`

// doorFiles is what a gateway's files may be.
func doorFiles(t *testing.T) config.ReadFunc {
	t.Helper()
	_, secrets := surroundings()
	ca, err := authority.New("ours")
	if err != nil {
		t.Fatal(err)
	}
	var leaves [2]authority.Leaf
	for i := range leaves {
		if leaves[i], err = ca.Issue(authority.Request{Name: "localhost"}); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string][]byte{"gateway.pem": leaves[0].Cert, "gateway.key": leaves[0].Key, "other.key": leaves[1].Key, "garbage": []byte(secretKey)}
	return func(path string) ([]byte, error) {
		if content, ok := files[path]; ok {
			return content, nil
		}
		if content, err := secrets(path); err == nil {
			return content, nil
		}
		return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
	}
}

func parseDoor(t *testing.T, text string) (config.Config, error) {
	t.Helper()
	lookup, _ := surroundings()
	return config.Parse(strings.NewReader(doorHead+text), lookup, doorFiles(t))
}

func TestEveryKeyOfTheGatewayIsRead(t *testing.T) {
	t.Parallel()
	cfg, err := parseDoor(t, everyDoorKey)
	if err != nil {
		t.Fatal(err)
	}
	g := cfg.Gateway
	if g.Listen != ":1080" || g.ListenTLS != ":1443" || g.Cert != "gateway.pem" || g.Key != "gateway.key" || g.AppendTimeout != 3*time.Second || g.InFlightBytes != 32<<20 || g.RatePerAddress != 0.1 {
		t.Errorf("have %s %s %s %s %v %d %v", g.Listen, g.ListenTLS, g.Cert, g.Key, g.AppendTimeout, g.InFlightBytes, g.RatePerAddress)
	}
	ruled := gateway.RegionRule{Field: "region", Streams: map[string]string{"us": "events-us", "EU": "events-eu", "no": "events-eu"}}
	if c := g.Credentials; len(c) != 2 || c[0].APIKey != secretKey || c[0].Stream != "events-us" || c[0].Region != nil || c[0].Rate != 0 ||
		c[1].APIKey != secretKey || c[1].Rate != 500 || c[1].Region == nil || c[1].Region.Field != ruled.Field || !maps.Equal(c[1].Region.Streams, ruled.Streams) {
		t.Errorf("credentials: have %d", len(c))
	}
	if want := map[string]string{"metrics": "events-us", "push_events": "events-us", "unsubscribe": "events-eu"}; !maps.Equal(g.Open, want) {
		t.Errorf("open: have %v", g.Open)
	}
	if !slices.Equal(g.Origins, []string{"https://shop.example.com"}) {
		t.Errorf("origins: have %v", g.Origins)
	}
	hooks := map[string]gateway.Webhook{}
	for _, w := range g.Webhooks {
		hooks[w.Name] = w
	}
	if w := hooks["reports"]; w.Scheme != gateway.SchemeCustomerio || !slices.Equal(w.Secrets, []string{secretKey, secretKey}) || w.Window != 0 ||
		!slices.Equal(w.Key, []string{"data.customer_id"}) || !w.RequireKey || len(w.ID) != 2 || !slices.Equal(w.Carry, []string{"X-*"}) || w.MaxBytes != 1<<20 {
		t.Errorf("reports: have %v %v %v %v %v", w.Scheme, w.Window, w.Key, w.ID, w.Carry)
	}
	want := gateway.Signature{Header: "Stripe-Signature", Prefix: "v1=", TimestampPrefix: "t=", Signed: "{timestamp}.{body}", Algorithm: "sha512", Encoding: "base64", KeyEncoding: "hex"}
	if have := hooks["stripe"].Signature; have != want {
		t.Errorf("stripe: have %+v", have)
	}
	if have := hooks["asked"].Token; have != (gateway.Token{Query: "key"}) {
		t.Errorf("asked: want the query to stand in for the header, have %+v", have)
	}
	if have := hooks["told"].Token; have != (gateway.Token{Header: "X-Token", Prefix: "Bearer "}) {
		t.Errorf("told: have %+v", have)
	}
	if have := hooks["anybody"]; have.Scheme != gateway.SchemeNone || have.Window != 5*time.Minute {
		t.Errorf("anybody: have %v %v", have.Scheme, have.Window)
	}
	if have := hooks["silent"]; len(have.Key)+len(have.ID)+len(have.Carry) > 0 {
		t.Errorf("silent: want the scheme's places taken away, have %v %v %v", have.Key, have.ID, have.Carry)
	}
	if have := cfg.GatewayStreams(); !slices.Equal(have, []string{"events-us", "events-eu", "reports"}) {
		t.Errorf("streams: have %v", have)
	}
}

func TestGatewayDefaultsAndAbsence(t *testing.T) {
	t.Parallel()
	cfg, err := parseDoor(t, "gateway: {credentials: [{site_id: s, api_key: k, stream: events-us}]}\n")
	if err != nil {
		t.Fatal(err)
	}
	want := gateway.DefaultConfig()
	if g := cfg.Gateway; g.Listen != ":8080" || g.ListenTLS != ":8443" || g.Cert != "" || g.InFlightBytes != want.InFlightBytes || g.AppendTimeout != want.AppendTimeout {
		t.Errorf("have %s %s %d", g.Listen, g.ListenTLS, g.InFlightBytes)
	}
	shown, err := cfg.YAML()
	if err != nil || strings.Contains(string(shown), "tls:") || !strings.Contains(string(shown), "append_timeout: 5s") {
		t.Errorf("want the defaults shown, and no TLS, have %v\n%s", err, shown)
	}
	if cfg, err = parseDoor(t, ""); err != nil || cfg.Gateway != nil || cfg.GatewayStreams() != nil {
		t.Errorf("want no gateway, have %v, %v", cfg.Gateway, err)
	}
	shown, err = cfg.YAML()
	if err != nil || strings.Contains(string(shown), "gateway") {
		t.Errorf("want no gateway shown, have %v\n%s", err, shown)
	}
	for stream, want := range map[string]string{"events-us": "us", "events-eu": "eu", "reports": ""} {
		if s, _ := cfg.Stream(stream); cfg.StreamRegion(s) != want {
			t.Errorf("%s: want region %q, have %q", stream, want, cfg.StreamRegion(s))
		}
	}
}

func TestShownGatewayReadsTheSameAndHidesSecrets(t *testing.T) {
	t.Parallel()
	cfg, err := parseDoor(t, everyDoorKey)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := cfg.YAML()
	if err != nil {
		t.Fatal(err)
	}
	all := string(shown) + fmt.Sprintf("%v %+v %#v %v", cfg, cfg, cfg, cfg.Effective())
	if strings.Contains(all, "hunter2") || strings.Contains(all, "68756e74") {
		t.Errorf("shows a secret:\n%s", all)
	}
	for _, want := range []string{`"${KEY}"`, `"file:/key"`, "[redacted]", "site_id: ruled", "rate: 500/s", "field: region", "scheme: customerio", "cert: gateway.pem"} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("want %s in\n%s", want, shown)
		}
	}
	_, door, _ := strings.Cut(string(shown), "\ngateway:")
	again, err := parseDoor(t, "gateway:"+strings.Replace(door, `"[redacted]"`, `"68756e7465723221"`, 1))
	if err != nil {
		t.Fatalf("%v in\n%s", err, shown)
	}
	if _, changes := cfg.Reload(again); len(changes) > 0 {
		t.Errorf("%v differ in\n%s", changes, shown)
	}
	if err := judge(t, compile(t), doorHead+everyDoorKey); err != nil {
		t.Errorf("the schema: %v", err)
	}
}

func TestGatewayFaultsNamePlaceAndRemedy(t *testing.T) {
	t.Parallel()
	door := func(keys string) string { return "gateway: {" + keys + "}\n" }
	one := func(keys string) string { return door("credentials: [{" + keys + "}]") }
	ruled := func(streams string) string {
		return one("site_id: s, api_key: k, region: {field: region, streams: {" + streams + "}}")
	}
	hook := func(keys string) string { return door("webhooks: {w: {" + keys + "}}") }
	const good = "credentials: [{site_id: s, api_key: k, stream: reports}]"
	for name, want := range map[string]struct{ file, at, what, remedy string }{
		"nobody":             {door("listen: ':80'"), "gateway", "lets nobody in", "add credentials"},
		"empty lists":        {door("credentials: [], origins: ['*']"), "gateway", "lets nobody in", "add credentials"},
		"unknown key":        {door(good + ", listn: ':80'"), "gateway.listn", "not a known key", "write listen"},
		"address":            {door(good + ", listen: 8080"), "gateway.listen", "not an address", ":9090"},
		"metrics' address":   {door(good + ", listen: '127.0.0.1:9090'"), "gateway.listen", "metrics too", "different"},
		"both addresses":     {door(good + ", tls: {listen: ':8080', cert: gateway.pem, key: gateway.key}"), "gateway.tls.listen", "gateway.listen too", "different"},
		"nowhere":            {door(good + ", listen: off"), "gateway.listen", "nothing listens", ":8080"},
		"no certificate":     {door(good + ", tls: {listen: ':8443'}"), "gateway.tls", "no certificate", "cert: FILE"},
		"no key":             {door(good + ", tls: {cert: gateway.pem}"), "gateway.tls.key", "is missing", "key: FILE"},
		"no cert":            {door(good + ", tls: {key: gateway.key}"), "gateway.tls.cert", "is missing", "cert: FILE"},
		"certificate away":   {door(good + ", tls: {cert: away.pem, key: gateway.key}"), "gateway.tls.cert", "open away.pem", "may read"},
		"other's key":        {door(good + ", tls: {cert: gateway.pem, key: other.key}"), "gateway.tls", "make a pair", "PEM"},
		"garbage":            {door(good + ", tls: {cert: garbage, key: gateway.key}"), "gateway.tls", "make a pair", "PEM"},
		"no credentials":     {door("credentials: {site_id: s}"), "gateway.credentials", "must be a list", "[one, two]"},
		"no api key":         {one("site_id: s, stream: reports"), "gateway.credentials[0]", "no api_key", "add api_key"},
		"colon":              {one("site_id: 's:', api_key: k, stream: reports"), "gateway.credentials[0].site_id", "colon", ""},
		"twice":              {door("credentials: [{site_id: s, api_key: k, stream: reports}, {site_id: s, api_key: " + secretKey + ", stream: reports}]"), "gateway.credentials[1].site_id", "item 0 already", "keep one"},
		"no stream":          {one("site_id: s, api_key: k"), "gateway.credentials[0]", "stream or a region", "site_id"},
		"both":               {one("site_id: s, api_key: k, stream: reports, region: {field: f, streams: {a: reports}}"), "gateway.credentials[0]", "stream or a region", ""},
		"unknown stream":     {one("site_id: s, api_key: k, stream: event-us"), "gateway.credentials[0].stream", `"event-us"`, "write events-us"},
		"far stream":         {one("site_id: s, api_key: k, stream: zzz"), "gateway.credentials[0].stream", `"zzz"`, "one of events-us, events-eu, reports"},
		"rule's stream":      {ruled("us: events-us, eu: event-eu"), "gateway.credentials[0].region.streams.eu", `"event-eu"`, "write events-eu"},
		"rule to elsewhere":  {ruled("us: events-us, EU: events-us"), "gateway.credentials[0].region.streams.EU", "stream events-us, which is in us", "a stream in eu"},
		"rule the other way": {ruled("us: events-eu, eu: events-eu"), "gateway.credentials[0].region.streams.us", "stream events-eu, which is in eu", "a stream in us"},
		"rule of no field":   {one("site_id: s, api_key: k, region: {streams: {a: reports}}"), "gateway.credentials[0].region.field", "must not be empty", "field: region"},
		"rule of nothing":    {one("site_id: s, api_key: k, region: {field: f}"), "gateway.credentials[0].region.streams", "at least one", "{eu: NAME"},
		"rate":               {one("site_id: s, api_key: k, stream: reports, rate: 5"), "gateway.credentials[0].rate", `have "5"`, "80/s"},
		"open":               {door(good + ", open: {metric: reports}"), "gateway.open.metric", "not a known key", "write metrics"},
		"open stream":        {door(good + ", open: {metrics: report}"), "gateway.open.metrics", `"report"`, "write reports"},
		"memory":             {door(good + ", in_flight_bytes: 1MiB"), "gateway.in_flight_bytes", "at least 4 MiB", "256MiB"},
		"timeout":            {door(good + ", append_timeout: 0s"), "gateway.append_timeout", "above 0", "3s"},
		"webhooks empty":     {door("webhooks: {}"), "gateway.webhooks", "is empty", "add one as"},
		"no scheme":          {hook("stream: reports"), "gateway.webhooks.w", "how it is proven", "add scheme"},
		"scheme":             {hook("stream: reports, scheme: hmca, secrets: [s]"), "gateway.webhooks.w.scheme", "not a word", "write hmac"},
		"no hook's stream":   {hook("scheme: none"), "gateway.webhooks.w.stream", "is missing", "add stream"},
		"hook's stream":      {hook("stream: report, scheme: none"), "gateway.webhooks.w.stream", `"report"`, "write reports"},
		"hook to the API":    {hook("stream: events-us, scheme: customerio, secrets: [s]"), "gateway.webhooks.w.stream", "takes no such webhook", "sink: webhook"},
		"no secret":          {hook("stream: reports, scheme: customerio"), "gateway.webhooks.w.secrets", "at least one", "scheme none"},
		"empty secret":       {hook("stream: reports, scheme: customerio, secrets: ['${EMPTY}']"), "gateway.webhooks.w.secrets[0]", "must not be empty", ""},
		"needless secret":    {hook("stream: reports, scheme: none, secrets: [" + secretKey + "]"), "gateway.webhooks.w.secrets", "no use", ""},
		"needless token":     {hook("stream: reports, scheme: customerio, secrets: [" + secretKey + "], token: {header: A}"), "gateway.webhooks.w.token", "has none", ""},
		"algorithm":          {hook("stream: reports, scheme: hmac, secrets: [s], signature: {header: A, algorithm: sha255}"), "gateway.webhooks.w.signature.algorithm", "not a word", "write sha256"},
		"place":              {hook("stream: reports, scheme: none, key: [a..b]"), "gateway.webhooks.w.key[0]", "a step is empty", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseDoor(t, want.file)
			faults, ok := errors.AsType[*config.Error](err)
			if !ok {
				t.Fatalf("want faults, have %v", err)
			}
			i := slices.IndexFunc(faults.List, func(f config.Fault) bool {
				return f.Path == want.at && strings.Contains(f.What, want.what) && strings.Contains(f.Remedy, want.remedy)
			})
			if i < 0 || len(faults.List) > 2 || faults.List[i].Line != 10 || faults.List[i].Remedy == "" {
				t.Errorf("want %s: … %s … %s in line 10, have\n%v", want.at, want.what, want.remedy, err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the secret is in %v", err)
			}
		})
	}
}

// TestGatewayReloadTellsLiveFromTheRest changes one thing at a time.
func TestGatewayReloadTellsLiveFromTheRest(t *testing.T) {
	t.Parallel()
	before, err := parseDoor(t, everyDoorKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ from, to, want string }{
		{"", "", "[]"},
		{`":1080"`, `":1081"`, "[{gateway.listen false}]"},
		{`":1443"`, `":1444"`, "[{gateway.tls.listen false}]"},
		{"append_timeout: 3s", "append_timeout: 4s", "[{gateway.append_timeout false}]"},
		{"in_flight_bytes: 32MiB", "in_flight_bytes: 33MiB", "[{gateway.in_flight_bytes false}]"},
		{"rate: 500/s", "rate: 501/s", "[{gateway.credentials true}]"},
		{"rate: 500/s, region", "region", "[{gateway.credentials true}]"},
		{"api_key: file:/key", "api_key: other", "[{gateway.credentials true}]"},
		{"no: events-eu", "no: events-us", "[{gateway.credentials true}]"},
		{"    - {site_id: plain", "    - {site_id: third, api_key: k, stream: reports}\n    - {site_id: plain", "[{gateway.credentials true}]"},
		{"metrics: events-us,", "metrics: events-eu,", "[{gateway.open.metrics true}]"},
		{"metrics: events-us, ", "", "[{gateway.open.metrics true}]"},
		{"shop.example", "www.example", "[{gateway.origins true}]"},
		{"1/10s", "6/min", "[]"},
		{"1/10s", "unlimited", "[{gateway.rate_per_address true}]"},
		{`["${KEY}", file:/key]`, `["${KEY}"]`, "[{gateway.webhooks.reports.secrets true}]"},
		{"window: 0s", "window: 1m", "[{gateway.webhooks.reports.window true}]"},
		{"require_key: true", "require_key: false", "[{gateway.webhooks.reports.require_key false}]"},
		{"prefix: v1=", "prefix: v2=", "[{gateway.webhooks.stripe.signature.prefix false}]"},
		{"key: [], ", "", "[{gateway.webhooks.silent.key false}]"},
		{`  tls: {listen: ":1443", cert: gateway.pem, key: "file:gateway.key"}` + "\n", "", "[{gateway.tls false}]"},
		{"anybody: {stream", "somebody: {stream", "[{gateway.webhooks.somebody false} {gateway.webhooks.anybody false}]"},
		// A stream that does not run yet: what names it waits, and all beside it.
		{"site_id: plain, api_key: \"${KEY}\", stream: events-us", "site_id: plain, api_key: other, stream: new", "[{streams.new false} {gateway.credentials false}]"},
	} {
		text := doorHead + strings.Replace(everyDoorKey, tc.from, tc.to, 1)
		if strings.Contains(tc.to, "stream: new") {
			text = strings.Replace(text, "streams:\n", "streams:\n  new: {workspace: us}\n", 1)
		}
		lookup, _ := surroundings()
		after, err := config.Parse(strings.NewReader(text), lookup, doorFiles(t))
		if err != nil {
			t.Fatalf("%s: %v", tc.to, err)
		}
		running, changes := before.Reload(after)
		if have := fmt.Sprint(changes); have != tc.want {
			t.Errorf("%s: want %s, have %s", tc.to, tc.want, have)
		}
		if same, want := before.SameGateway(running), !slices.ContainsFunc(changes, func(c config.Change) bool { return c.Live }); same != want {
			t.Errorf("%s: want the gateway that runs the same: %v, have %v", tc.to, want, same)
		}
		if _, left := running.Reload(after); len(left) != count(changes, false) {
			t.Errorf("%s: want what is not live left over, have %v", tc.to, left)
		}
	}
	without, err := parseDoor(t, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]config.Config{{before, without}, {without, before}} {
		running, changes := pair[0].Reload(pair[1])
		if fmt.Sprint(changes) != "[{gateway false}]" || (running.Gateway == nil) != (pair[0].Gateway == nil) {
			t.Errorf("want a gateway that comes or goes to wait, have %v", changes)
		}
	}
}
