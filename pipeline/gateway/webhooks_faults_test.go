package gateway_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"sluice/pipeline/gateway"
)

func TestWebhookFaults(t *testing.T) {
	t.Parallel()
	stripe := gateway.Signature{Header: "Stripe-Signature", Prefix: "v1=", TimestampPrefix: "t=", Signed: "{timestamp}.{body}"}
	for name, test := range map[string]struct {
		scheme gateway.Scheme
		change func(*gateway.Webhook)
		want   string // empty: no fault
	}{
		"customerio":            {gateway.SchemeCustomerio, nil, ""},
		"action":                {gateway.SchemeCustomerioAction, nil, ""},
		"stripe":                {gateway.SchemeHMAC, func(w *gateway.Webhook) { w.Signature = stripe }, ""},
		"token":                 {gateway.SchemeToken, nil, ""},
		"none":                  {gateway.SchemeNone, nil, ""},
		"no scheme":             {"", nil, "scheme: must be one of"},
		"no name":               {gateway.SchemeNone, func(w *gateway.Webhook) { w.Name = "" }, "name: must be"},
		"slash":                 {gateway.SchemeNone, func(w *gateway.Webhook) { w.Name = "a/b" }, "name: must be"},
		"bad UTF-8":             {gateway.SchemeNone, func(w *gateway.Webhook) { w.Name = "\xff" }, "name: must be"},
		"no stream":             {gateway.SchemeNone, func(w *gateway.Webhook) { w.Stream = "" }, "stream:"},
		"unknown stream":        {gateway.SchemeNone, func(w *gateway.Webhook) { w.Stream = "x" }, `there is no stream "x"`},
		"no secret":             {gateway.SchemeCustomerio, func(w *gateway.Webhook) { w.Secrets = nil }, "secrets: must hold at least one"},
		"no secret, action":     {gateway.SchemeCustomerioAction, func(w *gateway.Webhook) { w.Secrets = nil }, "secrets: must hold at least one"},
		"empty secret":          {gateway.SchemeToken, func(w *gateway.Webhook) { w.Secrets = []string{""} }, "secrets[0]: must not be empty"},
		"secret for none":       {gateway.SchemeNone, func(w *gateway.Webhook) { w.Secrets = []string{"hunter2"} }, "secrets: scheme none"},
		"window":                {gateway.SchemeCustomerio, func(w *gateway.Webhook) { w.Window = -1 }, "window:"},
		"bytes":                 {gateway.SchemeNone, func(w *gateway.Webhook) { w.MaxBytes = 0 }, "max_bytes:"},
		"no header":             {gateway.SchemeHMAC, nil, "signature.header:"},
		"algorithm":             {gateway.SchemeHMAC, func(w *gateway.Webhook) { w.Signature.Algorithm = "md5" }, "signature.algorithm:"},
		"encoding":              {gateway.SchemeHMAC, func(w *gateway.Webhook) { w.Signature.Encoding = "text" }, "signature.encoding:"},
		"key encoding":          {gateway.SchemeHMAC, func(w *gateway.Webhook) { w.Signature.KeyEncoding = "x" }, "signature.key_encoding:"},
		"key not hex":           {gateway.SchemeHMAC, func(w *gateway.Webhook) { w.Secrets, w.Signature.KeyEncoding = []string{"hunter2"}, "hex" }, "secrets[0]: is not hex"},
		"no body":               {gateway.SchemeHMAC, func(w *gateway.Webhook) { w.Signature.Signed = "x" }, "must hold {body}"},
		"no time":               {gateway.SchemeHMAC, func(w *gateway.Webhook) { w.Signature.Signed = "{timestamp}{body}" }, "says where it stands"},
		"time unsigned":         {gateway.SchemeHMAC, func(w *gateway.Webhook) { w.Signature.TimestampHeader = "X-T" }, "does not hold {timestamp}"},
		"unknown part":          {gateway.SchemeHMAC, func(w *gateway.Webhook) { w.Signature.Signed = "{url}{body}" }, "knows {body}"},
		"unclosed":              {gateway.SchemeHMAC, func(w *gateway.Webhook) { w.Signature.Signed = "{body" }, "knows {body}"},
		"signature elsewhere":   {gateway.SchemeToken, func(w *gateway.Webhook) { w.Signature = stripe }, "signature: only scheme hmac"},
		"token elsewhere":       {gateway.SchemeCustomerio, func(w *gateway.Webhook) { w.Token.Query = "t" }, "token: scheme customerio has none"},
		"token twice":           {gateway.SchemeToken, func(w *gateway.Webhook) { w.Token.Query = "t" }, "token: must name either"},
		"token's name":          {gateway.SchemeToken, func(w *gateway.Webhook) { w.Token.Header = "a b" }, "token.header:"},
		"path":                  {gateway.SchemeNone, func(w *gateway.Webhook) { w.Key = []string{"a", "a..b"} }, "key[1]:"},
		"path, end":             {gateway.SchemeNone, func(w *gateway.Webhook) { w.ID = []string{`a\`} }, "id[0]:"},
		"path, header":          {gateway.SchemeNone, func(w *gateway.Webhook) { w.ID = []string{"header:"} }, "id[0]:"},
		"required, no place":    {gateway.SchemeNone, func(w *gateway.Webhook) { w.RequireKey = true }, "key: must name a place"},
		"carry":                 {gateway.SchemeNone, func(w *gateway.Webhook) { w.Carry = []string{"X-A", "a b"} }, "carry[1]:"},
		"carry, hop by hop":     {gateway.SchemeNone, func(w *gateway.Webhook) { w.Carry = []string{"transfer-encoding"} }, "carry[0]: Transfer-Encoding"},
		"carry, star in middle": {gateway.SchemeNone, func(w *gateway.Webhook) { w.Carry = []string{"X-*-A("} }, "carry[0]:"},
	} {
		cfg := hooked(test.scheme, func(w *gateway.Webhook) {
			if len(w.Secrets) > 0 {
				w.Secrets[0] = "hunter2"
			}
			if test.change != nil {
				test.change(w)
			}
		})
		_, err := gateway.New(cfg, streams(), &kafka{}, zap.NewNop(), prometheus.NewRegistry())
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "gateway.webhooks[0].")):
			t.Errorf("%s: want %q, have %v", name, test.want, err)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: %q holds a secret", name, err)
		}
		if name == "unknown stream" {
			continue
		}
		if alone := cfg.Webhooks[0].Validate(); (alone == nil) != (err == nil) {
			t.Errorf("%s: by itself %v, in the gateway %v", name, alone, err)
		}
	}
	cfg := hooked(gateway.SchemeNone, nil)
	cfg.Webhooks = append(cfg.Webhooks, cfg.Webhooks[0])
	if _, err := gateway.New(cfg, streams(), &kafka{}, zap.NewNop(), prometheus.NewRegistry()); err == nil || !strings.Contains(err.Error(), `gateway.webhooks[1].name: "in" stands twice`) {
		t.Errorf("%v", err)
	}
}
