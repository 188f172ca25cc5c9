package sink

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
)

type permissionKey struct{}

// Guarded returns a context under which an attempt asks permitted once more
// when its connection is in hand, which may be long after it began: dialling
// takes time, and a process may be frozen in the middle of it. Without leave
// nothing is written, and the attempt is over as one that we stopped
// ourselves. permitted is called from any goroutine and must return at once.
func Guarded(ctx context.Context, permitted func() bool) context.Context {
	return context.WithValue(ctx, permissionKey{}, permitted)
}

// connected is told of the connection just before the request is written.
func (x *Exchange) connected(info httptrace.GotConnInfo) {
	if x.permitted == nil || x.permitted() {
		return
	}
	x.forbidden.Store(true)
	x.timing.cancel()
	// The transport looks at the context only after it has begun to write. An
	// HTTP/2 connection does look, and others' exchanges are on it.
	if c, ok := info.Conn.(*tls.Conn); !ok || c.ConnectionState().NegotiatedProtocol != "h2" {
		_ = info.Conn.Close() // nothing was written on it
	}
}
