package gateway_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/pipeline/gateway"
)

func macOf(sum func() hash.Hash, secret, text string) []byte {
	mac := hmac.New(sum, []byte(secret))
	_, _ = mac.Write([]byte(text))
	return mac.Sum(nil)
}

// signedBy is one sender's way of signing, with a request of its own; those of
// GitHub, Slack and Standard Webhooks are what they publish.
type signedBy struct {
	signature gateway.Signature
	secret    string
	body      string
	headers   []string // that of the signature last
}

func senders() map[string]signedBy {
	const slack = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	const order = `{"id":820982911946154508}`
	return map[string]signedBy{
		"github": {
			gateway.Signature{Header: "x-hub-signature-256", Prefix: "sha256="},
			"It's a Secret to Everybody", "Hello, World!",
			[]string{"X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
		},
		"github, upper case": {
			gateway.Signature{Header: "X-Hub-Signature-256", Prefix: "sha256="},
			"It's a Secret to Everybody", "Hello, World!",
			[]string{"X-Hub-Signature-256", "sha256=757107EA0EB2509FC211221CCE984B8A37570B6D7586C22C46F4379C8B043E17"},
		},
		"slack": {
			gateway.Signature{Header: "X-Slack-Signature", Prefix: "v0=", TimestampHeader: "X-Slack-Request-Timestamp", Signed: "v0:{timestamp}:{body}"},
			"8f742231b10e8888abcd99yyyzzz85a5", slack,
			[]string{"X-Slack-Request-Timestamp", "1531420618", "X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
		},
		"standard webhooks": {
			gateway.Signature{Header: "Webhook-Signature", Prefix: "v1,", TimestampHeader: "Webhook-Timestamp", Signed: "{header:webhook-id}.{timestamp}.{body}", Encoding: "base64", KeyEncoding: "base64"},
			"plJ3nmyCDGBKInavdOK15jsl", `{"event_type":"ping","data":{"success":true}}`,
			[]string{"Webhook-Id", "msg_loFOjxBNrRLzqYUf", "Webhook-Timestamp", "1731705121", "Webhook-Signature", "v1,AAAA v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0= v1a,BBBB"},
		},
		"stripe": {
			gateway.Signature{Header: "Stripe-Signature", Prefix: "v1=", TimestampPrefix: "t=", Signed: "{timestamp}.{body}"},
			"whsec_test", `{"id": "evt_1"}`,
			[]string{"Stripe-Signature", "t=1492774577,v1=00,v1=" + hex.EncodeToString(sumOf256("whsec_test", `1492774577.{"id": "evt_1"}`)) + ",v0=11"},
		},
		"shopify": {
			gateway.Signature{Header: "X-Shopify-Hmac-Sha256", Encoding: "base64"},
			"hush", order,
			[]string{"X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(sumOf256("hush", order))},
		},
		"sha1": {
			gateway.Signature{Header: "X-Hub-Signature", Prefix: "sha1=", Algorithm: "sha1"},
			"hush", order,
			[]string{"X-Hub-Signature", "sha1=" + hex.EncodeToString(macOf(sha1.New, "hush", order))},
		},
		"sha512, hex key, milliseconds": {
			gateway.Signature{Header: "X-Sig", Algorithm: "sha512", KeyEncoding: "hex", TimestampHeader: "X-Time", Signed: "{method}\n{timestamp}\n{body}"},
			"68757368", order,
			[]string{"X-Time", "1492774577000", "X-Sig", hex.EncodeToString(macOf(sha512.New, "hush", "POST\n1492774577000\n"+order))},
		},
	}
}

func sumOf256(secret, text string) []byte { return macOf(sha256.New, secret, text) }

func TestWebhookSenders(t *testing.T) {
	t.Parallel()
	for name, sender := range senders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &kafka{}
			g := newGateway(t, hooked(gateway.SchemeHMAC, func(w *gateway.Webhook) {
				w.Signature, w.Secrets, w.Window = sender.signature, []string{"00", sender.secret}, 0
				if sender.signature.KeyEncoding == "base64" {
					w.Secrets[0] = "AAAA"
				}
			}), k)
			wantStatus(t, send(g, inbound(sender.body, sender.headers...)), http.StatusOK)
			have := headersOf(k.taken()[0])
			for i := 0; i < len(sender.headers); i += 2 {
				if have["http-header-"+strings.ToLower(sender.headers[i])] != sender.headers[i+1] {
					t.Errorf("%s does not travel: %v", sender.headers[i], have)
				}
			}
			last := len(sender.headers) - 1
			for what, change := range map[string]func(*http.Request){
				"body":      func(r *http.Request) { r.Body = inbound(sender.body + " ").Body },
				"signature": func(r *http.Request) { r.Header.Set(sender.headers[last-1], changed(sender.headers[last])) },
				"no header": func(r *http.Request) { r.Header.Del(sender.headers[last-1]) },
				"twice":     func(r *http.Request) { r.Header.Add(sender.headers[last-1], sender.headers[last]) },
				"signed": func(r *http.Request) {
					r.Header.Set(sender.headers[0], changed(sender.headers[1]))
				},
			} {
				r := inbound(sender.body, sender.headers...)
				change(r)
				if w := send(g, r); w.Code != http.StatusUnauthorized {
					t.Errorf("%s changed: %d", what, w.Code)
				}
			}
		})
	}
}

// changed has another digit wherever there was one that counts.
func changed(text string) string {
	return strings.NewReplacer("7", "8", "4", "5", "a", "b", "A", "B", "m", "n").Replace(text)
}

func TestWebhookSendersWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateways := map[string]*gateway.Gateway{}
		for name, sender := range senders() {
			gateways[name] = newGateway(t, hooked(gateway.SchemeHMAC, func(w *gateway.Webhook) { w.Signature, w.Secrets = sender.signature, []string{sender.secret} }), &kafka{})
		}
		ask := func(fresh ...string) {
			t.Helper()
			for name, g := range gateways {
				sender, want := senders()[name], http.StatusUnauthorized
				for _, f := range fresh {
					if strings.HasPrefix(name, f) {
						want = http.StatusOK
					}
				}
				if w := send(g, inbound(sender.body, sender.headers...)); w.Code != want {
					t.Errorf("%v, %s: want %d, have %d", time.Now().UTC(), name, want, w.Code)
				}
			}
		}
		timeless := []string{"github", "shopify", "sha1"}
		ask(timeless...)
		time.Sleep(time.Until(time.Unix(1492774577+299, 0)))
		ask(append(timeless, "stripe", "sha512")...)
		time.Sleep(time.Until(time.Unix(1531420618-299, 0)))
		ask(append(timeless, "slack")...)
		time.Sleep(time.Until(time.Unix(1731705121+301, 0)))
		ask(timeless...)
	})
}
