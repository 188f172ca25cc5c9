package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// Webhook is one way in for webhooks: what is sent to /webhooks/NAME goes, as
// it came, to a stream. Method, the body's bytes and the headers that Carry
// names travel with the record (see event.Carry), so that a workspace that
// passes them through can put the same request to a backend of the user's own.
// The query does not travel. A body that comes compressed is unpacked first,
// and its signature is that of what comes out.
type Webhook struct {
	Name   string // the last part of the path: letters, digits, "-", "_" and "."
	Stream string // by name
	Scheme Scheme

	// Secrets prove the sender. Any of them is good, so that a new one can be
	// brought in before the old one goes.
	Secrets []string
	// Window is how far a signed timestamp may be from the clock, either way; 0
	// accepts any. A sender that repeats a request without a new timestamp is
	// turned away once it is over. Without a timestamp it says nothing.
	Window time.Duration

	Signature Signature // of SchemeHMAC alone
	Token     Token     // of SchemeToken and SchemeCustomerioAction

	// Key are the places that may hold the user whom the webhook is about; the
	// first that holds something becomes the record's key. A place is a path
	// into the JSON body, such as data.items.0.user\.id, or header:NAME. What a
	// member email or email_address holds is lower-cased, and cio_id marked, as
	// the Track API's keys are.
	Key []string
	// RequireKey refuses, with 400, a webhook in which no place holds anything.
	// Otherwise it has no user, and waits for nobody: the better choice unless
	// order matters more than arrival, for a refusal keeps a sender repeating.
	RequireKey bool

	// ID are the places, as those of Key, that may hold what tells this webhook
	// from any other. A repeat is answered and not stored again while it is
	// remembered; the record's id is made of it, so that the destination can
	// recognise a later one.
	ID []string

	// Carry names headers that travel with the record, beside those that prove
	// and identify the request, Content-Type, User-Agent and Idempotency-Key. A
	// name may end in "*". Authorization, Cookie and the token's header travel
	// only by full name.
	Carry []string

	MaxBytes int // of a body
}

// Scheme is how a webhook shows who sent it.
type Scheme string

const (
	// SchemeCustomerio is that of Customer.io's reporting webhooks.
	SchemeCustomerio Scheme = "customerio"
	// SchemeCustomerioAction is that of webhook actions in Customer.io's
	// campaigns, which are not signed: a header of the action holds a secret.
	SchemeCustomerioAction Scheme = "customerio_action"
	// SchemeHMAC is a signature as Signature describes it.
	SchemeHMAC Scheme = "hmac"
	// SchemeToken is a secret in a header or in a parameter of the query.
	SchemeToken Scheme = "token"
	// SchemeNone lets anybody in.
	SchemeNone Scheme = "none"
)

// Schemes lists every scheme.
func Schemes() []Scheme {
	return []Scheme{SchemeCustomerio, SchemeCustomerioAction, SchemeHMAC, SchemeToken, SchemeNone}
}

// Signature describes a keyed hash over a request. A few that are known:
//
//	GitHub   {Header: "X-Hub-Signature-256", Prefix: "sha256="}
//	Shopify  {Header: "X-Shopify-Hmac-Sha256", Encoding: "base64"}
//	Stripe   {Header: "Stripe-Signature", Prefix: "v1=", TimestampPrefix: "t=", Signed: "{timestamp}.{body}"}
//	Slack    {Header: "X-Slack-Signature", Prefix: "v0=", TimestampHeader: "X-Slack-Request-Timestamp", Signed: "v0:{timestamp}:{body}"}
//
// What is empty has the value of DefaultWebhook.
type Signature struct {
	Header string
	// Prefix stands before each signature in the header, which may then be one
	// of a list, parted by commas or spaces. Empty: the header holds nothing else.
	Prefix string

	TimestampHeader string // where Signed has a timestamp; empty: in Header, behind TimestampPrefix
	TimestampPrefix string // before the timestamp

	// Signed is what the hash is over: text with {body}, and if need be
	// {timestamp}, {method} and {header:NAME}.
	Signed      string
	Algorithm   string // sha256, sha512 or sha1
	Encoding    string // of the signature: hex or base64
	KeyEncoding string // of Secrets: text, hex or base64
}

// Token says where a secret stands: either in a header or in a parameter of
// the query.
type Token struct {
	Header string
	Query  string
	Prefix string // before it, such as "Bearer "
}

// DefaultWebhook has all but name, stream and secrets; for SchemeHMAC also but
// for the header.
func DefaultWebhook(scheme Scheme) Webhook {
	w := Webhook{Scheme: scheme, Window: 5 * time.Minute, MaxBytes: 1_000_000}
	switch scheme {
	case SchemeCustomerio:
		w.Key = []string{"data.identifiers.id", "data.identifiers.email", "data.identifiers.cio_id", "data.customer_id", "data.email_address"}
		w.ID = []string{"event_id"}
		w.Carry = []string{"X-CIO-*"}
	case SchemeCustomerioAction:
		w.Token.Header = "Authorization"
		w.ID = []string{"header:X-CIO-Idempotency-Key"}
		w.Carry = []string{"X-CIO-*"}
	case SchemeHMAC:
		w.Signature = defaultSignature()
	case SchemeToken:
		w.Token.Header = "Authorization"
	case SchemeNone:
	}
	return w
}

func defaultSignature() Signature {
	return Signature{Signed: "{body}", Algorithm: "sha256", Encoding: "hex", KeyEncoding: "text"}
}

// customerioSignature is that of reporting webhooks. Customer.io's own check
// compares the header as text: what is not lower-case hex is no signature.
func customerioSignature() Signature {
	s := defaultSignature()
	s.Header, s.TimestampHeader, s.Signed = "X-CIO-Signature", "X-CIO-Timestamp", "v0:{timestamp}:{body}"
	return s
}

const (
	// maxWebhookName bounds a name, which is a metric label.
	maxWebhookName = 64
	// mostWebhookBytes is what no topic takes more than.
	mostWebhookBytes = 16 << 20
)

// Validate returns every fault, joined, each with its path and none with a
// secret. Whether the stream exists only New can tell.
func (w Webhook) Validate() error {
	_, err := newHook(w, Stream{})
	return err
}

// faults are those that nothing has to be compiled for.
func (w Webhook) faults() []error {
	var faults []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	must(validHookName(w.Name), "name: must be 1 to %d letters, digits, -, _ and ., have %q", maxWebhookName, w.Name)
	must(w.Stream != "", "stream: must not be empty")
	must(w.Window >= 0, "window: must not be negative, have %v", w.Window)
	must(w.MaxBytes > 0 && w.MaxBytes <= mostWebhookBytes, "max_bytes: must be 1 to %d, have %d", mostWebhookBytes, w.MaxBytes)
	if w.Scheme == SchemeNone {
		must(len(w.Secrets) == 0, "secrets: scheme none has no use for any")
	} else {
		must(len(w.Secrets) > 0, "secrets: must hold at least one; scheme none lets anybody in")
	}
	for i, secret := range w.Secrets {
		must(secret != "", "secrets[%d]: must not be empty", i)
	}
	must(w.Scheme == SchemeHMAC || w.Signature == (Signature{}), "signature: only scheme hmac has one to describe")
	tokens := w.Scheme == SchemeToken || w.Scheme == SchemeCustomerioAction
	must(tokens || w.Token == (Token{}), "token: scheme %s has none", w.Scheme)
	return faults
}

func validHookName(name string) bool {
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return name != "" && len(name) <= maxWebhookName && name != "." && name != ".."
}

// webhooks are all that are served, by name.
type webhooks struct {
	byName  map[string]*hook
	metrics *hookMetrics
	reading atomic.Int64 // bytes that bodies may have whose sender is not known yet
}

// newWebhooks returns every fault, joined.
func newWebhooks(list []Webhook, streams map[string]Stream) (*webhooks, error) {
	h := &webhooks{byName: map[string]*hook{}, metrics: newHookMetrics()}
	var faults []error
	for i, w := range list {
		at := fmt.Sprintf("gateway.webhooks[%d]", i)
		if h.byName[w.Name] != nil {
			faults = append(faults, fmt.Errorf("%s.name: %q stands twice", at, w.Name))
		}
		stream, ok := streams[w.Stream]
		if !ok {
			faults = append(faults, fmt.Errorf("%s.stream: there is no stream %q", at, w.Stream))
		}
		made, err := newHook(w, stream)
		for _, fault := range parts(err) {
			faults = append(faults, fmt.Errorf("%s.%w", at, fault))
		}
		if err == nil { // only a good name is fit for a label
			made.counts = h.metrics.of(w.Name)
			h.byName[w.Name] = made
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return h, nil
}

// parts are the errors that were joined, one by one.
func parts(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	var all []error
	for _, part := range joined.Unwrap() {
		all = append(all, parts(part)...)
	}
	return all
}

// hookMethods are those that a sink may repeat to a backend.
func hookMethods() []string {
	return []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
}
