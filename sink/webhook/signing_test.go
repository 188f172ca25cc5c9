package webhook_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/pipeline/event"
	"sluice/sink"
	"sluice/sink/webhook"
)

// What waited for hours is signed when it is sent, by the user's own secret, in
// the form that Customer.io's libraries check.
func TestSignedWhenSent(t *testing.T) {
	t.Parallel()
	s, asked := start(t, "/hook", func(c *webhook.Config) { c.PassThrough, c.Sign.Secret = true, "mine" })
	old := came(t, s, "POST", "{ }", "X-CIO-Signature", "theirs", "X-CIO-Timestamp", "1613063089")
	for _, batch := range [][]*event.Event{old, load(t, s, ""), old} {
		before := time.Now().Unix()
		if have := s.Deliver(t.Context(), batch); have.Verdict != sink.Delivered {
			t.Fatalf("%+v", have)
		}
		have := <-asked
		timestamps, signatures := have.header["X-Cio-Timestamp"], have.header["X-Cio-Signature"]
		if len(timestamps) != 1 || len(signatures) != 1 || have.body != string(batch[0].Value) {
			t.Fatalf("%+v", have)
		}
		at, err := strconv.ParseInt(timestamps[0], 10, 64)
		if err != nil || at < before || at > time.Now().Unix() {
			t.Errorf("timestamp %s, %v", timestamps[0], err)
		}
		mac := hmac.New(sha256.New, []byte("mine"))
		_, _ = mac.Write([]byte("v0:" + timestamps[0] + ":" + have.body))
		if want := hex.EncodeToString(mac.Sum(nil)); signatures[0] != want {
			t.Errorf("want %s, have %s", want, signatures[0])
		}
	}
}

// Other forms, and a body that a template makes.
func TestSigningForms(t *testing.T) {
	t.Parallel()
	s, asked := start(t, "/hook", func(c *webhook.Config) {
		c.Body = `[{{.Raw}}]`
		c.Sign = webhook.Signing{Secret: "mine", Header: "x-hub-signature", Prefix: "sha1=", Signed: "<{body}>", Algorithm: "sha1", Encoding: "base64"}
	})
	if have := s.Deliver(t.Context(), load(t, s, `{"a":1}`)); have.Verdict != sink.Delivered {
		t.Fatalf("%+v", have)
	}
	mac := hmac.New(sha1.New, []byte("mine"))
	_, _ = mac.Write([]byte(`<[{"a":1}]>`))
	have := <-asked
	if want := "sha1=" + base64.StdEncoding.EncodeToString(mac.Sum(nil)); have.header.Get("X-Hub-Signature") != want || have.body != `[{"a":1}]` || have.header.Get("X-Cio-Timestamp") != "" {
		t.Errorf("want %s, have %+v", want, have)
	}
}

func TestSigningFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*webhook.Config)
		want   string // empty: no fault
	}{
		"as it is":          {func(*webhook.Config) {}, ""},
		"not in use":        {func(c *webhook.Config) { c.Sign = webhook.Signing{} }, ""},
		"no timestamp":      {func(c *webhook.Config) { c.Sign.Timestamp, c.Sign.Signed = "", "{body}" }, ""},
		"pass through":      {func(c *webhook.Config) { c.PassThrough = true }, ""},
		"no header":         {func(c *webhook.Config) { c.Sign.Header = "" }, "sign.header:"},
		"header ours":       {func(c *webhook.Config) { c.Sign.Header = "content-length" }, "sign.header:"},
		"header the key's":  {func(c *webhook.Config) { c.Sign.Header = "idempotency-key" }, "sign.header:"},
		"header given":      {func(c *webhook.Config) { c.Sign.Header = "x-team" }, "sign.header: X-Team is among headers"},
		"timestamp given":   {func(c *webhook.Config) { c.Sign.Timestamp = "x-team" }, "sign.timestamp: X-Team is among headers"},
		"timestamp's name":  {func(c *webhook.Config) { c.Sign.Timestamp = "a b" }, "sign.timestamp:"},
		"one header":        {func(c *webhook.Config) { c.Sign.Timestamp = "x-cio-signature" }, "sign.timestamp: is the header"},
		"prefix":            {func(c *webhook.Config) { c.Sign.Prefix = "\r\n" }, "sign.prefix:"},
		"no body":           {func(c *webhook.Config) { c.Sign.Signed = "{timestamp}" }, "must hold {body} once"},
		"body twice":        {func(c *webhook.Config) { c.Sign.Signed = "{timestamp}{body}{body}" }, "must hold {body} once"},
		"time not signed":   {func(c *webhook.Config) { c.Sign.Signed = "{body}" }, "must hold {timestamp} when"},
		"time not told":     {func(c *webhook.Config) { c.Sign.Timestamp = "" }, "must hold {timestamp} when"},
		"unknown part":      {func(c *webhook.Config) { c.Sign.Signed = "{timestamp}{body}{url}" }, "{body} and {timestamp} alone"},
		"algorithm":         {func(c *webhook.Config) { c.Sign.Algorithm = "md5" }, "sign.algorithm:"},
		"encoding":          {func(c *webhook.Config) { c.Sign.Encoding = "" }, "sign.encoding:"},
		"through, template": {func(c *webhook.Config) { c.PassThrough, c.Body = true, "{{.Raw}}" }, "body: cannot be a template"},
	} {
		cfg := webhook.DefaultConfig()
		cfg.Workspace, cfg.URL, cfg.Headers = "hook", "https://a.example/x", map[string]string{"X-Team": "a"}
		cfg.Sign.Secret = "hunter2"
		c.change(&cfg)
		err := cfg.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: want %q, have %v", name, c.want, err)
		}
		if _, made := webhook.New(cfg, zap.NewNop()); (made == nil) != (err == nil) {
			t.Errorf("%s: valid %v, made %v", name, err, made)
		}
		for _, form := range []string{"%v", "%+v", "%#v"} {
			if text := fmt.Sprintf(form, cfg) + fmt.Sprintf(form, cfg.Sign) + fmt.Sprint(err); strings.Contains(text, "hunter2") {
				t.Errorf("%s: %s shows a secret: %s", name, form, text)
			}
		}
	}
}
