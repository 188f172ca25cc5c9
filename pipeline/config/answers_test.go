package config_test

import (
	"slices"
	"strings"
	"testing"

	"sluice/pipeline/config"
)

func TestAnswersMakeAFile(t *testing.T) {
	t.Parallel()
	schema := compile(t)
	for name, tc := range map[string]struct {
		answers   config.Answers
		variables []string
		want      []string
	}{
		"customerio": {
			config.Answers{Brokers: []string{"localhost:9092"}, Workspace: "acme-us", Sink: config.Customerio, Region: "us", Stream: "events"},
			[]string{"ACME_US_SITE_ID", "ACME_US_API_KEY"},
			[]string{"${ACME_US_API_KEY}", "replication: 1", "requests: 80/s", "# The Track API's key."},
		},
		"cluster": {
			config.Answers{Brokers: []string{"k1:9092", "k2:9092"}, Workspace: "7.up", Sink: config.Customerio, Region: "eu", Stream: "on"},
			[]string{"WORKSPACE_7_UP_SITE_ID", "WORKSPACE_7_UP_API_KEY"},
			[]string{"replication: 3", `"on":`},
		},
		"gateway": {
			config.Answers{Brokers: []string{"localhost:9092"}, Workspace: "acme", Sink: config.Customerio, Region: "us", Stream: "on", Gateway: true},
			[]string{"ACME_SITE_ID", "ACME_API_KEY"},
			[]string{"listen: 127.0.0.1:8080", `- {site_id: "${ACME_SITE_ID}", api_key: "${ACME_API_KEY}", stream: "on"}`},
		},
		"webhook": {
			config.Answers{Brokers: []string{"127.0.0.1:9092"}, Workspace: "hook", Sink: config.Webhook, URL: "https://example.com/{{.User}}/$x", Stream: "events"},
			nil,
			[]string{`"https://example.com/{{.User}}/$$x"`, "${HOOK_TOKEN}"},
		},
		"webhook with a secret": {
			config.Answers{Brokers: []string{"k:9092"}, Workspace: "hook", Sink: config.Webhook, URL: "https://example.com/in?token=" + secretKey, Stream: "events"},
			[]string{"HOOK_URL"},
			[]string{"url: ${HOOK_URL}"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := tc.answers.File()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), secretKey) {
				t.Errorf("the secret is in\n%s", text)
			}
			for _, want := range tc.want {
				if !strings.Contains(string(text), want) {
					t.Errorf("want %s in\n%s", want, text)
				}
			}
			if have := tc.answers.Variables(); !slices.Equal(have, tc.variables) {
				t.Errorf("variables: want %v, have %v", tc.variables, have)
			}
			lookup := func(name string) (string, bool) {
				return "https://example.com/in", slices.Contains(tc.variables, name) && strings.HasSuffix(name, "_URL")
			}
			if tc.answers.Sink == config.Customerio {
				lookup = func(name string) (string, bool) { return "set", slices.Contains(tc.variables, name) }
			}
			cfg, err := config.Parse(strings.NewReader(string(text)), lookup, nil)
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			if _, ok := cfg.Stream(tc.answers.Stream); !ok || len(cfg.Workspaces) != 1 || cfg.Workspaces[0].Name != tc.answers.Workspace {
				t.Errorf("have %v", cfg)
			}
			if err := judge(t, schema, string(text)); err != nil {
				t.Errorf("%v in\n%s", err, text)
			}
		})
	}
}

func TestUnfitAnswersAreRefused(t *testing.T) {
	t.Parallel()
	good := config.Answers{Brokers: []string{"localhost:9092"}, Workspace: "a", Sink: config.Webhook, URL: "https://example.com/", Stream: "s"}
	for name, tc := range map[string]struct {
		change func(*config.Answers)
		want   string
	}{
		"nothing":   {func(a *config.Answers) { *a = config.Answers{} }, "give --brokers, --workspace, --sink, --stream"},
		"no region": {func(a *config.Answers) { a.Sink = config.Customerio }, "give --region"},
		"region":    {func(a *config.Answers) { a.Sink, a.Region = config.Customerio, "usa" }, "write us"},
		"sink":      {func(a *config.Answers) { a.Sink = "clay" }, "write sink: customerio or sink: webhook"},
		"gateway":   {func(a *config.Answers) { a.Gateway = true }, "leave out --gateway"},
		"broker":    {func(a *config.Answers) { a.Brokers = []string{"http://x"} }, "HOST:PORT"},
		"name":      {func(a *config.Answers) { a.Workspace = "a: {b}\n" }, "rename it"},
		"stream":    {func(a *config.Answers) { a.Stream = "\"" }, "rename it"},
		"url":       {func(a *config.Answers) { a.URL = "gopher://" + secretKey + "@x/" }, "url"},
	} {
		a := good
		tc.change(&a)
		_, err := a.File()
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), secretKey) {
			t.Errorf("%s: want %s, have %v", name, tc.want, err)
		}
	}
}

// TestQuestionsLeadToAFile answers each question in turn, by its default or its
// first option.
func TestQuestionsLeadToAFile(t *testing.T) {
	t.Parallel()
	var a config.Answers
	var asked []string
	for questions := a.Questions(); len(questions) > 0; questions = a.Questions() {
		q := questions[0]
		asked = append(asked, q.Flag)
		answer := q.Default
		if answer == "" {
			answer = q.Options[0]
		}
		a.Answer(q.Flag, answer)
		if len(asked) > 10 {
			t.Fatalf("an answer does not end its question: %v", asked)
		}
	}
	if want := []string{"brokers", "workspace", "sink", "region", "stream"}; !slices.Equal(asked, want) {
		t.Errorf("want %v asked, have %v", want, asked)
	}
	if _, err := a.File(); err != nil {
		t.Error(err)
	}
}
