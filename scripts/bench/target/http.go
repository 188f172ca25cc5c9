package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

const (
	answerOK   = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	answerBad  = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
	answerFail = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"error\":\"down\"}"
	maxBody    = 16 << 20
)

var errProtocol = errors.New("not HTTP/1.1")

type server struct {
	mu         sync.RWMutex
	workspaces map[string]*workspace // guarded by mu
}

func newServer() *server { return &server{workspaces: map[string]*workspace{}} }

func (s *server) workspace(name string) *workspace {
	s.mu.RLock()
	w := s.workspaces[name]
	s.mu.RUnlock()
	if w != nil {
		return w
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w = s.workspaces[name]; w == nil {
		w = newWorkspace(config{})
		s.workspaces[name] = w
	}
	return w
}

// request is the part of a request that matters here; its parts are valid
// until the next one of the same connection is read.
type request struct {
	method, path string
	body         []byte
	last         bool // the client closes
}

// serve answers one connection's requests in order.
func (s *server) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	in := bufio.NewReaderSize(c, 16<<10)
	var r request
	var events []arrival
	for {
		if err := r.read(in, c); err != nil {
			return
		}
		answer := ""
		if strings.HasPrefix(r.path, "/_") {
			answer = s.control(&r)
		} else {
			rest, _ := strings.CutPrefix(r.path, "/w/")
			name, _, _ := strings.Cut(rest, "/")
			w := s.workspace(name)
			var err error
			events, err = parse(r.body, events[:0])
			switch {
			case err != nil || r.method == "GET":
				w.malformed.Add(1)
				answer = answerBad
			case w.handle(events):
				answer = answerOK
			default:
				answer = answerFail
			}
		}
		if _, err := io.WriteString(c, answer); err != nil || r.last {
			return
		}
	}
}

func (r *request) read(in *bufio.Reader, c net.Conn) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	first, rest, ok := bytes.Cut(line, []byte(" "))
	path, _, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok || !ok2 {
		return errProtocol
	}
	r.method, r.path, r.last = string(first), string(path), false
	length, chunked := 0, false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 || length > maxBody {
				return errProtocol
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			chunked = true
		case bytes.EqualFold(name, []byte("connection")):
			r.last = bytes.EqualFold(value, []byte("close"))
		case bytes.EqualFold(name, []byte("expect")):
			if _, err := io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
				return err
			}
		}
	}
	if chunked {
		return r.readChunks(in)
	}
	return r.grow(in, 0, length)
}

// grow reads n further bytes of body after the first have.
func (r *request) grow(in *bufio.Reader, have, n int) error {
	if cap(r.body) < have+n {
		r.body = append(make([]byte, 0, have+n), r.body[:have]...)
	}
	r.body = r.body[:have+n]
	_, err := io.ReadFull(in, r.body[have:])
	return err
}

func (r *request) readChunks(in *bufio.Reader) error {
	r.body = r.body[:0]
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		have := len(r.body)
		if err != nil || n < 0 || have+int(n) > maxBody {
			return errProtocol
		}
		if err := r.grow(in, have, int(n)+2); err != nil { // with its line end
			return err
		}
		r.body = r.body[:have+int(n)]
		if n == 0 {
			return nil
		}
	}
}

func (s *server) control(r *request) string {
	u, err := url.Parse(r.path)
	if err != nil {
		return answerBad
	}
	name := u.Query().Get("w")
	var out any = struct{}{}
	switch u.Path {
	case "/_cfg":
		var c config
		if err := json.Unmarshal(r.body, &c); err != nil {
			return answerBad
		}
		s.mu.Lock()
		s.workspaces[name] = newWorkspace(c)
		s.mu.Unlock()
	case "/_stats":
		out = s.workspace(name).stats()
	default:
		return answerBad
	}
	body, err := json.Marshal(out)
	if err != nil {
		return answerFail
	}
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}
