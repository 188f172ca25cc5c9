package ways

import "strings"

// rightFile has no fault. Every wrong one is this with a line or two changed.
const rightFile = `kafka:
  brokers: [127.0.0.1:9092]
  session_timeout: 6s
  max_bytes: 64MiB
listen:
  metrics: 127.0.0.1:9090
  actions: 127.0.0.1:9091
drain: 30s
workspaces:
  shop:
    sink: customerio
    region: us
    site_id: ${WAYS_SITE}
    api_key: ${WAYS_KEY}
    budget: {requests: 80/s, events: 1000/s}
    in_flight: 15
    breaker: {failures: 5}
  hook:
    sink: webhook
    url: https://hooks.example.com/events
    headers: {Authorization: "Bearer ${WAYS_TOKEN}"}
streams:
  events:
    workspace: shop
    partitions: 48
    replication: 3
    retention: 7d
  signups:
    workspace: hook
    topic: signups
`

// wrong is a mistake that people make: line is replaced by with. The fault must
// be told of the first line of with, unless at names another, with the path of
// the key and a remedy that says the word.
type wrong struct {
	name, line, with string
	at               string
	path, remedy     string
	hides            bool // what else is wrong beside it cannot be judged
}

// file is the right file with this mistake, and the number of the line whose
// fault it is.
func (w wrong) file(right string) (text string, line int) {
	with := w.with
	if with != "" {
		with += "\n"
	}
	text = strings.Replace(right, w.line+"\n", with, 1)
	at := w.at
	if at == "" {
		at, _, _ = strings.Cut(w.with, "\n")
	}
	before, _, _ := strings.Cut("\n"+text, "\n"+at+"\n")
	return text, strings.Count(before, "\n") + 1
}

// wrongFiles are the mistakes, one a file.
func wrongFiles() []wrong {
	return []wrong{
		{name: "a key of the file misspelt", line: "drain: 30s", with: "drian: 30s", path: "drian", remedy: "write drain"},
		{name: "a key of kafka misspelt", line: "  session_timeout: 6s", with: "  sesion_timeout: 6s", path: "kafka.sesion_timeout", remedy: "write session_timeout"},
		{name: "a key of a workspace misspelt", line: "    in_flight: 15", with: "    inflight: 15", path: "workspaces.shop.inflight", remedy: "write in_flight"},
		{name: "a tab", line: "drain: 30s", with: "\tdrain: 30s", remedy: "spaces"},
		{name: "a key twice", line: "drain: 30s", with: "drain: 30s\ndrain: 40s", at: "drain: 40s", path: "drain", remedy: "remove"},
		{name: "brokers as text", line: "  brokers: [127.0.0.1:9092]", with: "  brokers: 127.0.0.1:9092", path: "kafka.brokers", remedy: "["},
		{name: "no broker", line: "  brokers: [127.0.0.1:9092]", with: "  brokers: []", path: "kafka.brokers", remedy: "brokers: ["},
		{name: "a broker as URL", line: "  brokers: [127.0.0.1:9092]", with: `  brokers: ["http://kafka:9092"]`, path: "kafka.brokers[0]", remedy: "HOST:PORT"},
		{name: "a time without unit", line: "drain: 30s", with: "drain: 30", path: "drain", remedy: "30s"},
		{name: "a time as prose", line: "drain: 30s", with: "drain: half a minute", path: "drain", remedy: "30s"},
		{name: "no time at all", line: "drain: 30s", with: "drain: 0s", path: "drain", remedy: "30s"},
		{name: "a session too short", line: "  session_timeout: 6s", with: "  session_timeout: 1s", path: "kafka.session_timeout", remedy: "session_timeout: "},
		{name: "a mechanism that is none", line: "  session_timeout: 6s", with: "  session_timeout: 6s\n  sasl: {mechanism: SCRAM, username: a, password: b}", at: "  sasl: {mechanism: SCRAM, username: a, password: b}", path: "kafka.sasl.mechanism", remedy: "SCRAM-SHA-512"},
		{name: "a user without password", line: "  session_timeout: 6s", with: "  session_timeout: 6s\n  sasl: {mechanism: PLAIN, username: a}", at: "  sasl: {mechanism: PLAIN, username: a}", path: "kafka.sasl", remedy: "add them"},
		{name: "a certificate without its key", line: "  session_timeout: 6s", with: "  session_timeout: 6s\n  tls: {cert: \"file:/nowhere.pem\"}", at: "  tls: {cert: \"file:/nowhere.pem\"}", path: "kafka.tls.cert", remedy: "readable"},
		{name: "no check of certificates and no reason", line: "  session_timeout: 6s", with: "  session_timeout: 6s\n  tls: {insecure_skip_verify: \"yes\"}", at: "  tls: {insecure_skip_verify: \"yes\"}", path: "kafka.tls.insecure_skip_verify", remedy: "reason"},
		{name: "a password in the open", line: "  brokers: [127.0.0.1:9092]", with: "  brokers: [kafka.example.com:9092]\n  sasl: {mechanism: PLAIN, username: a, password: b}", at: "  sasl: {mechanism: PLAIN, username: a, password: b}", path: "kafka.sasl", remedy: "tls: true"},
		{name: "a size as prose", line: "  max_bytes: 64MiB", with: "  max_bytes: lots", path: "kafka.max_bytes", remedy: "64MiB"},
		{name: "a bare port", line: "  metrics: 127.0.0.1:9090", with: "  metrics: 9090", path: "listen.metrics", remedy: "127.0.0.1:9090"},
		{name: "one port twice", line: "  actions: 127.0.0.1:9091", with: "  actions: 127.0.0.1:9090", path: "listen.actions", remedy: "different", hides: true},
		{name: "no such API", line: "    sink: customerio", with: "    sink: customer.io", path: "workspaces.shop.sink", remedy: "customerio", hides: true},
		{name: "no region", line: "    region: us", with: "", at: "    sink: customerio", path: "workspaces.shop.region", remedy: "region: eu"},
		{name: "no such region", line: "    region: us", with: "    region: usa", path: "workspaces.shop.region", remedy: "us"},
		{name: "a host in another region", line: "    region: us", with: "    region: us\n    base_url: https://track-eu.customer.io", at: "    base_url: https://track-eu.customer.io", path: "workspaces.shop.base_url", remedy: "allow_cross_region"},
		{name: "an unset variable", line: "    api_key: ${WAYS_KEY}", with: "    api_key: ${WAYS_KEI}", path: "workspaces.shop.api_key", remedy: "set it"},
		{name: "half a variable", line: "    api_key: ${WAYS_KEY}", with: `    api_key: "${WAYS_KEY"`, path: "workspaces.shop.api_key", remedy: "$$"},
		{name: "a secret's file that is not there", line: "    api_key: ${WAYS_KEY}", with: "    api_key: file:/nowhere/key", path: "workspaces.shop.api_key", remedy: "readable"},
		{name: "no key", line: "    api_key: ${WAYS_KEY}", with: "", at: "    sink: customerio", path: "workspaces.shop.api_key", remedy: "api_key"},
		{name: "a rate without unit", line: "    budget: {requests: 80/s, events: 1000/s}", with: "    budget: {requests: 80}", path: "workspaces.shop.budget.requests", remedy: "80/s"},
		{name: "a rate of nothing", line: "    budget: {requests: 80/s, events: 1000/s}", with: "    budget: {requests: 0/s}", path: "workspaces.shop.budget.requests", remedy: "unlimited"},
		{name: "a rate a week", line: "    budget: {requests: 80/s, events: 1000/s}", with: "    budget: {events: 80/week}", path: "workspaces.shop.budget.events", remedy: "80/s"},
		{name: "too many in flight", line: "    in_flight: 15", with: "    in_flight: 300", path: "workspaces.shop.in_flight", remedy: "in_flight: "},
		{name: "more in flight than connections", line: "    in_flight: 15", with: "    in_flight: 200", path: "workspaces.shop.in_flight", remedy: "max_conns"},
		{name: "a number in words", line: "    in_flight: 15", with: "    in_flight: many", path: "workspaces.shop.in_flight", remedy: "digits"},
		{name: "a breaker that never closes", line: "    breaker: {failures: 5}", with: "    breaker: {failures: 0}", path: "workspaces.shop.breaker.failures", remedy: "failures: "},
		{name: "an API by another scheme", line: "    url: https://hooks.example.com/events", with: "    url: ftp://hooks.example.com/events", path: "workspaces.hook.url", remedy: "http"},
		{name: "a key of another API", line: "    url: https://hooks.example.com/events", with: "    url: https://hooks.example.com/events\n    site_id: x", at: "    site_id: x", path: "workspaces.hook.site_id", remedy: "url"},
		{name: "a header's name with a space", line: `    headers: {Authorization: "Bearer ${WAYS_TOKEN}"}`, with: `    headers: {"X Y": z}`, path: "workspaces.hook.headers", remedy: "headers: {"},
		{name: "a workspace misspelt", line: "    workspace: shop", with: "    workspace: shp", path: "streams.events.workspace", remedy: "write shop"},
		{name: "no workspace", line: "    workspace: hook", with: "", at: "    topic: signups", path: "streams.signups", remedy: "workspace: NAME"},
		{name: "no partition", line: "    partitions: 48", with: "    partitions: 0", path: "streams.events.partitions", remedy: "partitions: ", hides: true},
		{name: "partitions that go nowhere", line: "    workspace: shop", with: "    routes: [{partitions: 0-39, workspace: shop}]", path: "streams.events.routes", remedy: "add a route"},
		{name: "partitions routed twice", line: "    workspace: shop", with: "    routes: [{partitions: 0-47, workspace: shop}, {partitions: 40-47, workspace: hook}]", path: "streams.events.routes[1].partitions", remedy: "overlap"},
		{name: "no copy", line: "    replication: 3", with: "    replication: 0", path: "streams.events.replication", remedy: "3"},
		{name: "a retention of minutes", line: "    retention: 7d", with: "    retention: 5m", path: "streams.events.retention", remedy: "7d"},
		{name: "data that leaves its region", line: "    replication: 3", with: "    residency: eu", at: "    workspace: shop", path: "streams.events.workspace", remedy: "in eu"},
		{name: "a topic that cannot be", line: "    topic: signups", with: "    topic: sign/ups", path: "streams.signups.topic", remedy: "rename"},
		{name: "two streams on one topic", line: "    topic: signups", with: "    topic: events", path: "streams.signups.topic", remedy: "of its own"},
	}
}
