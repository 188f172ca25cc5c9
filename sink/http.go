package sink

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// HTTPConfig says how a destination is reached. Redirects are never followed:
// a redirect has already carried the data. Certificates are always verified.
type HTTPConfig struct {
	Connect   time.Duration // to make a connection; and as long again for its TLS handshake
	Attempt   time.Duration // one whole attempt: connection, request, headers and body of the answer
	MaxConns  int           // connections to one host at most; further attempts wait within their time
	IdleConns int           // connections to one host that are kept while idle
	IdleFor   time.Duration // how long an idle connection is kept

	// Proxy is the URL of an http, https or socks5 proxy; empty: none. The
	// environment's HTTP_PROXY is never consulted, so that no variable of a
	// host or an image decides where events go.
	Proxy string
	// RootCAs are trusted instead of the system's, for a destination with a
	// private authority; nil: the system's.
	RootCAs *x509.CertPool
}

// DefaultHTTPConfig is the only place of defaults for outbound HTTP.
func DefaultHTTPConfig() HTTPConfig {
	return HTTPConfig{
		Connect: 5 * time.Second, Attempt: 10 * time.Second,
		MaxConns: 100, IdleConns: 20, IdleFor: 30 * time.Second,
	}
}

// Validate returns every fault, joined, each with its path.
func (c HTTPConfig) Validate() error {
	var faults []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	must(c.Connect > 0, "connect_timeout: must be above 0, have %v", c.Connect)
	must(c.Attempt > 0, "timeout: must be above 0, have %v", c.Attempt)
	must(c.MaxConns > 0, "max_conns: must be above 0, have %d", c.MaxConns)
	must(c.IdleConns > 0, "idle_conns: must be above 0, have %d", c.IdleConns)
	must(c.IdleFor > 0, "idle_for: must be above 0, have %v", c.IdleFor)
	if _, err := c.proxy(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// proxy returns nil when there is none. Its errors leave the value out: it may
// hold a password.
func (c HTTPConfig) proxy() (*url.URL, error) {
	if c.Proxy == "" {
		return nil, nil
	}
	proxy, err := url.Parse(c.Proxy)
	if err != nil || proxy.Host == "" {
		return nil, errors.New("proxy: must be a URL such as http://proxy.internal:3128")
	}
	switch proxy.Scheme {
	case "http", "https", "socks5", "socks5h":
		return proxy, nil
	}
	return nil, fmt.Errorf("proxy: scheme must be http, https or socks5, have %q", proxy.Scheme)
}

// transport builds the pool. The attempt's deadline bounds the wait for the
// answer's headers too, so ResponseHeaderTimeout, a timer per request, is not
// set.
func (c HTTPConfig) transport(guard dialGuard) (*http.Transport, error) {
	proxy, err := c.proxy()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: c.Connect, KeepAlive: 15 * time.Second, Control: guard}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true) // where TLS offers it
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    c.Connect,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs},
		MaxConnsPerHost:        c.MaxConns,
		MaxIdleConnsPerHost:    c.IdleConns,
		IdleConnTimeout:        c.IdleFor,
		DisableCompression:     true, // answers are small, and a bound on bytes must bound memory
		MaxResponseHeaderBytes: 64 << 10,
		Protocols:              protocols,
		// Without pings, attempts would go on being put on an HTTP/2 connection
		// whose other end has gone: a timeout ends a stream, not its connection.
		HTTP2: &http.HTTP2Config{SendPingTimeout: c.Attempt, PingTimeout: c.Connect},
	}
	if proxy != nil {
		t.Proxy = http.ProxyURL(proxy)
	}
	return t, nil
}
