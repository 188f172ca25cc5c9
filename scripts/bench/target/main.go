// Target is the destination of the benchmark: it answers after a set latency,
// fails when told to, and counts. It speaks HTTP/1.1 by hand, so that it takes
// as little of the machine as it can from what is measured.
//
// Any POST or PUT to /w/NAME/… carries one event, an object with "user" and
// "seq", or {"batch":[…]} of such. POST /_cfg?w=NAME sets a workspace up anew,
// GET /_stats?w=NAME says what it has counted.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "listen address")
	flag.Parse()
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "target:", err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	s := newServer()
	for {
		c, err := l.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, "target:", err)
			os.Exit(1)
		}
		go s.serve(c)
	}
}
