package webhook_test

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"

	"sluice/sink/webhook"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	const body = `{"plan":{{json .Event.plan}}{{with .Event.more}},"x":{{json .x}}{{end}},"who":{{json $.User}}}`
	for name, c := range map[string]struct {
		change func(*webhook.Config)
		want   string // empty: no fault
	}{
		"fixed":                  {func(*webhook.Config) {}, ""},
		"plain http":             {func(c *webhook.Config) { c.URL = "http://10.0.0.1:8080/x" }, ""},
		"credentials":            {func(c *webhook.Config) { c.URL = "https://me:hunter2@a.example/" }, ""},
		"template":               {func(c *webhook.Config) { c.URL = "https://a.example/u/{{.User}}?p={{.Event.plan}}" }, ""},
		"any host":               {func(c *webhook.Config) { c.URL = "https://{{.Event.host}}/x" }, ""},
		"body":                   {func(c *webhook.Config) { c.Body = body }, ""},
		"put":                    {func(c *webhook.Config) { c.Method = "PUT" }, ""},
		"rejects":                {func(c *webhook.Config) { c.Rejects = []int{404, 410} }, ""},
		"no url":                 {func(c *webhook.Config) { c.URL = "" }, "url: must be"},
		"no scheme":              {func(c *webhook.Config) { c.URL = "a.example/hunter2" }, "url: must be"},
		"other scheme":           {func(c *webhook.Config) { c.URL = "file:///etc/passwd" }, "url: must be"},
		"no host":                {func(c *webhook.Config) { c.URL = "https:///x" }, "url: must be"},
		"unreadable":             {func(c *webhook.Config) { c.URL = "https://a.example/%zz?hunter2" }, "url: must be"},
		"scheme in a template":   {func(c *webhook.Config) { c.URL = "{{.Event.url}}" }, "url: must begin with"},
		"template, credentials":  {func(c *webhook.Config) { c.URL = "https://me:hunter2@a.example/{{.User}}" }, "must not hold credentials"},
		"template, bad host":     {func(c *webhook.Config) { c.URL = "https://a b/{{.User}}" }, "url: must be"},
		"template, unknown":      {func(c *webhook.Config) { c.URL = "https://a.example/{{.Plan}}" }, "url: template: there is no .Plan"},
		"template, syntax":       {func(c *webhook.Config) { c.URL = "https://a.example/{{.User" }, "url: template:"},
		"body, unknown":          {func(c *webhook.Config) { c.Body = "{{if true}}{{.Userr}}{{end}}" }, "body: template: there is no .Userr"},
		"body, unknown by $":     {func(c *webhook.Config) { c.Body = "{{range .Event.list}}{{$.Nope}}{{end}}" }, "there is no .Nope"},
		"body, unknown in a fun": {func(c *webhook.Config) { c.Body = "{{json (index .Nope 1)}}" }, "there is no .Nope"},
		"body, unknown function": {func(c *webhook.Config) { c.Body = "{{shout .User}}" }, "body: template:"},
		"method":                 {func(c *webhook.Config) { c.Method = "GET" }, "method: must be one of"},
		"no size":                {func(c *webhook.Config) { c.MaxBytes = 0 }, "max_bytes:"},
		"rejects a success":      {func(c *webhook.Config) { c.Rejects = []int{404, 200} }, "rejects[1]:"},
		"rejects 429":            {func(c *webhook.Config) { c.Rejects = []int{429} }, "rejects[0]: 429"},
		"rejects 503":            {func(c *webhook.Config) { c.Rejects = []int{503} }, "rejects[0]:"},
		"header name":            {func(c *webhook.Config) { c.Headers["a b"] = "1" }, `"a b" is not`},
		"header value":           {func(c *webhook.Config) { c.Headers["X-Key"] = "hunter2\r\nX: y" }, "the value of X-Key"},
		"header twice":           {func(c *webhook.Config) { c.Headers["x-team"] = "a" }, "X-Team is given twice"},
		"header host":            {func(c *webhook.Config) { c.Headers["host"] = "a" }, "Host is set by sluice"},
		"header length":          {func(c *webhook.Config) { c.Headers["Content-length"] = "1" }, "Content-Length is set by sluice"},
		"header key":             {func(c *webhook.Config) { c.Headers["idempotency-key"] = "1" }, "Idempotency-Key is set by sluice"},
		"two credentials": {func(c *webhook.Config) {
			c.URL, c.Headers["authorization"] = "https://me:hunter2@a.example/", "Bearer hunter2"
		}, "Authorization is given"},
		"any host, proxy": {func(c *webhook.Config) {
			c.URL, c.HTTP.Proxy = "https://{{.Event.host}}/x", "http://proxy.internal:3128"
		}, "proxy: cannot be used"},
		"no time":       {func(c *webhook.Config) { c.HTTP.Attempt = 0 }, "timeout:"},
		"several":       {func(c *webhook.Config) { c.URL, c.Method = "", "" }, "url:"},
		"several again": {func(c *webhook.Config) { c.URL, c.Method = "", "" }, "method:"},
	} {
		cfg := webhook.DefaultConfig()
		cfg.Workspace, cfg.URL, cfg.Headers = "hook", "https://a.example/x?token=hunter2", map[string]string{"X-Team": "hunter2"}
		c.change(&cfg)
		err := cfg.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: want %q, have %v", name, c.want, err)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: %q holds a secret", name, err)
		}
		if _, made := webhook.New(cfg, zap.NewNop()); (made == nil) != (err == nil) {
			t.Errorf("%s: valid %v, made %v", name, err, made)
		}
		for _, form := range []string{"%v", "%+v", "%#v"} {
			if text := fmt.Sprintf(form, cfg); strings.Contains(text, "hunter2") || !strings.Contains(text, "hook") {
				t.Errorf("%s: %s prints %s", name, form, text)
			}
		}
	}
}
