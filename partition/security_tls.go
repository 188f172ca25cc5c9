package partition

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	dialTime      = 10 * time.Second // bound on reaching a broker, as the client's own
	handshakeTime = 5 * time.Second  // bound on agreeing on TLS with it
)

// dialer returns how brokers are dialled. Certificates are read for each
// connection, and what goes wrong says what it is.
//
// So many connections may be cut before any is answered until that is taken for
// the brokers' answer.
func (c Config) dialer(cuts int32) func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTime}).DialContext
	}
	seen := &acquaintance{most: cuts}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		var config *tls.Config
		if c.TLS.On {
			var err error
			if config, err = c.TLS.config(); err != nil {
				return nil, err
			}
		}
		conn, err := dial(ctx, network, address)
		switch {
		case err != nil:
			return nil, err
		case config != nil:
			return secure(ctx, conn, address, config, seen)
		case c.SASL.Mechanism != "" && c.SASL.AllowPlaintext == "" && beyond(conn.RemoteAddr()):
			// A broker on this machine may name others that are not.
			_ = conn.Close()
			return nil, refuse(fmt.Errorf("connect to %s", address), "credentials would travel unencrypted to a broker that is not on this machine",
				"add tls: true to kafka, or a written reason as kafka.sasl.allow_plaintext")
		default:
			return &plainConn{Conn: conn, address: address, seen: seen}, nil
		}
	}
}

// acquaintance is what a client's connections have come to so far. A broker that
// hangs up before its first answer may expect another kind of connection, or
// may be going down: once any of them has answered it is the latter. It is safe
// for concurrent use.
type acquaintance struct {
	most     int32
	answered atomic.Bool
	cuts     atomic.Int32
}

// How many cuts it takes for who asks once, and for who has time.
const (
	cutsOnce = 1
	cutsLong = 3
)

// meant tells whether a cut connection is to be taken for a refusal of its kind.
func (a *acquaintance) meant() bool { return !a.answered.Load() && a.cuts.Add(1) >= a.most }

// reset makes a cut connection one that the client tries again: it takes one
// that ends before the first answer for a refusal.
func reset(err error) error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError(err.Error(), syscall.ECONNRESET)}
}

// beyond tells whether an address is on another machine.
func beyond(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback()
}

// config reads the certificates as they are now.
func (t TLS) config() (*tls.Config, error) {
	config := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.InsecureSkipVerify != "" {
		config.InsecureSkipVerify = true // the operator gave a written reason, which every start logs
	}
	if t.CA.Given() {
		pem, err := t.CA.now("kafka.tls.ca")
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, refuse(nil, "kafka.tls.ca: holds no certificate in PEM form", "name a file that begins with -----BEGIN CERTIFICATE-----")
		}
	}
	if !t.Cert.Given() || !t.Key.Given() {
		return config, nil
	}
	cert, err := t.Cert.now("kafka.tls.cert")
	if err != nil {
		return nil, err
	}
	key, err := t.Key.now("kafka.tls.key")
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, refuse(err, "kafka.tls.cert: the certificate and kafka.tls.key do not make a pair",
			"name an unencrypted key in PEM form and the certificate that was made of it")
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// secure makes a connection a TLS one.
func secure(ctx context.Context, conn net.Conn, address string, config *tls.Config, seen *acquaintance) (net.Conn, error) {
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address
		}
		config.ServerName = host
	}
	bounded, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	c := &secureConn{Conn: tls.Client(conn, config), config: config, address: address}
	err := c.HandshakeContext(bounded)
	if err == nil {
		seen.answered.Store(true)
		return c, nil
	}
	_ = conn.Close()
	if passing := ctx.Err() == nil && bounded.Err() != nil || cut(err); passing && !seen.meant() {
		return nil, fmt.Errorf("agree on TLS with broker %s: %w", address, reset(err))
	}
	if ctx.Err() == nil && bounded.Err() != nil {
		return nil, refuse(err, fmt.Sprintf("broker %s does not answer a TLS greeting within %v", address, handshakeTime),
			"use the port of its TLS listener; if it is that one, see whether the broker is well")
	}
	return nil, c.judge(err)
}

// secureConn tells what a broker's alert means: with TLS 1.3 what it thinks of
// our certificate comes only with the first answer.
type secureConn struct {
	*tls.Conn
	config  *tls.Config
	address string
}

// Read implements net.Conn.
func (c *secureConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == remoteAlert {
		err = c.judge(err)
	}
	return n, err
}

// remoteAlert is the Op of the errors by which crypto/tls tells a peer's alert.
const remoteAlert = "remote error"

// judge says what went wrong between us and a broker's TLS.
func (c *secureConn) judge(err error) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var alert *net.OpError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return refuse(err, validity("the certificate of broker "+c.address, invalid.Cert), "renew it on the broker, and see that the clocks are right")
	case errors.As(err, &unknown):
		return refuse(err, "the certificate of broker "+c.address+" is signed by an authority that is not trusted"+issuer(unknown.Cert),
			"set kafka.tls.ca to the certificate of the brokers' authority")
	case errors.As(err, &name):
		return refuse(err, fmt.Sprintf("the certificate of broker %s is for %s, not for %s", c.address, names(name.Certificate), name.Host),
			"name the brokers as their certificates do, or set kafka.tls.server_name")
	case errors.As(err, &alert) && alert.Op == remoteAlert:
		return c.alerted(err)
	case notTLS(err):
		return refuse(opaque(err), "broker "+c.address+" does not speak TLS on this port", "use the port of its TLS listener, or remove kafka.tls")
	}
	return err
}

// alerted explains what a broker said of our side.
func (c *secureConn) alerted(err error) error {
	if len(c.config.Certificates) == 0 {
		return refuse(err, "broker "+c.address+" refuses a client without a certificate, or shares no TLS version with it",
			"set kafka.tls.cert and kafka.tls.key, or use a listener that asks for none")
	}
	if leaf := c.config.Certificates[0].Leaf; leaf != nil && (time.Now().After(leaf.NotAfter) || time.Now().Before(leaf.NotBefore)) {
		return refuse(err, validity("broker "+c.address+" refuses our certificate, which", leaf), "renew kafka.tls.cert; the new one is used without a restart")
	}
	return refuse(err, "broker "+c.address+" refuses our certificate", "see that kafka.tls.cert is signed by an authority that the broker trusts")
}

func validity(what string, cert *x509.Certificate) string {
	if cert == nil {
		return what + " is not valid now"
	}
	if time.Now().Before(cert.NotBefore) {
		return what + " is valid only from " + cert.NotBefore.UTC().Format(time.RFC3339)
	}
	return what + " expired on " + cert.NotAfter.UTC().Format(time.RFC3339)
}

func issuer(cert *x509.Certificate) string {
	if cert == nil {
		return ""
	}
	return fmt.Sprintf(" (%q)", cert.Issuer.String())
}

func names(cert *x509.Certificate) string {
	if cert == nil {
		return "another name"
	}
	all := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no host"
	}
	return strings.Join(all, ", ")
}

// notTLS tells whether the peer answered a TLS greeting with something else or
// hung up.
func notTLS(err error) bool {
	_, foreign := errors.AsType[tls.RecordHeaderError](err)
	return foreign || cut(err)
}

// cut tells whether the peer hung up.
func cut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// opaque keeps the text alone: the client takes a cut connection for one to try
// again, and would say only much later what is wrong with it.
func opaque(err error) error { return errors.New(err.Error()) }

// plainConn knows a broker that expects TLS by its first answer to a client
// that does not.
type plainConn struct {
	net.Conn
	address string
	seen    *acquaintance
	read    bool // something came; used by the one reader
}

// Read implements net.Conn.
func (c *plainConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.read {
		return n, err
	}
	const alert, major = 21, 3 // of a TLS record; a Kafka answer is never so large
	closed := n == 0 && cut(err)
	if closed && !c.seen.meant() {
		return 0, reset(err)
	}
	if closed || n > 1 && b[0] == alert && b[1] == major {
		reason := errors.New("the broker answered with a TLS alert")
		if closed {
			reason = opaque(err)
		}
		return 0, refuse(reason, "broker "+c.address+" takes no unencrypted connection on this port", "add tls: true to kafka, or use the port of its plaintext listener")
	}
	if c.read = n > 0; c.read {
		c.seen.answered.Store(true)
	}
	return n, err
}
