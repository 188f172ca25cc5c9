package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// guard decides who is let in. It is safe for concurrent use.
type guard interface {
	// presented judges what can be judged before the body is read.
	presented(r *http.Request) outcome
	// needsBody reports whether presented leaves anything to be proven.
	needsBody() bool
	// proven judges the rest.
	proven(r *http.Request, body []byte, now time.Time) outcome
	// shown are the headers that prove a request to whoever knows the secret
	// and that are not themselves the secret.
	shown() []string
}

func newGuard(w Webhook) (guard, error) {
	switch w.Scheme {
	case SchemeCustomerio:
		s, err := newSignature(customerioSignature(), w.Secrets, w.Window)
		s.exact = true
		return s, err
	case SchemeHMAC:
		return newSignature(w.Signature, w.Secrets, w.Window)
	case SchemeToken, SchemeCustomerioAction:
		return newToken(w.Token, w.Secrets)
	case SchemeNone:
		return anybody{}, nil
	default:
		return nil, fmt.Errorf("scheme: must be one of %v, have %q", Schemes(), w.Scheme)
	}
}

// anybody lets everybody in.
type anybody struct{}

func (anybody) presented(*http.Request) outcome { return outcomeNone }

func (anybody) needsBody() bool { return true } // for nothing is known of its sender

func (anybody) proven(*http.Request, []byte, time.Time) outcome { return outcomeNone }

func (anybody) shown() []string { return nil }

// token compares digests, so that neither content nor length of a secret shows
// in the time that it takes.
type token struct {
	Token
	digests [][sha256.Size]byte
}

func newToken(t Token, secrets []string) (*token, error) {
	made := &token{Token: t}
	for _, secret := range secrets {
		made.digests = append(made.digests, sha256.Sum256([]byte(secret)))
	}
	switch {
	case (t.Header == "") == (t.Query == ""):
		return made, errors.New("token: must name either a header or a parameter of the query")
	case t.Header != "" && !isFieldName(t.Header):
		return made, fmt.Errorf("token.header: %q is not a header's name", t.Header)
	}
	made.Header = http.CanonicalHeaderKey(t.Header)
	return made, nil
}

func (t *token) presented(r *http.Request) outcome {
	var given []string
	if t.Header != "" {
		given = r.Header[t.Header]
	} else if len(r.URL.RawQuery) <= maxQuery {
		given = r.URL.Query()[t.Query]
	}
	if len(given) != 1 || !strings.HasPrefix(given[0], t.Prefix) {
		return outcomeUnproven
	}
	digest := sha256.Sum256([]byte(given[0][len(t.Prefix):]))
	good := 0
	for i := range t.digests {
		good |= subtle.ConstantTimeCompare(t.digests[i][:], digest[:])
	}
	if good == 0 {
		return outcomeUnproven
	}
	return outcomeNone
}

// maxQuery bounds a query that is taken apart for whoever comes along.
const maxQuery = 4 << 10

func (*token) needsBody() bool { return false }

func (*token) proven(*http.Request, []byte, time.Time) outcome { return outcomeNone }

func (*token) shown() []string { return nil }

// isFieldName follows RFC 9110, section 5.6.2.
func isFieldName(name string) bool {
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != ""
}

// hopByHop are headers of one connection, or of the way in which a body is
// sent, whatever a request says: they are never carried.
func hopByHop(name string) bool {
	return slices.Contains([]string{
		"Connection", "Content-Encoding", "Content-Length", "Expect", "Host", "Http2-Settings", "Keep-Alive",
		"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	}, name)
}
