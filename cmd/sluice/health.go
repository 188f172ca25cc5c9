package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func healthCommand(sh *shell) *cobra.Command {
	within := 3 * time.Second
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the member on this machine whether it is ready",
		Long: `Ask /readyz at the configuration's listen.metrics, on this machine. It is meant for
probes where nothing else can ask, as the HEALTHCHECK of a container without a shell.

Ready means that the group has given this member its shards, that its gateway, if it has
one, listens and has found Kafka, and that events can be set aside: while the topic of
dead letters takes nothing, their users wait, and this says why and what to do. That a
destination is down makes no member unready: /health and the metrics tell that.

The exit code is 0 when it is ready and 1 when it is not, or does not answer.`,
		Example: `  sluice health -c sluice.yaml
  sluice health -c sluice.yaml --timeout 1s -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return sh.health(cmd.Context(), within) },
	}
	cmd.Flags().DurationVar(&within, "timeout", within, "wait so long for the answer: `TIME`")
	return cmd
}

// readiness is the result of health.
type readiness struct {
	Address string `json:"address"`
	Ready   bool   `json:"ready"`
	Answer  string `json:"answer"` // of the member, or why there is none
}

func (sh *shell) health(ctx context.Context, within time.Duration) error {
	if within <= 0 {
		return usage(fmt.Errorf("--timeout must be above 0, have %v", within))
	}
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	if cfg.Listen.Metrics == "" {
		return usage(fmt.Errorf("%s turns probes off; set listen.metrics to an address", sh.configPath))
	}
	r := readiness{Address: fromHere(cfg.Listen.Metrics)}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	r.Ready, r.Answer = askReady(ctx, r.Address)
	if err := sh.answer(r, func(w io.Writer) {
		what := "ready"
		if !r.Ready {
			what = "not ready: " + strings.ReplaceAll(r.Answer, "\n", "\n  ")
		}
		_, _ = fmt.Fprintf(w, "%s is %s\n", r.Address, what)
	}); err != nil {
		return err
	}
	if !r.Ready {
		return verdict(exitFailed, "%s is not ready", r.Address)
	}
	return nil
}

// fromHere is how an address that a member listens on is reached from its own
// machine: one of every interface over the loopback.
func fromHere(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}

// askReady asks a member's probe and tells what it said.
func askReady(ctx context.Context, address string) (ready bool, answer string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", http.NoBody)
	if err != nil {
		return false, err.Error()
	}
	// A proxy of the environment has no business between a probe and its member.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return false, "no answer in time"
		}
		return false, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	const longest = 4 << 10
	text, _ := io.ReadAll(io.LimitReader(response.Body, longest))
	return response.StatusCode == http.StatusOK, said(text)
}

// said is a probe's answer as text: a JSON string line by line, and whatever
// else may listen there on one line, cut where it gets long.
func said(body []byte) string {
	var text string
	if json.Unmarshal(body, &text) == nil {
		return strings.TrimSpace(text)
	}
	const most = 500
	text = strings.Join(strings.Fields(string(body)), " ")
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + " …"
	}
	return text
}
