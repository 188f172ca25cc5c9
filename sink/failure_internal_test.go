package sink

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
	"syscall"
	"testing"
)

// What the transport returns, above all what no test can bring about without a
// network, becomes an error that says nothing of what either end wrote.
func TestFailureOf(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	wrap := func(op string, err error) error {
		return &net.OpError{Op: op, Net: "tcp", Addr: &net.UnixAddr{Name: secret}, Err: err}
	}
	for _, c := range []struct {
		err      error
		want     Cause
		wantText string
	}{
		{wrap("dial", &net.DNSError{Err: "no such host", Name: secret, Server: secret, IsNotFound: true}), CauseLookup, "look up host: lookup : no such host"},
		{wrap("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED)), CauseConnect, "connect: connection refused"},
		{wrap("dial", os.ErrDeadlineExceeded), CauseConnect, "connect: context deadline exceeded"},
		{wrap("proxyconnect", errors.New(secret)), CauseConnect, "connect"},
		{wrap("read", os.NewSyscallError("read", syscall.ECONNRESET)), CauseCut, "connection broken: connection reset by peer"},
		{wrap("write", os.NewSyscallError("write", syscall.EPIPE)), CauseCut, "connection broken: broken pipe"},
		{fmt.Errorf("%s: %w", secret, io.EOF), CauseCut, "connection broken: unexpected EOF"},
		{io.ErrUnexpectedEOF, CauseCut, "connection broken: unexpected EOF"},
		{fmt.Errorf("malformed HTTP response %q", secret), CauseCut, "connection broken"},
		{&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a"}}, Host: secret}}, CauseTLS, "TLS handshake: certificate is for another host"},
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, CauseTLS, "TLS handshake: x509: certificate signed by unknown authority"},
		{tls.RecordHeaderError{Msg: secret}, CauseTLS, "TLS handshake: http: server gave HTTP response to HTTPS client"},
		{wrap("remote error", tls.AlertError(42)), CauseTLS, "TLS handshake: tls: bad certificate"},
		{wrap("dial", errBlocked), CauseBlocked, "address not allowed: private or reserved address"},
	} {
		have := failureOf(context.Background(), context.Background(), c.err)
		if have.Cause != c.want || have.Error() != c.wantText {
			t.Errorf("%v: want %d %q, have %d %q", c.err, c.want, c.wantText, have.Cause, have)
		}
		for err := error(have); err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%q leaks", err)
			}
		}
	}
}

func TestFailureOfContexts(t *testing.T) {
	t.Parallel()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for _, c := range []struct {
		caller, attempt context.Context //nolint:containedctx // a table
		want            Cause
	}{
		{stopped, stopped, CauseStopped},
		{t.Context(), late, CauseTimeout},
		{late, late, CauseTimeout},
		{t.Context(), t.Context(), CauseCut},
	} {
		if have := failureOf(c.caller, c.attempt, io.EOF); have.Cause != c.want {
			t.Errorf("want %v, have %v", c.want, have)
		}
	}
}

func TestCauses(t *testing.T) {
	t.Parallel()
	lost := map[Cause]bool{CauseLookup: true, CauseConnect: true, CauseTLS: true, CauseCut: true}
	for cause := CauseNone; cause <= CauseBlocked; cause++ {
		if cause.String() == "unknown fault" || cause.Lost() != lost[cause] {
			t.Errorf("cause %d: %q, lost %t", cause, cause, cause.Lost())
		}
	}
	if CauseOf(nil) != CauseNone || CauseOf(io.EOF) != CauseCut || CauseOf(fmt.Errorf("x: %w", &Error{Cause: CauseTLS})) != CauseTLS {
		t.Error("causes are not found")
	}
}
