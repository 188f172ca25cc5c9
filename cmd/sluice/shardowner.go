package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"sluice/partition"
)

// tellOwner asks the owning member to go on.
func tellOwner(ctx context.Context, r resumed) error {
	query := url.Values{"at": {r.At}}
	if r.tier != partition.Live {
		query.Set("tier", r.Tier)
	}
	err := callOwner(ctx, http.MethodPost, resumeURL(r.Owner, r.Stream, strconv.Itoa(int(r.Partition)), query), nil)
	if err == nil {
		return nil
	}
	look := "sluice group describe --stream " + shellWord(r.Stream)
	if refused, ok := errors.AsType[*ownerError](err); ok && refused.status != 0 {
		return fmt.Errorf("%w\n%s; how far it is, and what is stopped: %s", err, r.state(ctx), look)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return fmt.Errorf("%w\n%s; which member owns it: %s", err, unchanged, look)
	}
	return fmt.Errorf("%w\nwhether it was done is not known: look with %s", err, look)
}

// state asks the owner whether the shard is stopped, after it refused to let it
// go on: only then is it known what that left.
func (r resumed) state(ctx context.Context) string {
	var stopped map[string]partition.Stop
	if err := callOwner(ctx, http.MethodGet, stoppedURL(r.Owner), &stopped); err != nil {
		return "whether it is stopped the owner does not say"
	}
	if _, is := stopped[r.id().String()]; is {
		return "it stays stopped, " + unchanged
	}
	return "it goes on as it does"
}

func stoppedURL(owner string) *url.URL {
	return &url.URL{Scheme: "http", Host: owner, Path: "/shards/stopped"}
}

func resumeURL(owner, stream, shard string, query url.Values) *url.URL {
	return &url.URL{Scheme: "http", Host: owner, Path: fmt.Sprintf("/shards/%s/%s/resume", stream, shard), RawQuery: query.Encode()}
}

// ownerError says that a member gave no answer, or a bad one.
type ownerError struct {
	text   string
	status int // of the answer; 0: there was none
	err    error
}

func (e *ownerError) Error() string { return e.text }
func (e *ownerError) Unwrap() error { return e.err }

// callOwner asks a member and decodes its answer, unless into is nil. Its error is
// one line.
func callOwner(ctx context.Context, method string, target *url.URL, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, target.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("ask the owner at %s: %w", target.Host, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return silentOwner(target.Host, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 != 2 {
		return badAnswer(target.Host, response)
	}
	if into == nil {
		return nil
	}
	const longest = 4 << 20
	if err := json.NewDecoder(io.LimitReader(response.Body, longest)).Decode(into); err != nil {
		return fmt.Errorf("read the answer of the owner at %s: %w", target.Host, err)
	}
	return nil
}

// silentOwner is the error of a member that did not answer.
func silentOwner(host string, err error) error {
	how := partition.Contact(err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		how = "no answer in time"
	case how == "":
		how = strings.Join(strings.Fields(err.Error()), " ")
	}
	return &ownerError{text: fmt.Sprintf("ask the owner at %s: %s; run this where that address can be reached, or set listen.advertise", host, how), err: err}
}

// badAnswer is the error of a member that refused, in its own words.
func badAnswer(host string, response *http.Response) error {
	const longest = 500
	text, err := io.ReadAll(io.LimitReader(response.Body, longest))
	var told struct {
		Error string `json:"error"`
	}
	said := strings.Join(strings.Fields(string(text)), " ")
	if json.Unmarshal(text, &told) == nil && told.Error != "" {
		said = told.Error
	}
	how := "answered " + response.Status
	if response.StatusCode == http.StatusConflict {
		how = "refuses"
	}
	return &ownerError{fmt.Sprintf("the owner at %s %s: %s", host, how, visible(said)), response.StatusCode, err}
}
