package partition

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Source is a certificate, a key or a secret as it is now. It is asked anew for
// every connection, so that what was rotated is used without a restart. No way
// of printing it shows what it holds. The zero Source is none at all.
type Source struct {
	name string // of where it comes from; empty for text
	text string
	read func() ([]byte, error)
}

// Fixed is the Source of a text that does not change.
func Fixed(text string) Source { return Source{text: text} }

// Read is the Source of what read returns. The name says where that comes from
// and may be shown; so may read's errors.
func Read(name string, read func() ([]byte, error)) Source {
	return Source{name: name, read: read}
}

// Given tells whether there is a source at all.
func (s Source) Given() bool { return s.read != nil || s.text != "" }

// Reveal tells two sources apart: it is the name of one that is read, and the
// text, which may be a secret, of a fixed one.
func (s Source) Reveal() string { return s.name + s.text }

// String returns a placeholder.
func (s Source) String() string {
	if !s.Given() {
		return ""
	}
	return "[redacted]"
}

// GoString is String, so that no way of printing shows a secret.
func (s Source) GoString() string { return s.String() }

// Now returns what the source holds at this moment, which may be a secret.
func (s Source) Now() ([]byte, error) {
	if s.read == nil {
		return []byte(s.text), nil
	}
	return s.read()
}

// now is Now with an error that says which key of the configuration it is.
func (s Source) now(key string) ([]byte, error) {
	content, err := s.Now()
	if err != nil {
		return nil, refuse(err, key+": cannot be read", "make the file readable for this process")
	}
	return content, nil
}

// TLS says how connections to brokers are encrypted, and how the two sides know
// each other. The certificates and the key are in PEM form.
type TLS struct {
	On         bool
	CA         Source // authorities that may sign a broker's certificate; none for the system's
	Cert, Key  Source // our own certificate, for brokers that ask for one: both or none
	ServerName string // the name in the brokers' certificates; empty for the host that is dialled

	// InsecureSkipVerify is a written reason for talking to brokers whose
	// certificate nobody checked: any text that is more than a bare yes or no.
	InsecureSkipVerify string
}

// The mechanisms by which a client proves to a broker who it is.
const (
	MechanismPlain    = "PLAIN"
	MechanismScram256 = "SCRAM-SHA-256"
	MechanismScram512 = "SCRAM-SHA-512"
	MechanismOAuth    = "OAUTHBEARER"
)

// SASL says who this client is. PLAIN and SCRAM take Username and Password;
// OAUTHBEARER takes either Token, or TokenURL with ClientID and ClientSecret.
type SASL struct {
	Mechanism string // one of the Mechanism constants; empty for none
	Username  string
	Password  Source

	Token        Source // a bearer token, as a file that somebody keeps fresh
	TokenURL     string // of an OAuth 2.0 server that gives tokens to ClientID
	ClientID     string
	ClientSecret Source
	Scope        string // what the token is asked for; empty leaves that to the server

	// AllowPlaintext is a written reason for proving who we are to brokers
	// beyond this machine without encryption: more than a bare yes or no.
	AllowPlaintext string
}

// Warnings are the settings of this configuration that give up safety, with the
// reasons given. They are to be logged at every start.
func (c Config) Warnings() []string {
	var warnings []string
	if c.TLS.On && c.TLS.InsecureSkipVerify != "" {
		warnings = append(warnings, fmt.Sprintf("kafka.tls.insecure_skip_verify: the brokers' certificates are not checked, so anybody may pose as a broker; the reason given: %s", c.TLS.InsecureSkipVerify))
	}
	if c.SASL.Mechanism != "" && !c.TLS.On && c.SASL.AllowPlaintext != "" {
		warnings = append(warnings, fmt.Sprintf("kafka.sasl.allow_plaintext: credentials and events travel unencrypted; the reason given: %s", c.SASL.AllowPlaintext))
	}
	return warnings
}

// faultFunc notes a fault unless what must hold does.
type faultFunc func(ok bool, format string, args ...any)

func (c Config) validateSecurity(must faultFunc) {
	if c.TLS.On {
		c.TLS.validate(must)
	}
	if c.SASL.Mechanism == "" {
		given := c.SASL.Username != "" || c.SASL.Password.Given() || c.SASL.Token.Given() || c.SASL.TokenURL != ""
		must(!given, "kafka.sasl.mechanism: is missing; write one of %s", strings.Join(mechanisms(), ", "))
		return
	}
	c.SASL.validate(must)
	must(c.TLS.On || c.SASL.AllowPlaintext != "" || allLoopback(c.Brokers),
		"kafka.sasl: credentials would travel unencrypted; add tls: true to kafka, or a written reason as kafka.sasl.allow_plaintext")
}

func (t TLS) validate(must faultFunc) {
	must(t.Cert.Given() == t.Key.Given(), "kafka.tls.cert: must stand together with kafka.tls.key; give both, or none")
	must(t.InsecureSkipVerify == "" || isReason(t.InsecureSkipVerify),
		"kafka.tls.insecure_skip_verify: must say why, not only yes or no; write the reason in words, or remove the key")
	must(!strings.ContainsAny(t.ServerName, ":/ "), "kafka.tls.server_name: must be a name without a port; write it as broker.example.com")
	if _, err := t.config(); err != nil && t.Cert.Given() == t.Key.Given() {
		what, remedy := Diagnose(err)
		must(false, "%s; %s", what, remedy)
	}
}

func mechanisms() []string {
	return []string{MechanismPlain, MechanismScram256, MechanismScram512, MechanismOAuth}
}

func (s SASL) validate(must faultFunc) {
	must(slices.Contains(mechanisms(), s.Mechanism), "kafka.sasl.mechanism: must be one of %s", strings.Join(mechanisms(), ", "))
	must(s.AllowPlaintext == "" || isReason(s.AllowPlaintext),
		"kafka.sasl.allow_plaintext: must say why, not only yes or no; write the reason in words, or remove the key")
	if s.Mechanism != MechanismOAuth {
		must(s.Username != "" && s.Password.Given(), "kafka.sasl: %s needs username and password; add them", s.Mechanism)
		must(!s.Token.Given() && s.TokenURL == "" && s.ClientID == "" && !s.ClientSecret.Given(),
			"kafka.sasl: token, token_url, client_id and client_secret are for OAUTHBEARER; remove them, or set mechanism: OAUTHBEARER")
		return
	}
	must(s.Username == "" && !s.Password.Given(), "kafka.sasl: OAUTHBEARER takes no username and password; remove them")
	must(s.Token.Given() != (s.TokenURL != ""), "kafka.sasl: OAUTHBEARER needs either token or token_url; give one of the two")
	if s.TokenURL == "" {
		must(s.ClientID == "" && !s.ClientSecret.Given(), "kafka.sasl: client_id and client_secret are for token_url; add it, or remove them")
		return
	}
	must(s.ClientID != "" && s.ClientSecret.Given(), "kafka.sasl: token_url needs client_id and client_secret; add them")
	u, err := url.Parse(s.TokenURL)
	must(err == nil && u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())),
		"kafka.sasl.token_url: must be an https URL without credentials in it; write it as https://auth.example.com/token")
}

// isReason tells whether text says why, which a bare switch does not.
func isReason(text string) bool {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "", "yes", "no", "true", "false", "on", "off", "1", "0":
		return false
	}
	return true
}

// allLoopback tells whether every broker is on this machine.
func allLoopback(brokers []string) bool {
	return !slices.ContainsFunc(brokers, func(broker string) bool {
		host, _, err := net.SplitHostPort(broker)
		if err != nil {
			host = broker
		}
		return !isLoopback(host)
	})
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
