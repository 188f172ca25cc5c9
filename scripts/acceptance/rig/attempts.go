package rig

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Attempt is one HTTP attempt as its sender tells of it: the line `attempt`
// that a member logs at debug when it is over.
type Attempt struct {
	Workspace string
	Events    int
	Verdict   string
	Status    int
	Sent      time.Time     // when the budget granted it
	Took      time.Duration // from then to its outcome
}

// attemptLine is the line's form on a log; took is in seconds.
type attemptLine struct {
	Message   string  `json:"msg"`
	Workspace string  `json:"workspace"`
	Events    int     `json:"events"`
	Verdict   string  `json:"verdict"`
	Status    int     `json:"status"`
	Sent      int64   `json:"sent"` // unix ns
	Took      float64 `json:"took"`
}

// ReadAttempts picks the attempts out of a member's log. Lines that are not
// JSON are passed over: a process that ends badly says so in plain text, and
// one that is killed may leave half a line.
func ReadAttempts(log io.Reader) ([]Attempt, error) {
	var attempts []Attempt
	lines := bufio.NewReaderSize(log, 64<<10)
	for {
		text, err := lines.ReadBytes('\n')
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return attempts, fmt.Errorf("read a member's log: %w", err)
		}
		var l attemptLine
		if bytes.Contains(text, []byte(`"attempt"`)) && json.Unmarshal(text, &l) == nil && l.Message == "attempt" && l.Sent > 0 {
			attempts = append(attempts, Attempt{
				Workspace: l.Workspace, Events: l.Events, Verdict: l.Verdict, Status: l.Status,
				Sent: time.Unix(0, l.Sent), Took: time.Duration(l.Took * float64(time.Second)),
			})
		}
		if ended {
			return attempts, nil
		}
	}
}

// Attempts are those of a member that are over, in the order in which they
// ended. It must have been started with LogLevel debug.
func (m *Member) Attempts() ([]Attempt, error) {
	log, err := os.Open(m.Log)
	if err != nil {
		return nil, fmt.Errorf("read the attempts of %s: %w", m.Name, err)
	}
	defer func() { _ = log.Close() }()
	return ReadAttempts(log)
}
