package sink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
)

// Cause is why an exchange brought no whole answer. The set is closed.
type Cause uint8

const (
	// CauseNone says that there was no error.
	CauseNone Cause = iota
	// CauseStopped says that the caller's context was cancelled.
	CauseStopped
	// CauseTimeout says that the attempt's time, or the caller's deadline, ran out.
	CauseTimeout
	// CauseLookup says that the host's name could not be resolved.
	CauseLookup
	// CauseConnect says that no connection could be made.
	CauseConnect
	// CauseTLS says that the handshake failed or the certificate does not fit.
	CauseTLS
	// CauseCut says that the connection ended before the answer did, or that
	// what came was not HTTP.
	CauseCut
	// CauseBlocked says that the address is one that a host from a template
	// may not reach.
	CauseBlocked
)

// String names the act that ended, for a person.
func (c Cause) String() string {
	switch c {
	case CauseNone:
		return "no fault"
	case CauseStopped:
		return "attempt stopped"
	case CauseTimeout:
		return "no whole answer in time"
	case CauseLookup:
		return "look up host"
	case CauseConnect:
		return "connect"
	case CauseTLS:
		return "TLS handshake"
	case CauseCut:
		return "connection broken"
	case CauseBlocked:
		return "address not allowed"
	}
	return "unknown fault"
}

// Lost reports whether the connection was cut or could not be made.
func (c Cause) Lost() bool {
	switch c {
	case CauseLookup, CauseConnect, CauseTLS, CauseCut:
		return true
	case CauseNone, CauseStopped, CauseTimeout, CauseBlocked:
		return false
	}
	return false
}

// Error is why an exchange brought no whole answer. Its text and its chain are
// built from closed sets only (causes, errno values, certificate faults): the
// transport's own errors may quote the request line or what the other end
// wrote, and so a query string, a credential or a payload.
type Error struct {
	Cause Cause
	root  error
}

// Error returns one short line that holds no secret, no URL and no payload.
func (e *Error) Error() string {
	if e.root == nil {
		return e.Cause.String()
	}
	return e.Cause.String() + ": " + e.root.Error()
}

// Unwrap returns the root that is safe to show, such as a syscall.Errno or
// context.DeadlineExceeded; nil when there is none.
func (e *Error) Unwrap() error { return e.root }

// CauseOf returns the cause in err's chain: CauseNone for nil, CauseCut for an
// error that did not come from an exchange.
func CauseOf(err error) Cause {
	if err == nil {
		return CauseNone
	}
	if failure, ok := errors.AsType[*Error](err); ok {
		return failure.Cause
	}
	return CauseCut
}

// errBlocked is what the dialer's guard returns; see PublicOnly.
var errBlocked = errors.New("private or reserved address")

// errOtherHost stands for x509.HostnameError, whose text names the host.
var errOtherHost = errors.New("certificate is for another host")

// failureOf turns an error of the transport into an Error. Caller is the
// context that Deliver was given, attempt the one with the attempt's deadline.
func failureOf(caller, attempt context.Context, err error) *Error {
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		return &Error{CauseStopped, context.Canceled}
	case attempt.Err() != nil:
		return &Error{CauseTimeout, context.DeadlineExceeded}
	case errors.Is(err, errBlocked):
		return &Error{CauseBlocked, errBlocked}
	}
	if failure := handshakeFailure(err); failure != nil {
		return failure
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		return &Error{CauseLookup, &net.DNSError{Err: lookup.Err, IsNotFound: lookup.IsNotFound, IsTimeout: lookup.IsTimeout}}
	}
	op, isOp := errors.AsType[*net.OpError](err)
	switch {
	case isOp && op.Op != "read" && op.Op != "write":
		return &Error{CauseConnect, rootOf(err)}
	case timedOut(err):
		// The attempt's own time is not up, so it is the handshake's that is.
		return &Error{CauseTLS, context.DeadlineExceeded}
	}
	return &Error{CauseCut, rootOf(err)}
}

// handshakeFailure returns nil when err has nothing to do with TLS.
func handshakeFailure(err error) *Error {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return &Error{CauseTLS, errOtherHost}
	}
	if invalid, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &Error{CauseTLS, invalid.Err}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return &Error{CauseTLS, http.ErrSchemeMismatch}
	}
	alert, ok := errors.AsType[*net.OpError](err)
	if ok && (alert.Op == "remote error" || alert.Op == "local error") {
		return &Error{CauseTLS, alert.Err} // crypto/tls keeps the alert's type to itself
	}
	return nil
}

// rootOf finds the part of err whose text is known beforehand.
func rootOf(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	switch {
	case timedOut(err):
		return context.DeadlineExceeded
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	}
	return nil
}

func timedOut(err error) bool {
	slow, ok := errors.AsType[net.Error](err)
	return ok && slow.Timeout()
}
