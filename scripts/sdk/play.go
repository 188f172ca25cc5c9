package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"sluice/scripts/acceptance/rig"
)

// Caller is who plays, and where the API is.
type Caller struct {
	URL    string `json:"url"`
	Site   string `json:"site"`
	Key    string `json:"key"`
	Prefix string `json:"prefix"` // what the names of this run begin with
	Number int    `json:"number"` // a user whose identifier is a number
	ULID   string `json:"ulid"`   // an event's id
	CA     string `json:"-"`      // file with the authority of URL's certificate, for https
}

// The plays.
const (
	Alone    = "alone"    // each method about one person or thing
	Together = "together" // those about several people, who must be there by now
	Refused  = "refused"  // calls that the API refuses, in whole or in part
	Away     = "away"     // one call that is not retried
	Retried  = "retried"  // one event, with the retries that the library makes by itself
)

// Call is a call as its caller saw it end.
type Call struct {
	Method  string          `json:"call"`
	OK      bool            `json:"ok"`
	Answer  json.RawMessage `json:"answer"`
	Error   string          `json:"error"`   // the type of what was thrown
	Status  int             `json:"status"`  // that it tells; 0: none
	Message string          `json:"message"` // that it tells
}

// methods is the name of the line that lists all methods of a library.
const methods = "methods"

// Play runs a play to its end in the folder of an installed library.
func (l Library) Play(ctx context.Context, dir, play string, who Caller) ([]Call, error) {
	settings, err := json.Marshal(who)
	if err != nil {
		return nil, fmt.Errorf("play %s with %s: %w", play, l.Name, err)
	}
	program := append([]string{}, l.play...)
	if strings.Contains(program[0], "/") {
		program[0] = filepath.Join(dir, program[0])
	}
	run := rig.Call{Dir: dir, In: bytes.NewReader(settings), Args: append(program, play)}
	if who.CA != "" {
		run.Env = []string{"REQUESTS_CA_BUNDLE=" + who.CA, "NODE_EXTRA_CA_CERTS=" + who.CA}
	}
	o, err := rig.Try(ctx, run)
	if err != nil {
		return nil, err
	}
	if o.Code != 0 {
		return nil, fmt.Errorf("play %s with %s: code %d: %.600s", play, l.Name, o.Code, o.Err)
	}
	return readCalls(o.Out)
}

func readCalls(out string) ([]Call, error) {
	var calls []Call
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		var c Call
		if err := d.Decode(&c); err != nil {
			return nil, fmt.Errorf("read call %d of a play: %w", len(calls)+1, err)
		}
		calls = append(calls, c)
	}
	return calls, nil
}

// Unplayed are the methods of a library, as the play Together tells them, that
// none of the calls used.
func Unplayed(calls []Call) ([]string, error) {
	played := map[string]bool{}
	var all []string
	for _, c := range calls {
		played[c.Method] = true
		if c.Method == methods {
			if err := json.Unmarshal(c.Answer, &all); err != nil {
				return nil, fmt.Errorf("read the methods of a library: %w", err)
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no play told the methods of the library")
	}
	var left []string
	for _, name := range all {
		if !played[name] {
			left = append(left, name)
		}
	}
	return left, nil
}
