package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// wireCase is a request that a client library was seen to send, to the byte.
type wireCase struct {
	SDK     string      `json:"sdk"`
	Case    string      `json:"case"`
	Method  string      `json:"method"`
	Target  string      `json:"target"`
	Headers [][2]string `json:"headers"`
	Body    string      `json:"body"`
}

// wireCases are all that were seen.
func wireCases(root string) ([]wireCase, error) {
	text, err := os.ReadFile(filepath.Join(root, "scripts", "acceptance", "gateway", "testdata", "wire-cases.json"))
	if err != nil {
		return nil, fmt.Errorf("read the requests of the libraries: %w", err)
	}
	var cases []wireCase
	if err := json.Unmarshal(text, &cases); err != nil {
		return nil, fmt.Errorf("read the requests of the libraries: %w", err)
	}
	return cases, nil
}

// wire sends what the libraries were seen to send, byte for byte, to the gateway
// and to a simulated API: answers and effects must be the same.
func (g gateway) wire(ctx context.Context, r *suite.Result) error {
	cases, err := wireCases(g.rig.Root)
	if err != nil {
		return err
	}
	st, err := g.stage(ctx, "wire", plan{})
	if err != nil {
		return err
	}
	// Some of the requests say what another said: each is to arrive.
	st.config.Workspaces[0].Settings["dedup"] = "{identify: off, event_id: off}"
	// An API of its own, for both know the same credentials.
	api, err := g.rig.Simulate(ctx, nil, "--key", "site:key")
	if err != nil {
		return err
	}
	member, err := st.run(ctx, "gateway,deliver")
	if err != nil {
		return err
	}
	var wrong []string
	for _, c := range cases {
		want, err := c.send(ctx, api.URL)
		if err != nil {
			return err
		}
		have, err := c.send(ctx, st.door.URL())
		if err != nil {
			return err
		}
		if fault := c.compare(have, want); fault != "" {
			wrong = append(wrong, fmt.Sprintf("%s %s: %s", c.SDK, c.Case, fault))
		}
	}
	r.Equal("requests", int64(len(cases)), 26)
	r.Holds("answers", len(wrong) == 0, told(wrong, "the API's own"), "the API's own")
	dead, err := st.settled(ctx, 20*time.Second)
	if err != nil {
		return err
	}
	r.Equal("set aside", dead, 0)
	want, err := effects(ctx, api)
	if err != nil {
		return err
	}
	have, err := effects(ctx, st.sim)
	if err != nil {
		return err
	}
	r.Equal("calls that arrived", int64(len(have)), int64(len(want)))
	r.Holds("what they say", slices.Equal(have, want), told(differences(have, want), "the same"), "as sent to the API")
	return st.end(member)
}

// answer is what came back.
type answer struct {
	status      int
	body        string
	contentType string
	length      int64
}

// send writes the request as it stands, on a connection of its own.
func (c wireCase) send(ctx context.Context, base string) (answer, error) {
	at, err := url.Parse(base)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", base, err)
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", at.Host)
	if err != nil {
		return answer{}, fmt.Errorf("connect to %s: %w", at.Host, err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // of a TCP connection, which has them
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nhost: %s\r\n", c.Method, c.Target, at.Host)
	for _, h := range c.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n" + c.Body)
	if _, err := conn.Write(b.Bytes()); err != nil {
		return answer{}, fmt.Errorf("send %s: %w", c.Case, err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answer{}, fmt.Errorf("read the answer to %s: %w", c.Case, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(body), resp.Header.Get("Content-Type"), resp.ContentLength}, err
}

// compare says how an answer differs from the API's, or nothing. The number of
// an environment is the account's own.
func (c wireCase) compare(have, want answer) string {
	switch {
	case strings.Contains(c.Target, "/accounts/region"):
		var region struct {
			URL         string `json:"url"`
			Region      string `json:"region"`
			Environment *int64 `json:"environment_id"`
		}
		if json.Unmarshal([]byte(have.body), &region) != nil || region.Region != "us" || region.Environment == nil || !strings.HasPrefix(region.URL, "http") {
			return "says " + have.body
		}
	case want.status == http.StatusOK && have.body != "{}\n", want.status == http.StatusNoContent && have.body != "":
		return fmt.Sprintf("answers %q", have.body)
	}
	switch {
	case have.status != want.status:
		return fmt.Sprintf("%d, want %d: %s", have.status, want.status, have.body)
	case want.status == http.StatusOK && have.contentType != "application/json; charset=utf-8":
		return "of type " + have.contentType
	case want.status == http.StatusOK && have.length != int64(len(have.body)):
		return fmt.Sprintf("of length %d", have.length)
	}
	return ""
}

// effects are the calls that a simulator took, in words and in order of these.
func effects(ctx context.Context, sim *rig.Simulator) ([]string, error) {
	arrivals, err := sim.History(ctx, 0)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, a := range arrivals {
		if a.Accepted() {
			all = append(all, strings.Join([]string{a.Op, a.User, a.Name}, " "))
		}
	}
	slices.Sort(all)
	return all, nil
}

// differences are what one list has and the other has not, with how many more.
func differences(have, want []string) []string {
	count := map[string]int{}
	for _, s := range have {
		count[s]++
	}
	for _, s := range want {
		count[s]--
	}
	var all []string
	for _, s := range slices.Sorted(maps.Keys(count)) {
		if n := count[s]; n != 0 {
			all = append(all, fmt.Sprintf("%+d %q", n, s))
		}
	}
	return all
}
