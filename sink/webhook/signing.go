package webhook

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // some receivers know nothing else; as an HMAC it is sound
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"sluice/sink"
)

// Signing signs each request, when it is sent, with a keyed hash by which the
// endpoint can tell that it comes from here: however long an event has waited,
// the timestamp is of now. By default the headers are those of Customer.io's
// reporting webhooks, so that code which checks those needs only another
// secret.
type Signing struct {
	Secret    string // empty: nothing is signed
	Header    string
	Prefix    string // before the signature, such as "sha256="
	Timestamp string // the header with the time, in unix seconds; empty: none is sent
	Signed    string // what the hash is over: text with {body} and {timestamp}
	Algorithm string // sha256, sha512 or sha1
	Encoding  string // hex or base64
}

// String leaves out the secret.
func (s Signing) String() string { return fmt.Sprintf("signing{header: %s}", s.Header) }

// GoString is String, for %#v.
func (s Signing) GoString() string { return s.String() }

func defaultSigning() Signing {
	return Signing{
		Header: "X-CIO-Signature", Timestamp: "X-CIO-Timestamp", Signed: "v0:{timestamp}:{body}",
		Algorithm: "sha256", Encoding: "hex",
	}
}

const (
	bodyMark = "{body}"
	timeMark = "{timestamp}"
)

// faults are those of a Signing that is in use.
func (s Signing) faults(headers map[string]string) []error {
	if s.Secret == "" {
		return nil
	}
	var faults []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	named := func(key, name string) {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		must(isToken(name) && !isOurs(canonical) && canonical != keyHeader, "sign.%s: %q cannot be used as a header's name", key, name)
		must(!hasHeader(headers, name), "sign.%s: %s is among headers too", key, canonical)
	}
	named("header", s.Header)
	if s.Timestamp != "" {
		named("timestamp", s.Timestamp)
	}
	must(!strings.EqualFold(s.Header, s.Timestamp), "sign.timestamp: is the header of the signature")
	must(isHeaderValue(s.Prefix), "sign.prefix: holds a control character")
	must(strings.Count(s.Signed, bodyMark) == 1, "sign.signed: must hold {body} once")
	must(strings.Contains(s.Signed, timeMark) == (s.Timestamp != ""), "sign.signed: must hold {timestamp} when a header tells it, and only then")
	plain := strings.ReplaceAll(strings.ReplaceAll(s.Signed, bodyMark, ""), timeMark, "")
	must(!strings.ContainsAny(plain, "{}"), "sign.signed: knows {body} and {timestamp} alone")
	if _, err := algorithm(s.Algorithm); err != nil {
		faults = append(faults, err)
	}
	must(s.Encoding == "hex" || s.Encoding == "base64", "sign.encoding: must be hex or base64, have %q", s.Encoding)
	return faults
}

func algorithm(name string) (func() hash.Hash, error) {
	switch name {
	case "sha256":
		return sha256.New, nil
	case "sha512":
		return sha512.New, nil
	case "sha1":
		return sha1.New, nil
	}
	return nil, errors.New("sign.algorithm: must be sha256, sha512 or sha1")
}

// signer is a Signing at work. It is safe for concurrent use.
type signer struct {
	Signing
	sum           func() hash.Hash
	before, after string // the body, with {timestamp} in them
}

// newSigner takes a Signing without faults; nil signs nothing.
func newSigner(s Signing) *signer {
	sum, err := algorithm(s.Algorithm)
	if s.Secret == "" || err != nil {
		return nil
	}
	s.Header, s.Timestamp = textproto.CanonicalMIMEHeaderKey(s.Header), textproto.CanonicalMIMEHeaderKey(s.Timestamp)
	made := &signer{Signing: s, sum: sum}
	made.before, made.after, _ = strings.Cut(s.Signed, bodyMark)
	return made
}

// sign gives a request that is otherwise complete its signature.
func (s *signer) sign(x *sink.Exchange, now time.Time) {
	if s == nil {
		return
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(s.sum, []byte(s.Secret))
	write := func(b []byte) { _, _ = mac.Write(b) } // a hash takes everything
	write([]byte(strings.ReplaceAll(s.before, timeMark, timestamp)))
	write(x.Body)
	write([]byte(strings.ReplaceAll(s.after, timeMark, timestamp)))
	x.Header[s.Header] = []string{s.Prefix + s.encode(mac.Sum(nil))}
	if s.Timestamp != "" {
		x.Header[s.Timestamp] = []string{timestamp}
	}
}

func (s *signer) encode(sum []byte) string {
	if s.Encoding == "base64" {
		return base64.StdEncoding.EncodeToString(sum)
	}
	return hex.EncodeToString(sum)
}
