package config_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"sluice/pipeline/config"
)

// wrong files, each with the beginning of its fault (its place and path), what
// it must say, and what it must advise.
func wrongFiles() map[string]struct{ file, at, what, remedy string } {
	const head = "workspaces:\n  a: {sink: customerio, region: us, site_id: s, api_key: " + secretKey + "}\n"
	const tail = "streams:\n  s: {workspace: a}\n"
	workspace := func(keys string) string { return "workspaces:\n  a: {" + keys + "}\n" + tail }
	customerio := func(keys string) string {
		return workspace("sink: customerio, region: us, site_id: s, api_key: k, " + keys)
	}
	stream := func(keys string) string { return head + "streams:\n  s: {" + keys + "}\n" }
	all := wrongRules()
	maps.Copy(all, map[string]struct{ file, at, what, remedy string }{
		"empty":              {"", "config:1:1: ", "empty", "sluice.example.yaml"},
		"comments only":      {"# nothing\n", "config:1:1: ", "empty", "sluice.example.yaml"},
		"second document":    {head + tail + "---\na: 1\n", "config:5:", "second YAML document", "one document"},
		"not yaml":           {head + "streams: [\n", "config:4:1", "not YAML", "example"},
		"tab":                {"\tkafka: {}\n", "config:1:1", "not YAML", "spaces"},
		"colon in value":     {"a: b: c\n", "config:1:5", "not YAML", "quote"},
		"anchors in a ring":  {"a: &a\n  <<: *a\n" + head + tail + "kafka: &k\n  <<: *k\n", "config:", "too many anchors", "write the keys out"},
		"merged text":        {head + tail + "kafka:\n  <<: text\n", "config:6:7: kafka", "must name an anchor", "*name"},
		"missing anchor":     {head + "streams: *" + secretKey + "\n", "config:3:10", "no anchor", "quote"},
		"a list":             {"- a\n", "config:1:1", "is a list", "key: value"},
		"text":               {"just text\n", "config:1:1", "single value", "key: value"},
		"unknown key":        {head + tail + "kafak: {}\n", "config:5:1: kafak", "not a known key", "write kafka"},
		"unknown far key":    {head + tail + "zzzzzz: 1\n", "config:5:1: zzzzzz", "not a known key", "kafka, listen"},
		"forgotten colon":    {workspace("sink: customerio, region: us, site_id: s, api_key " + secretKey), "config:2:49: workspaces.a", "not a plain word", "colon"},
		"duplicate key":      {head + tail + "drain: 1s\ndrain: 2s\n", "config:6:1: drain", "first in line 5", "remove"},
		"twice a stream":     {head + tail + "  s: {workspace: a}\n", "config:5:3: streams.s", "first in line 4", "remove"},
		"no value":           {head + "streams:\n  s: {workspace: }\n", "config:4:7: streams.s.workspace", "no value", "default"},
		"empty stream":       {head + "streams:\n  s:\n", "config:4:3: streams.s", "no value", "{key: value}"},
		"not a mapping":      {head + tail + "kafka: [a]\n", "config:5:8: kafka", "is a list", "key: value"},
		"not a list":         {head + tail + "kafka: {brokers: b}\n", "config:5:18: kafka.brokers", "must be a list", "[one, two]"},
		"not a scalar":       {stream("workspace: [a]"), "config:4:18: streams.s.workspace", "single value", ""},
		"tagged":             {stream("workspace: !x a"), "config:4:18: streams.s.workspace", "tag", "remove"},
		"log level":          {head + tail + "log_level: loud\n", "config:5:12: log_level", `have "loud"`, "one of debug, info"},
		"log level slip":     {head + tail + "log_level: wran\n", "config:5:12: log_level", `have "wran"`, "write warn"},
		"number too large":   {stream("workspace: a, replication: 70000"), "config:4:34: streams.s.replication", "no number of that size", "fewer digits"},
		"not yes":            {customerio("allow_http: perhaps"), "config:2:73: workspaces.a.allow_http", "true or false", "one of the two"},
		"status":             {customerio("rejects: [404]"), "config:2:61: workspaces.a.rejects", "not a known key", ""},
		"duration bare":      {head + tail + "drain: 30\n", "config:5:8: drain", `have "30"`, "30s"},
		"duration negative":  {head + tail + "drain: -30s\n", "config:5:8: drain", `have "-30s"`, "30s"},
		"drain zero":         {head + tail + "drain: 0s\n", "config:5:8: drain", "above 0", "30s"},
		"size":               {head + tail + "kafka: {max_bytes: 64 MIB}\n", "config:5:20: kafka.max_bytes", `"64 MIB"`, "64MiB"},
		"integer":            {customerio("in_flight: many"), "config:2:72: workspaces.a.in_flight", "whole number", "digits"},
		"in flight":          {customerio("in_flight: 300"), "config:2:72: workspaces.a.in_flight", "1 to 256", ""},
		"connections":        {customerio("in_flight: 200"), "config:2:72: workspaces.a.in_flight", "max_conns", "raise"},
		"most below":         {customerio("in_flight: 30, max_in_flight: 20"), "config:2:91: workspaces.a.max_in_flight", "below in_flight, 30", "raise"},
		"most":               {customerio("max_in_flight: 300"), "config:2:76: workspaces.a.max_in_flight", "1 to 256", ""},
		"most connections":   {customerio("max_in_flight: 200"), "config:2:76: workspaces.a.max_in_flight", "max_conns", "raise"},
		"dedup bare":         {customerio("dedup: {identify: 30}"), "config:2:79: workspaces.a.dedup.identify", `have "30"`, "or off"},
		"dedup of a hook":    {workspace("sink: webhook, url: 'http://127.0.0.1:1/', dedup: {identify: 30s}"), "config:2:58: workspaces.a.dedup.identify", "not a known key", ""},
		"operation":          {customerio("budget: {operations: {delet: 1/s}}"), "config:2:83: workspaces.a.budget.operations.delet", "not a known key", "write delete"},
		"other's operation":  {customerio("budget: {operations: {send: 1/s}}"), "config:2:83: workspaces.a.budget.operations.send", "not a known key", ""},
		"operation bare":     {customerio("budget: {operations: {delete: 5}}"), "config:2:91: workspaces.a.budget.operations.delete", `have "5"`, "80/s"},
		"operation empty":    {customerio("budget: {operations: {delete: {}}}"), "config:2:91: workspaces.a.budget.operations.delete", "says nothing", "10/s"},
		"operation key":      {customerio("budget: {operations: {delete: {rats: 1/s}}}"), "config:2:92: workspaces.a.budget.operations.delete.rats", "not a known key", "write rate"},
		"operation cost":     {customerio("budget: {operations: {delete: {cost: -1}}}"), "config:2:98: workspaces.a.budget.operations.delete.cost", "above 0", "write it as 2"},
		"operations list":    {customerio("budget: {operations: [delete]}"), "config:2:82: workspaces.a.budget.operations", "is a list", "key: value"},
		"reach":              {head + tail + "kafka: {reach: unlimited}\n", "config:5:16: kafka.reach", "limit", "1000/s"},
		"remain":             {head + tail + "kafka: {remain: perhaps}\n", "config:5:17: kafka.remain", "true or false", "one of the two"},
		"rate bare":          {customerio("budget: {requests: 80}"), "config:2:80: workspaces.a.budget.requests", `have "80"`, "80/s"},
		"rate unit":          {customerio("budget: {events: 80/week}"), "config:2:78: workspaces.a.budget.events", "must end in", "1/10s"},
		"rate zero":          {customerio("budget: {requests: 0/s}"), "config:2:80: workspaces.a.budget.requests", "stop everything", "unlimited"},
		"session":            {head + tail + "kafka: {session_timeout: 1s}\n", "config:5:26: kafka.session_timeout", "at least 6s", ""},
		"no brokers":         {head + tail + "kafka: {brokers: []}\n", "config:5:18: kafka.brokers", "at least one", ""},
		"broker":             {head + tail + "kafka: {brokers: [\"a:1\", \"http://b:9092\"]}\n", "config:5:26: kafka.brokers[1]", "broker's address", "HOST:PORT"},
		"value from outside": {customerio("base_url: \"${KEY}\""), "config:2:71: workspaces.a.base_url", "", ""},
		"address":            {head + tail + "listen: {metrics: 9090}\n", "config:5:19: listen.metrics", "not an address", "127.0.0.1:9090"},
		"same address":       {head + tail + "listen: {metrics: \":1\", actions: \":1\"}\n", "config:5:34: listen.actions", "metrics too", "different"},
		"advertise":          {head + tail + "listen: {advertise: \":9091\"}\n", "config:5:21: listen.advertise", "no host", "HOST:PORT"},
		"no workspaces":      {"kafka: {}\n" + tail, "config:1:1: ", "has no workspaces", "add workspaces: {NAME"},
		"no streams":         {head, "config:1:1: ", "has no streams", "add streams: {NAME"},
		"no sink":            {workspace("region: us"), "config:2:6: workspaces.a", "which API", "sink: customerio"},
		"unknown sink":       {workspace("sink: customer.io"), "config:2:13: workspaces.a.sink", "not an API", "sink: customerio"},
		"no region":          {workspace("sink: customerio, site_id: s, api_key: k"), "config:2:6: workspaces.a.region", "missing", "region: eu"},
		"unknown region":     {workspace("sink: customerio, region: usa, site_id: s, api_key: k"), "config:2:33: workspaces.a.region", "not a region", "write us"},
		"webhook region":     {workspace("sink: webhook, region: asia, url: 'http://127.0.0.1:1/'"), "config:2:30: workspaces.a.region", "not a region", "us or eu"},
		"no key":             {workspace("sink: customerio, region: us, site_id: s"), "config:2:6: workspaces.a.api_key", "", ""},
		"empty variable":     {workspace("sink: customerio, region: us, site_id: s, api_key: \"${EMPTY}\""), "config:2:58: workspaces.a.api_key", "", ""},
		"unset variable":     {workspace("sink: customerio, region: us, site_id: s, api_key: \"${NOPE}\""), "config:2:58: workspaces.a.api_key", "NOPE is not set", "$${NOPE}"},
		"half a variable":    {workspace("sink: customerio, region: us, site_id: s, api_key: \"${NOPE\""), "config:2:58: workspaces.a.api_key", "${", "$$"},
		"no such file":       {workspace("sink: customerio, region: us, site_id: s, api_key: file:/nope"), "config:2:58: workspaces.a.api_key", "open /nope", "readable"},
		"huge secret":        {workspace("sink: customerio, region: us, site_id: s, api_key: file:/huge"), "config:2:58: workspaces.a.api_key", "more than 65536", "only this value"},
		"workspaces empty":   {"workspaces: {}\n" + tail, "config:1:13: workspaces", "is empty", "{NAME:"},
		"workspace name":     {"workspaces:\n  a b: {sink: webhook}\n" + tail, "config:2:3: workspaces", "letters, digits", "rename"},
		"after a variable":   {workspace("sink: customerio, region: us, site_id: ${SITE}, in_flight: x, api_key: ${KEY}"), "config:2:66: workspaces.a.in_flight", "whole number", "digits"},
		"key of other sink":  {customerio("url: http://x"), "config:2:61: workspaces.a.url", "not a known key", ""},
		"no route":           {stream("topic: t"), "config:4:6: streams.s", "no workspace", "workspace: NAME"},
		"both routes":        {stream("workspace: a, routes: [{partitions: 0-47, workspace: a}]"), "config:4:29: streams.s.routes", "beside", "one of the two"},
		"unknown workspace":  {stream("workspace: aa"), "config:4:18: streams.s.workspace", `"aa"`, "write a"},
		"route gap":          {stream("partitions: 8, routes: [{partitions: 0-3, workspace: a}, {partitions: 5-7, workspace: a}]"), "config:4:30: streams.s.routes", "4 go nowhere", "add a route"},
		"route end":          {stream("partitions: 8, routes: [{partitions: 0-3, workspace: a}]"), "config:4:30: streams.s.routes", "4-7 go nowhere", "add a route"},
		"route overlap":      {stream("partitions: 8, routes: [{partitions: 0-5, workspace: a}, {partitions: 4-7, workspace: a}]"), "config:4:77: streams.s.routes[1].partitions", "4-5 have a route already", "overlap"},
		"route beyond":       {stream("partitions: 8, routes: [{partitions: 0-8, workspace: a}]"), "config:4:44: streams.s.routes[0].partitions", "reaches partition 8", "shorten"},
		"route range":        {stream("partitions: 8, routes: [{partitions: 7-0, workspace: a}]"), "config:4:44: streams.s.routes[0].partitions", `"7-0"`, "0-23"},
		"route half":         {stream("partitions: 8, routes: [{partitions: 0-7}]"), "config:4:31: streams.s.routes[0]", "no workspace", "{partitions"},
		"route workspace":    {stream("partitions: 8, routes: [{partitions: 0-7, workspace: b}]"), "config:4:60: streams.s.routes[0].workspace", `"b"`, "write a"},
		"residency":          {stream("workspace: a, residency: eu"), "config:4:18: streams.s.workspace", "must stay in eu", "in eu"},
		"residency unknown":  {stream("workspace: a, residency: moon"), "config:4:32: streams.s.residency", "not a region", "us or eu"},
		"partitions zero":    {stream("workspace: a, partitions: 0"), "config:4:33: streams.s.partitions", "1 to 10000", ""},
		"replication":        {stream("workspace: a, replication: 0"), "config:4:34: streams.s.replication", "at least 1", "single broker"},
		"retention":          {stream("workspace: a, retention: 5m"), "config:4:32: streams.s.retention", "at least 1h", "7d"},
		"topic":              {stream("workspace: a, topic: a/b"), "config:4:28: streams.s.topic", "letters, digits", "rename"},
		"one topic":          {head + tail + "  s2: {workspace: a, topic: s}\n", "config:5:29: streams.s2.topic", "belongs to stream s", "of its own"},
		"dead topic":         {head + tail + "  s2: {workspace: a, topic: s.dead}\n", "config:5:29: streams.s2.topic", "ends in .dead", "without that ending"},
		"held topic":         {stream("workspace: a, topic: x.held"), "config:4:28: streams.s.topic", "ends in .held", "without that ending"},
		"replay topic":       {stream("workspace: a, topic: x.replay"), "config:4:28: streams.s.topic", "ends in .replay", "without that ending"},
		"state topic":        {"kafka: {state_topic: s.replay}\n" + head + tail, "config:1:22: kafka.state_topic", "belongs to stream s", "no stream uses"},
		"state topic form":   {"kafka: {state_topic: a/b}\n" + head + tail, "config:1:22: kafka.state_topic", "letters, digits", "rename"},
		"state topic taken":  {stream("workspace: a, topic: sluice.state"), "config:4:28: streams.s.topic", "belongs to operator state", "of its own"},
	})
	return all
}

func TestEachFaultNamesPlaceAndRemedy(t *testing.T) {
	t.Parallel()
	for name, want := range wrongFiles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(want.file)
			faults, ok := errors.AsType[*config.Error](err)
			if !ok {
				t.Fatalf("want faults, have %v", err)
			}
			have := err.Error()
			found := false
			for line := range strings.Lines(have) {
				found = found || strings.HasPrefix(line, want.at) && strings.Contains(line, want.what) && strings.Contains(line, want.remedy)
			}
			if !found || len(faults.List) > 2 {
				t.Errorf("want a line %s … %s … %s\nhave %s", want.at, want.what, want.remedy, have)
			}
			for _, f := range faults.List {
				if f.Remedy == "" {
					t.Errorf("want a remedy for %s: %s", f.Path, f.What)
				}
			}
			if strings.Contains(have, secretKey) {
				t.Errorf("the secret is in %s", have)
			}
		})
	}
}

// TestFaultsOfOnePath: two things that are wrong with one key are both told,
// and a key that could not be read is not judged as well.
func TestFaultsOfOnePath(t *testing.T) {
	t.Parallel()
	_, err := parse(`workspaces:
  a: {sink: webhook, url: "https://h.example.com/", headers: {"X Y": a, "Z Z": b}}
  b: {sink: customerio, region: us, site_id: s, api_key: "${NOPE}"}
streams:
  s: {partitions: 9, routes: [{partitions: 1-3, workspace: a}, {partitions: 5-7, workspace: b}]}
`)
	if err == nil {
		t.Fatal("want faults")
	}
	for _, want := range []string{`"X Y"`, `"Z Z"`, "partitions 0 go", "partitions 4 go", "partitions 8 go"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %s in\n%s", want, err)
		}
	}
	if n := strings.Count(err.Error(), "b.api_key"); n != 1 {
		t.Errorf("want one fault of the key that could not be read, have %d in\n%s", n, err)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := parse(`kafka: {session_timeout: 1s, brokrs: [x]}
drain: soon
workspaces:
  a: {sink: customerio, region: mars, site_id: s, api_key: "${NOPE}"}
  b: {sink: customerio, region: eu, site_id: s, api_key: k, budget: {requests: fast}}
streams:
  s: {workspace: c}
  t: {workspace: b, residency: us, retention: 1}
`)
	if _, ok := errors.AsType[*config.Error](err); !ok {
		t.Fatalf("want faults, have %v", err)
	}
	want := []string{
		"config:1:8: kafka.heartbeat", "config:1:26: kafka.session_timeout", "config:1:30: kafka.brokrs", "config:2:8: drain", "config:4:33: workspaces.a.region",
		"config:4:60: workspaces.a.api_key", "config:5:80: workspaces.b.budget.requests", "config:7:18: streams.s.workspace",
		"config:8:18: streams.t.workspace", "config:8:47: streams.t.retention",
	}
	have := strings.Split(err.Error(), "\n")
	for i, line := range want {
		if i >= len(have) || !strings.HasPrefix(have[i], line) {
			t.Fatalf("want line %d to begin with %s, have\n%s", i, line, err)
		}
	}
	if len(have) != len(want) {
		t.Errorf("want %d faults, have\n%s", len(want), err)
	}
}
