package config

import (
	"crypto/x509"
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"sluice/pipeline"
	"sluice/pipeline/guard"
	"sluice/sink"
	"sluice/sink/budget"
	"sluice/sink/customerio"
	"sluice/sink/webhook"
)

// DefaultWorkspace is a workspace that sets nothing but its name and its API.
func DefaultWorkspace(name string, kind Kind) Workspace {
	w := Workspace{
		Name: name, Kind: kind, Budget: budget.DefaultConfig(),
		InFlight: pipeline.DefaultInFlight, MaxInFlight: pipeline.DefaultMaxInFlight, BatchItems: 1,
		Customerio: customerio.DefaultConfig(), Webhook: webhook.DefaultConfig(),
		Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(), Tries: pipeline.DefaultTries(), Dedup: guard.DefaultRules(),
	}
	w.Customerio.Workspace, w.Webhook.Workspace = name, name
	if kind == Customerio {
		w.BatchItems = w.Customerio.MaxBatchItems
	}
	return w
}

func kinds() []Kind { return []Kind{Customerio, Webhook} }

// workspace reads one destination, or nothing and a fault when it does not say
// which API it is: without that no key can be judged.
func (d *decoder) workspace(name string, n *yaml.Node) (Workspace, bool) {
	path := "workspaces." + name
	s := d.section(n, path)
	var kind string
	s.read([]key{{name: "sink", value: text(&kind)}})
	if !s.fit("sink") {
		if s.readable && !s.given("sink") {
			d.fault(s.at, path, "does not say which API it is", "add sink: customerio or sink: webhook")
		}
		return Workspace{}, false
	}
	w := DefaultWorkspace(name, Kind(kind))
	if !slices.Contains(kinds(), w.Kind) {
		remedy := "write sink: customerio or sink: webhook"
		if word, ok := nearest(kind, []string{string(Customerio), string(Webhook)}); ok {
			remedy = "write sink: " + word
		}
		d.faultAt(s.join("sink"), "is not an API that this version knows", remedy)
		return w, false
	}
	if w.Kind == Customerio && !s.given("region") { // a default region would send somebody's data to the wrong one
		d.fault(s.at, s.join("region"), "is missing", "add region: us or region: eu, as the account is")
	}
	s.read(workspaceKeys(&w)[1:]) // the first is sink
	s.done()
	if !s.given("max_in_flight") {
		w.MaxInFlight = min(w.MaxInFlight, max(w.InFlight, w.http().MaxConns))
	}
	if !s.given("in_flight") {
		w.InFlight = min(w.InFlight, w.MaxInFlight)
	}
	if w.Kind == Customerio {
		w.Customerio.Region, w.BatchItems = w.Region, w.Customerio.MaxBatchItems
	}
	return w, true
}

// workspaceKeys are the keys of a workspace of w's kind, bound to w.
func workspaceKeys(w *Workspace) []key {
	keys := []key{
		{
			name: "sink", meaning: "The API behind the workspace.", example: string(w.Kind),
			options: []string{string(Customerio), string(Webhook)}, required: true,
			value: value{kind: kindText, shown: func() any { return string(w.Kind) }},
		},
		{
			name: "region", meaning: "Where the destination keeps its data; streams with a residency go to workspaces of that region only.", example: "eu",
			options: regions(), required: w.Kind == Customerio, value: text(&w.Region),
		},
	}
	return append(append(keys, sinkKeys(w)...), deliveryKeys(w)...)
}

// sinkKeys are those that the sink alone knows.
func sinkKeys(w *Workspace) []key {
	switch w.Kind {
	case Customerio:
		return customerioKeys(&w.Customerio)
	case Webhook:
		return webhookKeys(&w.Webhook)
	}
	return nil
}

// deliveryKeys are those of every workspace that say how it is asked.
func deliveryKeys(w *Workspace) []key {
	return []key{
		{name: "budget", meaning: "How often the workspace may be asked, over all members together. What is lower counts at once after a change, what is higher after kafka.lease.", value: section(
			key{name: "requests", meaning: "Attempts, first tries and retries alike.", example: "25/s", live: true, value: rate(&w.Budget.Requests)},
			key{name: "events", meaning: "Events, counted inside batches.", example: "500/s", live: true, value: rate(&w.Budget.Events)},
			key{
				name: "operations", meaning: "Operations with a limit of their own inside the budget: a rate of attempts that hold one, or {rate, cost}, where cost is what such an attempt takes of requests (else 1). Users whose next event is of an operation that is over its rate wait, the others go. The operations: " + strings.Join(operationNames(w.Kind), ", ") + ".",
				example: operationsExample(w.Kind), live: true, value: operations(&w.Budget.Calls, w.Kind),
			},
		)},
		{
			name: "rules", meaning: "What traffic of the workspace is a class of its own, and when it is sent. They are tried in order: the first that matches an event decides; what none matches is of class default. An event that a rule has sent later leaves the order of its user's other events. A first rule with rate, or with spread, at or quiet, gives the streams topics and so waits for a restart.",
			example: rulesExample, live: true, value: sections(&w.Rules.Rules, ruleKeys),
		},
		{name: "in_flight", meaning: "Attempts at once to begin with, in each member. It adapts: up while all are used and the destination is no slower for it, down while attempts fail.", example: "30", low: 1, top: maxInFlight, live: true, value: whole(&w.InFlight)},
		{
			name: "max_in_flight", meaning: "Attempts at once at most, in each member; no more than max_conns. With the value of in_flight it only ever adapts downwards.", example: "60",
			low: 1, top: maxInFlight, fallback: "`256`, or max_conns when that is less", live: true, value: whole(&w.MaxInFlight),
		},
		{name: "breaker", meaning: "When a failing workspace is left alone, and for how long.", value: section(
			key{name: "failures", meaning: "Consecutive failures that open it.", example: "10", low: 1, live: true, value: whole(&w.Breaker.Failures)},
			key{name: "probe_after", meaning: "How long it stays open before one event is tried.", example: "1m", live: true, value: duration(&w.Breaker.ProbeAfter)},
			key{name: "successes", meaning: "Probes in a row that close it.", example: "1", low: 1, live: true, value: whole(&w.Breaker.Successes)},
		)},
		{name: "retry", meaning: "How long a failing event waits: full jitter from base, doubled each time, up to cap.", value: section(
			key{name: "base", meaning: "The most that the first retry waits.", example: "2s", live: true, value: duration(&w.Retry.Base)},
			key{name: "cap", meaning: "The most that any retry waits.", example: "5m", live: true, value: duration(&w.Retry.Cap)},
		)},
		{name: "tries", meaning: "What becomes of an event that keeps failing by itself while others get through: it moves to the stream's .held topic, and its user's later events wait there behind it; then it is a dead letter. An outage counts nothing.", value: section(
			key{name: "in_place", meaning: "Failures until it moves.", example: "5", low: 1, live: true, value: whole(&w.Tries.InPlace)},
			key{name: "held", meaning: "Failures there until it is a dead letter.", example: "20", low: 1, live: true, value: whole(&w.Tries.Held)},
			key{name: "base", meaning: "The most that the first retry there waits; doubled each time.", example: "30s", live: true, value: duration(&w.Tries.Retry.Base)},
			key{name: "cap", meaning: "The most that any retry there waits.", example: "5m", live: true, value: duration(&w.Tries.Retry.Cap)},
			key{name: "most", meaning: "After its first failure it is a dead letter, whatever the count.", example: "72h", live: true, value: duration(&w.Tries.Most)},
		)},
		{
			name: "dedup", meaning: "Repeats that are dropped instead of sent, each for so long after the first was delivered. Nothing is dropped across a delete, suppress or merge of its user, nor of what is replayed; whatever moves shards, a restart too, begins anew.",
			value: section(dedupKeys(w)...),
		},
	}
}

// dedupKeys are the guards of a workspace.
func dedupKeys(w *Workspace) []key {
	keys := []key{
		{name: "event_id", meaning: "An event with the id, the user and the operation of another, the last 100,000 of which are known.", example: "1m", live: true, value: durationOrOff(&w.Dedup.EventID)},
		{name: "content", meaning: "What says the same as another of its user, ids apart, the last 50,000 of which are known: an event, page or screen, for sink: webhook any event. It drops genuine repeats too.", example: "5s", live: true, value: durationOrOff(&w.Dedup.Content)},
	}
	if w.Kind != Customerio {
		return keys
	}
	return append([]key{
		{name: "identify", meaning: "An identify with the attributes of the one before it and no later a timestamp (without one: the record's time, in seconds), when its user was sent nothing in between; the last 10,000 users are known. Never one with relationships, _update or anonymous_id.", example: "30s", live: true, value: durationOrOff(&w.Dedup.Identify)},
		{name: "identify_later", meaning: "Whether identify drops those with a later timestamp too, and with them that time: an identify from in between that comes late then wins.", example: "true", live: true, value: boolean(&w.Dedup.LaterToo)},
	}, keys...)
}

func customerioKeys(c *customerio.Config) []key {
	return append([]key{
		{name: "site_id", meaning: "The Track API's site id of the workspace.", example: "${CIO_SITE_ID}", required: true, live: true, value: text(&c.SiteID)},
		{name: "api_key", meaning: "The Track API's key.", example: "${CIO_API_KEY}", required: true, live: true, value: secretText(&c.APIKey)},
		{
			name: "base_url", meaning: "Another host with the same API, such as the simulator or a relay.", example: "http://127.0.0.1:8090",
			fallback: "Customer.io's host of the region", live: true, value: text(&c.BaseURL),
		},
		{name: "allow_http", meaning: "Whether base_url may be unencrypted beyond this machine.", example: "true", live: true, value: boolean(&c.AllowHTTP)},
		{name: "allow_cross_region", meaning: "Why a base_url in the other region is right: a reason, not just yes.", example: "rehearsal against a copy", live: true, value: text(&c.AllowCrossRegion)},
		{name: "max_batch_items", meaning: "Events in one request at most.", example: "50", low: 1, top: maxBatchItems, live: true, value: whole(&c.MaxBatchItems)},
	}, httpKeys(&c.HTTP)...)
}

func webhookKeys(c *webhook.Config) []key {
	return append([]key{
		{name: "url", meaning: "The endpoint, called once for each event. It may be a template over the event.", example: "https://hooks.example.com/events", required: true, live: true, value: secretText(&c.URL)},
		{name: "method", meaning: "The method of the request.", example: "PUT", options: []string{"POST", "PUT", "PATCH", "DELETE"}, live: true, value: text(&c.Method)},
		{name: "headers", meaning: "Sent with each request; often credentials, so their values are never shown.", example: `{Authorization: "Bearer ${TOKEN}"}`, live: true, value: secretPairs(&c.Headers)},
		{
			name: "body", meaning: "A template over the event, whose fields are .User, .ID, .Raw and the event's own.", example: `'{"who": {{json .User}}, "what": {{.Raw}}}'`,
			fallback: "the event's own bytes", live: true, value: secretText(&c.Body),
		},
		{
			name: "passthrough", meaning: "Whether each event is put to the endpoint as the HTTP request that it came as: any bytes as the body, its method and its headers. For streams that only the gateway's webhooks write to.",
			example: "true", live: true, value: boolean(&c.PassThrough),
		},
		{name: "sign", meaning: "Signs each request when it is sent, once secret is given: by default as Customer.io signs its reporting webhooks.", value: section(signKeys(&c.Sign)...)},
		{name: "rejects", meaning: "Statuses (3xx or 4xx) that are the event's fault, not the workspace's.", example: "[404, 410]", low: 300, top: 499, live: true, value: list(kindWhole, &c.Rejects, parseWhole[int], func(n int) any { return n })},
		{name: "max_bytes", meaning: "Bytes of one event at most; a larger one is a dead letter.", example: "1MiB", live: true, value: size(&c.MaxBytes)},
	}, httpKeys(&c.HTTP)...)
}

func signKeys(s *webhook.Signing) []key {
	return []key{
		{name: "secret", meaning: "The key of the hash.", example: "${SIGNING_KEY}", live: true, value: secretText(&s.Secret)},
		{name: "header", meaning: "The header of the signature.", example: "X-Signature", live: true, value: text(&s.Header)},
		{name: "prefix", meaning: "What stands before the signature.", example: "sha256=", live: true, value: text(&s.Prefix)},
		{name: "timestamp", meaning: "The header of the time of sending, in unix seconds, or off.", example: "X-Timestamp", live: true, value: orOff(&s.Timestamp)},
		{name: "signed", meaning: "What is signed: text with {body} and {timestamp}.", example: `"{timestamp}.{body}"`, live: true, value: text(&s.Signed)},
		{name: "algorithm", meaning: "Of the hash.", example: "sha512", options: algorithms(), live: true, value: choice(&s.Algorithm, algorithms())},
		{name: "encoding", meaning: "Of the signature.", example: "base64", options: encodings(), live: true, value: choice(&s.Encoding, encodings())},
	}
}

func algorithms() []string { return []string{"sha256", "sha512", "sha1"} }

func encodings() []string { return []string{"hex", "base64"} }

func httpKeys(c *sink.HTTPConfig) []key {
	return []key{
		{name: "connect_timeout", meaning: "For making a connection, and as long again for its TLS handshake.", example: "3s", live: true, value: duration(&c.Connect)},
		{name: "timeout", meaning: "For a whole attempt.", example: "20s", live: true, value: duration(&c.Attempt)},
		{name: "max_conns", meaning: "Connections to one host at most.", example: "256", low: 1, live: true, value: whole(&c.MaxConns)},
		{name: "idle_conns", meaning: "Connections to one host that are kept while idle.", example: "50", low: 1, live: true, value: whole(&c.IdleConns)},
		{name: "idle_for", meaning: "How long an idle connection is kept.", example: "1m", live: true, value: duration(&c.IdleFor)},
		{name: "proxy", meaning: "URL of an http, https or socks5 proxy. The environment's HTTP_PROXY is never used.", example: "http://proxy.internal:3128", live: true, value: secretText(&c.Proxy)},
		{
			name: "root_ca", meaning: "Certificates in PEM form, mostly file:PATH, that are trusted instead of the system's.", example: "file:ca.pem",
			fallback: "the system's", live: true, value: parsed(kindText, &c.RootCAs, parseCertificates, showCertificates),
		},
	}
}

func parseCertificates(text string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(text)) {
		return nil, errors.New("holds no certificate in PEM form; write it as file:PATH of a file that begins with -----BEGIN CERTIFICATE-----")
	}
	return pool, nil
}

func showCertificates(pool *x509.CertPool) any {
	if pool == nil {
		return nil
	}
	return certificates{pool}
}

// certificates are told apart by what they hold; there is no text to show.
type certificates struct{ *x509.CertPool }
