package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"sluice/pipeline/gateway"
)

// webhookExample is how one entry of gateway.webhooks is written.
const webhookExample = "{NAME: {stream: NAME, scheme: customerio, secrets: [${SIGNING_KEY}]}}"

func schemes() []string {
	var names []string
	for _, s := range gateway.Schemes() {
		names = append(names, string(s))
	}
	return names
}

// webhooksIn binds the webhooks that come in, by name.
func webhooksIn(dst *[]gateway.Webhook) value {
	return value{
		kind: kindNamed,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			return d.entries(n, path, webhookExample, func(name string, n *yaml.Node) {
				if w, ok := d.webhook(path, name, n); ok {
					*dst = append(*dst, w)
				}
			})
		},
		entries: func() []entry {
			all := make([]entry, len(*dst))
			for i := range *dst {
				w := &(*dst)[i]
				all[i] = entry{name: w.Name, identity: string(w.Scheme), keys: hookKeys(w)}
			}
			return all
		},
		forms: func() []form {
			// Of all schemes this one leaves the fewest defaults to tell.
			w := gateway.DefaultWebhook(gateway.SchemeHMAC)
			return []form{{keys: hookKeys(&w)}}
		},
	}
}

// webhook reads one webhook, or nothing and a fault when its scheme is not
// known: the defaults come from there.
func (d *decoder) webhook(path, name string, n *yaml.Node) (gateway.Webhook, bool) {
	s := d.section(n, joined(path, name))
	var scheme string
	s.read([]key{{name: "scheme", value: choice(&scheme, schemes())}})
	if !s.fit("scheme") {
		if s.readable && !s.given("scheme") {
			d.fault(s.at, s.path, "does not say how it is proven who sends", "add scheme: one of "+strings.Join(schemes(), ", "))
		}
		return gateway.Webhook{}, false
	}
	w := gateway.DefaultWebhook(gateway.Scheme(scheme))
	w.Name = name
	keys := hookKeys(&w)
	s.read(slices.DeleteFunc(slices.Clone(keys), func(k key) bool { return k.name == "scheme" }))
	s.done()
	if w.Token.Query != "" && !d.has(s.join("token.header")) {
		w.Token.Header = "" // the scheme's, which the query stands in for
	}
	if s.readable && !s.given("stream") {
		d.fault(s.at, s.join("stream"), "is missing", "add stream: NAME")
	}
	return w, s.fit("stream")
}

// replaced is a list that a file may empty as well.
func replaced(dst *[]string) value {
	v := texts(dst)
	read, shown := v.read, v.shown
	v.read = func(d *decoder, n *yaml.Node, path string) bool {
		ok := read(d, n, path)
		if ok && *dst == nil {
			*dst = []string{}
		}
		return ok
	}
	v.shown = func() any {
		if *dst != nil && len(*dst) == 0 {
			return []any{}
		}
		return shown()
	}
	return v
}

// hookKeys are the keys of one webhook, bound to w.
func hookKeys(w *gateway.Webhook) []key {
	return []key{
		{name: "stream", meaning: "Where it goes. Method, body and headers come out again as they came in where the stream's workspace has sink: webhook and passthrough: true.", example: "NAME", required: true, value: text(&w.Stream)},
		{
			name: "scheme", meaning: "How it shows who sent it: customerio is that of Customer.io's reporting webhooks, customerio_action that of webhook actions in its campaigns, hmac a signature as the key of that name describes it, token a secret in a header or in the query; none lets anybody in.",
			example: "customerio", options: schemes(), required: true,
			value: value{kind: kindText, shown: func() any { return unlessEmpty(string(w.Scheme)) }},
		},
		{name: "secrets", meaning: "What proves the sender. Any one of them will do, so that a new one can be brought in before the old one goes.", example: `["${SIGNING_KEY}"]`, live: true, value: secretTexts(&w.Secrets)},
		{name: "window", meaning: "How far a signed timestamp may be from the clock, either way; 0s accepts any. A sender that repeats a request without a new timestamp is turned away once it is over.", example: "15m", live: true, value: duration(&w.Window)},
		{name: "signature", meaning: "With scheme hmac: where the signature stands, and of what it is.", value: section(signatureKeys(&w.Signature)...)},
		{name: "token", meaning: "With schemes token and customerio_action: where the secret stands.", value: section(
			key{name: "header", meaning: "The header that holds it.", example: "X-Token", fallback: "`Authorization`", value: text(&w.Token.Header)},
			key{name: "query", meaning: "Or the parameter of the query that holds it.", example: "token", value: text(&w.Token.Query)},
			key{name: "prefix", meaning: "What stands before it.", example: `"Bearer "`, value: text(&w.Token.Prefix)},
		)},
		{name: "key", meaning: `The places that may hold the user; the first that does decides the shard, and users keep their order. A place is a path into the JSON body, as data.items.0.id, or header:NAME.`, example: "[data.identifiers.id, data.identifiers.email]", fallback: "as the scheme has it", value: replaced(&w.Key)},
		{name: "require_key", meaning: "Whether a webhook without a user is refused with 400. Else it has a lane of its own.", example: "true", value: boolean(&w.RequireKey)},
		{name: "id", meaning: "The places that may hold what tells it from any other: a repeat is acknowledged and not stored again.", example: "[event_id]", fallback: "as the scheme has it", value: replaced(&w.ID)},
		{name: "carry", meaning: `Headers that travel with it, beside those that prove and name it, Content-Type, User-Agent and Idempotency-Key; "*" may end a name. Authorization and Cookie travel only by full name.`, example: `["X-GitHub-*"]`, fallback: "as the scheme has it", value: replaced(&w.Carry)},
		{name: "max_bytes", meaning: "Bytes of one body at most.", example: "256KiB", value: size(&w.MaxBytes)},
	}
}

func signatureKeys(s *gateway.Signature) []key {
	return []key{
		{name: "header", meaning: "The header that holds the signature.", example: "X-Hub-Signature-256", value: text(&s.Header)},
		{name: "prefix", meaning: "What stands before each signature in the header, which may then hold several and other things.", example: "sha256=", value: text(&s.Prefix)},
		{name: "timestamp_header", meaning: "The header that holds the timestamp.", example: "X-Slack-Request-Timestamp", value: text(&s.TimestampHeader)},
		{name: "timestamp_prefix", meaning: "What stands before the timestamp, in the signature's header when no other is named.", example: "t=", value: text(&s.TimestampPrefix)},
		{name: "signed", meaning: "What is signed: text with {body}, and if need be {timestamp}, {method} and {header:NAME}.", example: `"{timestamp}.{body}"`, value: text(&s.Signed)},
		{name: "algorithm", meaning: "Of the hash.", example: "sha512", options: algorithms(), value: choice(&s.Algorithm, algorithms())},
		{name: "encoding", meaning: "Of the signature.", example: "base64", options: encodings(), value: choice(&s.Encoding, encodings())},
		{name: "key_encoding", meaning: "Of the secrets.", example: "base64", options: append([]string{"text"}, encodings()...), value: choice(&s.KeyEncoding, append([]string{"text"}, encodings()...))},
	}
}
