package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sluice/pipeline/config"
	"sluice/pipeline/gateway"
	"sluice/sink/budget"
)

// gatewayReport is the gateway's part of config check.
type gatewayReport struct {
	Listen      string            `json:"listen"`     // empty: not without TLS
	ListenTLS   string            `json:"listen_tls"` // empty: not over TLS
	Credentials []credentialEntry `json:"credentials"`
	Open        map[string]string `json:"open"` // endpoint → stream
	Webhooks    []webhookEntry    `json:"webhooks"`
}

type credentialEntry struct {
	SiteID  string   `json:"site_id"`
	Streams []string `json:"streams"`
	Rate    string   `json:"rate"`
}

type webhookEntry struct {
	Path   string `json:"path"`
	Scheme string `json:"scheme"`
	Stream string `json:"stream"`
}

func gatewayReportOf(g *gateway.Config) *gatewayReport {
	if g == nil {
		return nil
	}
	r := &gatewayReport{Listen: g.Listen, Credentials: []credentialEntry{}, Open: g.Open, Webhooks: []webhookEntry{}}
	if g.Cert != "" {
		r.ListenTLS = g.ListenTLS
	}
	for _, c := range g.Credentials {
		entry := credentialEntry{SiteID: c.SiteID, Streams: []string{c.Stream}, Rate: config.FormatRate(budget.Rate(c.Rate))}
		if c.Region != nil {
			entry.Streams = nil
			for _, value := range slices.Sorted(maps.Keys(c.Region.Streams)) {
				entry.Streams = append(entry.Streams, fmt.Sprintf("%s (%s: %s)", c.Region.Streams[value], c.Region.Field, value))
			}
		}
		r.Credentials = append(r.Credentials, entry)
	}
	for _, w := range g.Webhooks {
		r.Webhooks = append(r.Webhooks, webhookEntry{Path: "/webhooks/" + w.Name, Scheme: string(w.Scheme), Stream: w.Stream})
	}
	return r
}

// text lists who may come in, and where what they bring goes.
func (r *gatewayReport) text(w io.Writer) {
	_, _ = fmt.Fprintf(w, "\ngateway: http %s, https %s\n", orDash(r.Listen), orDash(r.ListenTLS))
	table(w, func(row func(string, ...any)) {
		row("COMES IN\tPROVEN BY\tSTREAM\tRATE")
		for _, c := range r.Credentials {
			row("Track API\tsite id %s\t%s\t%s", c.SiteID, strings.Join(c.Streams, ", "), c.Rate)
		}
		for _, endpoint := range slices.Sorted(maps.Keys(r.Open)) {
			row("Track API: %s\tnothing\t%s\tper address", endpoint, r.Open[endpoint])
		}
		for _, h := range r.Webhooks {
			row("%s\t%s\t%s\t-", h.Path, h.Scheme, h.Stream)
		}
	})
}
