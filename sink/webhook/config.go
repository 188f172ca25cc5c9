package webhook

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"sluice/sink"
)

// Config says which endpoint is called, and how.
type Config struct {
	Workspace string // the name in logs and faults

	// URL is called once for each event. It may be a template (see Fields);
	// what a template fills in is percent-encoded. The scheme is never part of
	// a template. When the host is, addresses that are not public are refused.
	URL    string
	Method string // POST, PUT, PATCH or DELETE
	// Headers are sent as they are; they may hold secrets.
	Headers map[string]string
	// Body is a template (see Fields); empty: the event's bytes, untouched.
	Body string

	// PassThrough puts each event to the endpoint as the HTTP request that it
	// came as (see event.Carry): any bytes as the body, its method where that is
	// one of those of Method, and its headers. Headers given here, and Sign, win
	// over those. Set it where only your own gateway writes to the stream, for
	// whoever writes to it chooses what the endpoint is told.
	PassThrough bool
	// Sign signs each request when it is sent; see Signing.
	Sign Signing

	// Rejects are statuses that are the event's own fault, not the workspace's:
	// a 404 or 410, say, of a URL with the user in it. All are 4xx or 3xx.
	Rejects  []int
	MaxBytes int // of one event; a larger one is a dead letter
	HTTP     sink.HTTPConfig
}

// DefaultConfig is the only place of defaults. URL has none.
func DefaultConfig() Config {
	return Config{Method: http.MethodPost, Sign: defaultSigning(), MaxBytes: 10 << 20, HTTP: sink.DefaultHTTPConfig()}
}

// String leaves out what may be secret: the URL's path and query and the
// values of headers.
func (c Config) String() string {
	return fmt.Sprintf("webhook{workspace: %s, method: %s, headers: %d}", c.Workspace, c.Method, len(c.Headers))
}

// GoString is String, for %#v.
func (c Config) GoString() string { return c.String() }

// Validate returns every fault, joined, each with its path and none with a
// secret. Templates are compiled and tried.
func (c Config) Validate() error {
	var faults []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	must(slices.Contains(methods(), c.Method), "method: must be one of %s, have %q", strings.Join(methods(), ", "), c.Method)
	must(c.MaxBytes > 0, "max_bytes: must be above 0, have %d", c.MaxBytes)
	for i, status := range c.Rejects {
		must(status/100 == 4 || status/100 == 3, "rejects[%d]: must be a 3xx or 4xx status, have %d", i, status)
		must(status != http.StatusTooManyRequests, "rejects[%d]: 429 is never the event's fault", i)
	}
	must(!c.PassThrough || c.Body == "", "body: cannot be a template when requests are passed through")
	faults = append(faults, c.checkHeaders()...)
	faults = append(faults, c.Sign.faults(c.Headers)...)
	target, err := parseTarget(c.URL)
	if err != nil {
		faults = append(faults, err)
	} else {
		must(!target.anyHost || c.HTTP.Proxy == "", "proxy: cannot be used when the URL's host comes from a template")
		must(target.auth == "" || !hasHeader(c.Headers, "Authorization"), "headers: Authorization is given, and credentials in the URL too")
	}
	if c.Body != "" {
		if _, err := newTemplate("body", c.Body); err != nil {
			faults = append(faults, err)
		}
	}
	if err := c.HTTP.Validate(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// methods are those whose repeat the transport never takes upon itself.
func methods() []string {
	return []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
}

// checkHeaders names faulty headers, never their values.
func (c Config) checkHeaders() []error {
	var faults []error
	given := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case given[canonical]:
			faults = append(faults, fmt.Errorf("headers: %s is given twice", canonical))
		case !isToken(name):
			faults = append(faults, fmt.Errorf("headers: %q is not a header's name", name))
		case isOurs(canonical), canonical == keyHeader:
			faults = append(faults, fmt.Errorf("headers: %s is set by sluice itself", canonical))
		case !isHeaderValue(c.Headers[name]):
			faults = append(faults, fmt.Errorf("headers: the value of %s holds a control character", canonical))
		}
		given[canonical] = true
	}
	return faults
}

// header is what every request carries.
func (c Config) header(auth string) http.Header {
	header := http.Header{"User-Agent": {"sluice"}}
	if !c.PassThrough { // else only the request itself knows
		header.Set("Content-Type", "application/json")
	}
	for name, value := range c.Headers {
		header.Set(name, value)
	}
	if auth != "" {
		header.Set("Authorization", auth)
	}
	return header
}

func hasHeader(headers map[string]string, want string) bool {
	for name := range headers {
		if strings.EqualFold(name, want) {
			return true
		}
	}
	return false
}

// isToken follows RFC 9110, section 5.6.2.
func isToken(name string) bool {
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != ""
}

func isHeaderValue(value string) bool {
	for _, c := range []byte(value) {
		if (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return true
}
