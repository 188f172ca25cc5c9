package rig

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Door is a member's gateway section: where it listens, whom it lets in and
// where what they bring goes.
type Door struct {
	Listen, ListenTLS string // addresses; ListenTLS only with Cert and Key
	Cert, Key         string // files

	Credentials map[string]string // "site:key" → stream
	Open        map[string]string // endpoint that asks for no credentials → stream
	Webhooks    []Webhook
	Settings    map[string]string // further keys, as YAML
}

// Webhook is one way in for webhooks, with its keys as YAML.
type Webhook struct {
	Name     string
	Settings map[string]string
}

// NewDoor is a door at an address that is free now, so that a member that is
// started again is found where it was.
func NewDoor() (*Door, error) {
	addr, err := FreeAddr()
	return &Door{Listen: addr, Credentials: map[string]string{}, Open: map[string]string{}}, err
}

// URL is where it is reached without TLS.
func (d *Door) URL() string { return "http://" + d.Listen }

// URLTLS is where it is reached over TLS.
func (d *Door) URLTLS() string { return "https://" + d.ListenTLS }

// Await waits until the door answers, whatever it answers, or m has ended.
func (d *Door) Await(ctx context.Context, m *Member) error {
	err := Await(ctx, 30*time.Second, "the gateway at "+d.Listen+" to answer", func(ctx context.Context) bool {
		status, _, err := Get(ctx, d.URL()+"/api/v1/accounts/region")
		return err == nil && status == http.StatusUnauthorized || !m.Running()
	})
	if err == nil && !m.Running() {
		return fmt.Errorf("%s ended: %s", m.Name, m.Tail(3))
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, m.Tail(3))
	}
	return nil
}

func (d *Door) write(b *strings.Builder) {
	fmt.Fprintf(b, "gateway:\n  listen: %q\n", d.Listen)
	if d.ListenTLS != "" {
		fmt.Fprintf(b, "  tls: {listen: %q, cert: %q, key: %q}\n", d.ListenTLS, d.Cert, d.Key)
	}
	if len(d.Credentials) > 0 {
		b.WriteString("  credentials:\n")
	}
	for _, pair := range slices.Sorted(maps.Keys(d.Credentials)) {
		site, key, _ := strings.Cut(pair, ":")
		fmt.Fprintf(b, "    - {site_id: %q, api_key: %q, stream: %s}\n", site, key, d.Credentials[pair])
	}
	if len(d.Open) > 0 {
		b.WriteString("  open:\n")
		writeSettings(b, "    ", d.Open)
	}
	if len(d.Webhooks) > 0 {
		b.WriteString("  webhooks:\n")
	}
	for _, w := range d.Webhooks {
		fmt.Fprintf(b, "    %s:\n", w.Name)
		writeSettings(b, "      ", w.Settings)
	}
	writeSettings(b, "  ", d.Settings)
}
