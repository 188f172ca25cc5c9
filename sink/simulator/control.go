package simulator

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// controlPrefix is where the controls are. Faults and credentials do not
// reach them.
const controlPrefix = "/_sim/"

// serveControl answers the controls; path is escaped and without the prefix.
func (s *Simulator) serveControl(w http.ResponseWriter, r *http.Request, path string) {
	name, rest, _ := strings.Cut(path, "/")
	switch r.Method + " " + name {
	case "GET health":
		write(w, http.StatusOK, encode(map[string]string{"status": "ok"}))
	case "GET stats":
		write(w, http.StatusOK, encode(s.Stats()))
	case "GET history":
		s.serveHistory(w, r)
	case "GET people", "GET objects":
		s.servePerson(w, r, name, rest)
	case "GET config":
		write(w, http.StatusOK, encode(s.Behaviour()))
	case "POST config":
		s.serveConfig(w, r)
	case "DELETE state":
		s.Reset()
		write(w, http.StatusOK, []byte("{}\n"))
	default:
		write(w, http.StatusNotFound, metaError("no such control: "+r.Method+" "+controlPrefix+name))
	}
}

// Reset forgets people, events, counts and history, and fills the buckets.
// Settings stay. It is safe for concurrent use.
func (s *Simulator) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workspaces = make(map[string]*workspace)
	s.history = history{}
	s.attempts = 0
}

func (s *Simulator) serveHistory(w http.ResponseWriter, r *http.Request) {
	since := 0
	if asked := r.URL.Query().Get("since"); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 0 {
			write(w, http.StatusBadRequest, metaError("since must be a number of lines to skip"))
			return
		}
		since = n
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	for a := range s.Arrivals(since) {
		line = a.appendJSON(line[:0])
		if _, err := out.Write(line); err != nil {
			return
		}
	}
	// A reader that has gone needs no more.
	_ = out.Flush()
}

func (s *Simulator) servePerson(w http.ResponseWriter, r *http.Request, kind, rest string) {
	site := r.URL.Query().Get("workspace")
	left, right, split := strings.Cut(rest, "/")
	first, err1 := url.PathUnescape(left)
	second, err2 := url.PathUnescape(right)
	var p Person
	found := false
	switch {
	case errors.Join(err1, err2) != nil:
	case kind == "people" && !split:
		p, found = s.Person(site, first)
	case kind == "objects" && split:
		p, found = s.Object(site, first, second)
	}
	if !found {
		write(w, http.StatusNotFound, metaError("nobody has this identifier"))
		return
	}
	write(w, http.StatusOK, encode(p))
}

func (s *Simulator) serveConfig(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err == nil {
		err = s.Reconfigure(raw)
	}
	if err != nil {
		list := strings.Split(err.Error(), "\n")
		write(w, http.StatusBadRequest, encode(map[string]any{"meta": map[string][]string{"errors": list}}))
		return
	}
	write(w, http.StatusOK, encode(s.Behaviour()))
}
