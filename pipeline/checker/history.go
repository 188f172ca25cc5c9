package checker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
)

// historyPath is where a simulator tells what arrived.
const historyPath = "_sim/history"

// maxArrival is the longest line of a history, in bytes.
const maxArrival = 1 << 20

// Arrival is one event of one request, as a line of a simulator's history.
type Arrival struct {
	Time      int64  `json:"time"` // the request's arrival, unix ns
	Workspace string `json:"workspace"`
	User      string `json:"user"`
	ID        string `json:"id"`
	Seq       int64  `json:"_seq"`    // 0: none
	N         int64  `json:"_n"`      // 0: none
	Status    int    `json:"status"`  // the event's own; 0: no answer was given
	Attempt   int64  `json:"attempt"` // the request's number, from 1
	Op        string `json:"op"`
	Effect    bool   `json:"effect"` // it changed something
}

// Fetch reads the history of the simulator at base, a URL such as
// http://localhost:8090. The error is about the URL alone: the request is made
// when the sequence is ranged over, anew each time, and its faults come out
// of the sequence. A history that breaks off is a fault.
func Fetch(ctx context.Context, base string) (iter.Seq2[Arrival, error], error) {
	target, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("simulator's address: %w", err)
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
		return nil, fmt.Errorf("simulator's address %q: must be like http://localhost:8090", base)
	}
	history := target.JoinPath(historyPath).String()
	return func(yield func(Arrival, error) bool) {
		body, err := get(ctx, history)
		if err != nil {
			yield(Arrival{}, err)
			return
		}
		defer func() { _ = body.Close() }()
		Decode(body)(yield)
	}, nil
}

func get(ctx context.Context, address string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask for the history: %w", err)
	}
	client := &http.Client{}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask for the history: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return nil, fmt.Errorf("GET %s: %s; is this a simulator?", address, response.Status)
	}
	return response.Body, nil
}

// Decode reads a history: one JSON object a line, in arrival order. The
// sequence ends with the first error.
func Decode(r io.Reader) iter.Seq2[Arrival, error] {
	return func(yield func(Arrival, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 0, 64<<10), maxArrival)
		n := 0
		for lines.Scan() {
			n++
			if len(lines.Bytes()) == 0 {
				continue
			}
			var a Arrival
			if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
				yield(Arrival{}, fmt.Errorf("history line %d: %w", n, err))
				return
			}
			if !yield(a, nil) {
				return
			}
		}
		switch err := lines.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			yield(Arrival{}, fmt.Errorf("history line %d: longer than %d bytes", n+1, maxArrival))
		case err != nil:
			yield(Arrival{}, fmt.Errorf("history after line %d: %w", n, err))
		}
	}
}
