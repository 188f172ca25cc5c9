package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"sluice/pipeline/gateway"
)

// Answers are what a first configuration needs to know.
type Answers struct {
	Brokers   []string
	Workspace string
	Sink      Kind
	Region    string // of a Customer.io account; may be empty for a webhook
	URL       string // of a webhook
	Stream    string
	Gateway   bool // a Customer.io account's events come by HTTP as well
}

// Question is one answer that is asked for: where to ask and where it goes.
type Question struct {
	Flag    string // the flag that gives it
	Text    string
	Options []string // the only answers; nil for any
	Default string
	Missing bool
}

// Questions are what the answers still need, in the order to ask in.
func (a Answers) Questions() []Question {
	all := []Question{
		{Flag: "brokers", Text: "Kafka brokers, HOST:PORT, comma-separated", Default: "localhost:9092", Missing: len(a.Brokers) == 0},
		{Flag: "workspace", Text: "Name of the first workspace (a destination account)", Default: "acme", Missing: a.Workspace == ""},
		{Flag: "sink", Text: "API behind it", Options: []string{string(Customerio), string(Webhook)}, Default: string(Customerio), Missing: a.Sink == ""},
	}
	switch a.Sink {
	case Customerio:
		all = append(all, Question{Flag: "region", Text: "Region of the account", Options: regions(), Missing: a.Region == ""})
	case Webhook:
		all = append(all, Question{Flag: "url", Text: "URL of the endpoint", Missing: a.URL == ""})
	}
	all = append(all, Question{Flag: "stream", Text: "Name of the first stream (its topic has the same name)", Default: "events", Missing: a.Stream == ""})
	return slices.DeleteFunc(all, func(q Question) bool { return !q.Missing })
}

// Answer gives the answer that the flag of that name would.
func (a *Answers) Answer(flag, text string) {
	text = strings.TrimSpace(text)
	switch flag {
	case "brokers":
		a.Brokers = nil
		for broker := range strings.SplitSeq(text, ",") {
			a.Brokers = append(a.Brokers, strings.TrimSpace(broker))
		}
	case "workspace":
		a.Workspace = text
	case "sink":
		a.Sink = Kind(text)
	case "region":
		a.Region = text
	case "url":
		a.URL = text
	case "stream":
		a.Stream = text
	}
}

// Variables are the environment variables that the file refers to.
func (a Answers) Variables() []string {
	switch {
	case a.Sink == Customerio:
		return []string{a.variable("SITE_ID"), a.variable("API_KEY")}
	case a.hidesURL():
		return []string{a.variable("URL")}
	}
	return nil
}

// variable is the name of a variable of the workspace.
func (a Answers) variable(suffix string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(a.Workspace))
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "WORKSPACE_" + name
	}
	return name + "_" + suffix
}

// hidesURL tells whether the URL may hold a secret, and so must not be written.
func (a Answers) hidesURL() bool {
	if a.Sink != Webhook {
		return false
	}
	u, err := url.Parse(a.URL)
	return err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != ""
}

// File is a configuration for the answers, with a comment at every key. It
// holds no secret, only references to the environment. An answer that makes no
// fit configuration is an error that says so; it never shows a URL, which may
// hold a secret.
func (a Answers) File() ([]byte, error) {
	if missing := a.Questions(); len(missing) > 0 {
		flags := make([]string, len(missing))
		for i, q := range missing {
			flags[i] = "--" + q.Flag
		}
		return nil, fmt.Errorf("more must be known: give %s", strings.Join(flags, ", "))
	}
	if a.Gateway && a.Sink != Customerio {
		return nil, errors.New("a first gateway takes the calls of Customer.io's SDKs: give --region, or leave out --gateway")
	}
	text := a.text()
	lookup := func(name string) (string, bool) {
		if name == a.variable("URL") {
			return a.URL, true
		}
		return "set", true
	}
	_, err := Parse(strings.NewReader(text), lookup, nil)
	if faults, ok := errors.AsType[*Error](err); ok {
		all := make([]error, len(faults.List))
		for i, f := range faults.List {
			f.Line = 0
			all[i] = errors.New(strings.TrimPrefix(f.text(""), ": "))
		}
		return nil, errors.Join(all...)
	}
	return []byte(text), err
}

func (a Answers) text() string {
	var b strings.Builder
	b.WriteString(`# yaml-language-server: $schema=sluice.schema.json
#
# With "sluice config schema --to sluice.schema.json" beside this file, editors
# complete and check it. "sluice config docs" explains every key; what is not
# here has a default that is right for most, as "sluice config show" tells.
# ${NAME} stands for that variable of the environment, and file:PATH for the
# content of a file: keep secrets out of here.

`)
	w := DefaultWorkspace(a.Workspace, a.Sink)
	s := DefaultStream(a.Stream)
	comments := commented{&b}
	top := Default()
	comments.line(0, top.keys(), "kafka", "")
	comments.line(1, kafkaKeys(&top.Kafka), "brokers", quotedList(a.Brokers))
	b.WriteString("\n")
	comments.line(0, top.keys(), "workspaces", "")
	fmt.Fprintf(&b, "  %s:\n", quoted(a.Workspace))
	keys := workspaceKeys(&w)
	comments.line(2, keys, "sink", string(a.Sink))
	if a.Region != "" {
		comments.line(2, keys, "region", quoted(a.Region))
	}
	if a.Sink == Customerio {
		comments.line(2, keys, "site_id", "${"+a.variable("SITE_ID")+"}")
		comments.line(2, keys, "api_key", "${"+a.variable("API_KEY")+"}")
	} else {
		comments.line(2, keys, "url", a.writtenURL())
		fmt.Fprintf(&b, "    # headers: {Authorization: \"Bearer ${%s}\"}\n", a.variable("TOKEN"))
	}
	comments.section(2, keys, "budget")
	b.WriteString("\n")
	comments.line(0, top.keys(), "streams", "")
	fmt.Fprintf(&b, "  %s:\n", quoted(a.Stream))
	keys = streamKeys(&s)
	comments.line(2, keys, "workspace", quoted(a.Workspace))
	comments.line(2, keys, "partitions", fmt.Sprint(s.Partitions))
	comments.line(2, keys, "replication", fmt.Sprint(a.replication()))
	comments.line(2, keys, "retention", FormatDuration(s.Retention))
	if a.Gateway {
		a.door(comments)
	}
	return b.String()
}

// door writes a gateway that takes the account's own credentials, on this
// machine.
func (a Answers) door(comments commented) {
	top, g := Default(), gateway.DefaultConfig()
	keys := gatewayKeys(&g)
	_ = comments.WriteByte('\n') // a Builder takes everything
	comments.line(0, top.keys(), "gateway", "")
	comments.line(1, keys, "listen", "127.0.0.1"+g.Listen)
	comments.line(1, keys, "credentials", "")
	fmt.Fprintf(comments.Builder, "    - {site_id: \"${%s}\", api_key: \"${%s}\", stream: %s}\n", a.variable("SITE_ID"), a.variable("API_KEY"), quoted(a.Stream))
}

func (a Answers) writtenURL() string {
	if a.hidesURL() {
		return "${" + a.variable("URL") + "}"
	}
	return quoted(doubled(a.URL))
}

// replication is 1 for brokers of this machine alone, which has no other to
// copy to.
func (a Answers) replication() int16 {
	for _, broker := range a.Brokers {
		host, _, err := net.SplitHostPort(broker)
		if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return DefaultStream("").Replication
		}
	}
	return 1
}

// commented writes keys, each under what it means.
type commented struct{ *strings.Builder }

func (c commented) line(depth int, keys []key, name, value string) {
	indent := strings.Repeat("  ", depth)
	for _, k := range keys {
		if k.name == name {
			fmt.Fprintf(c.Builder, "%s# %s\n%s\n", indent, k.meaning, strings.TrimRight(indent+name+": "+value, " "))
		}
	}
}

// section writes those keys of a section that have a default.
func (c commented) section(depth int, keys []key, name string) {
	for _, k := range keys {
		if k.name == name {
			c.line(depth, keys, name, "")
			for _, in := range k.value.keys {
				if shown := in.value.shown(); shown != nil {
					c.line(depth+1, k.value.keys, in.name, fmt.Sprint(shown))
				}
			}
		}
	}
}

// quoted writes text as one YAML scalar.
func quoted(text string) string {
	if nameForm.MatchString(text) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off"}, strings.ToLower(text)) {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text) + `"`
}

func quotedList(texts []string) string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = quoted(text)
	}
	return "[" + strings.Join(all, ", ") + "]"
}
