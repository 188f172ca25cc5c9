package partition

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// Contact says in plain words how another machine could not be reached. It is
// empty for any other error.
func Contact(err error) string {
	op, ok := errors.AsType[*net.OpError](err)
	if ok && op.Op == "listen" { // on this machine
		return ""
	}
	if !ok {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return "the connection was closed"
		}
		return ""
	}
	address := "the address"
	if op.Addr != nil {
		address = op.Addr.String()
	}
	unknown, named := errors.AsType[*net.DNSError](op.Err)
	switch {
	case named && unknown.IsNotFound:
		return "no host is named " + unknown.Name
	case named:
		return "the name " + unknown.Name + " cannot be looked up"
	case errors.Is(op.Err, syscall.ECONNREFUSED):
		return address + " refuses the connection"
	case op.Timeout(), errors.Is(op.Err, os.ErrDeadlineExceeded):
		return address + " does not answer"
	case errors.Is(op.Err, syscall.ECONNRESET), errors.Is(op.Err, syscall.EPIPE):
		return address + " cut the connection"
	case op.Op == "dial":
		return fmt.Sprintf("%s cannot be dialled (%v)", address, rootOf(op.Err))
	}
	return fmt.Sprintf("the connection to %s failed (%v)", address, rootOf(op.Err))
}

// rootOf is what the system said.
func rootOf(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}
