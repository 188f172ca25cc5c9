package config

import (
	"crypto/x509"
	"errors"

	"go.yaml.in/yaml/v4"

	"sluice/pipeline"
	"sluice/sink"
	"sluice/sink/budget"
	"sluice/sink/customerio"
	"sluice/sink/webhook"
)

// workspace reads one destination, or nothing and a fault when it does not say
// which API it is: without that no key can be judged.
func (d *decoder) workspace(name string, n *yaml.Node) (Workspace, bool) {
	path := "workspaces." + name
	s := d.section(n, path)
	w := Workspace{
		Name: name, Budget: budget.DefaultConfig(), InFlight: pipeline.DefaultInFlight,
		Breaker: sink.DefaultBreakerConfig(), Retry: sink.DefaultRetryConfig(),
	}
	// sink: the API behind the workspace: customerio or webhook.
	var kind string
	if !s.text("sink", &kind) {
		if s.readable && !s.given("sink") {
			d.fault(s.at, path, "does not say which API it is", "add sink: customerio or sink: webhook")
		}
		return w, false
	}
	// region: where the destination keeps its data: us or eu.
	s.text("region", &w.Region)
	switch w.Kind = Kind(kind); w.Kind {
	case Customerio:
		d.customerio(s, &w)
	case Webhook:
		readWebhook(s, &w)
	default:
		remedy := "write sink: customerio or sink: webhook"
		if word, ok := nearest(kind, []string{string(Customerio), string(Webhook)}); ok {
			remedy = "write sink: " + word
		}
		d.faultAt(s.join("sink"), "is not an API that this version knows", remedy)
		return w, false
	}
	d.shared(s, &w)
	s.done()
	return w, true
}

// shared reads the keys that every workspace has.
func (d *decoder) shared(s *section, w *Workspace) {
	// budget: how often the workspace may be asked, over all members.
	if n, ok := s.take("budget"); ok {
		b := d.section(n, s.join("budget"))
		// requests: attempts, first tries and retries alike.
		b.rate("requests", &w.Budget.Requests)
		// events: counted inside batches.
		b.rate("events", &w.Budget.Events)
		b.done()
	}
	// in_flight: attempts at once.
	s.integer("in_flight", &w.InFlight)
	// breaker: when a failing workspace is left alone, and for how long.
	if n, ok := s.take("breaker"); ok {
		b := d.section(n, s.join("breaker"))
		// failures: consecutive ones that open it.
		b.integer("failures", &w.Breaker.Failures)
		// probe_after: how long it stays open before one event is tried.
		b.duration("probe_after", &w.Breaker.ProbeAfter)
		// successes: probes that close it.
		b.integer("successes", &w.Breaker.Successes)
		b.done()
	}
	// retry: how long a failing event waits: full jitter from base to cap.
	if n, ok := s.take("retry"); ok {
		r := d.section(n, s.join("retry"))
		r.duration("base", &w.Retry.Base)
		r.duration("cap", &w.Retry.Cap)
		r.done()
	}
}

func (d *decoder) customerio(s *section, w *Workspace) {
	cfg := customerio.DefaultConfig()
	cfg.Workspace = w.Name
	if s.given("region") {
		cfg.Region = w.Region
	} else { // a default region would send somebody's data to the wrong one
		d.fault(s.at, s.join("region"), "is missing", "add region: us or region: eu, as the account is")
	}
	// site_id, api_key: the Track API credentials of the workspace.
	s.text("site_id", &cfg.SiteID)
	s.secret("api_key", &cfg.APIKey)
	// base_url: another host with the same API, such as the simulator.
	s.text("base_url", &cfg.BaseURL)
	// allow_http: whether base_url may be unencrypted beyond this machine.
	s.boolean("allow_http", &cfg.AllowHTTP)
	// allow_cross_region: why base_url may be in the other region; yes is no reason.
	s.text("allow_cross_region", &cfg.AllowCrossRegion)
	// max_batch_items: events in one request at most.
	s.integer("max_batch_items", &cfg.MaxBatchItems)
	readHTTP(s, &cfg.HTTP)
	w.Customerio, w.BatchItems = cfg, cfg.MaxBatchItems
}

func readWebhook(s *section, w *Workspace) {
	cfg := webhook.DefaultConfig()
	cfg.Workspace = w.Name
	// url: the endpoint; it may be a template over the event.
	s.secret("url", &cfg.URL)
	// method: of the request.
	s.text("method", &cfg.Method)
	// headers: sent with each request; often credentials, so never shown.
	s.secretPairs("headers", &cfg.Headers)
	// body: a template over the event; without it the event's own bytes.
	s.text("body", &cfg.Body)
	// rejects: statuses that are the event's fault, not the workspace's.
	s.integers("rejects", &cfg.Rejects)
	// max_bytes: of one event; a larger one is a dead letter.
	s.size("max_bytes", &cfg.MaxBytes)
	readHTTP(s, &cfg.HTTP)
	w.Webhook, w.BatchItems = cfg, 1
}

func readHTTP(s *section, cfg *sink.HTTPConfig) {
	// connect_timeout: for the connection, TLS included.
	s.duration("connect_timeout", &cfg.Connect)
	// timeout: for a whole attempt.
	s.duration("timeout", &cfg.Attempt)
	// max_conns, idle_conns, idle_for: the pool of connections.
	s.integer("max_conns", &cfg.MaxConns)
	s.integer("idle_conns", &cfg.IdleConns)
	s.duration("idle_for", &cfg.IdleFor)
	// proxy: URL of an http, https or socks5 proxy; it may hold a password.
	s.secret("proxy", &cfg.Proxy)
	// root_ca: certificates in PEM form, mostly file:PATH, that are trusted
	// instead of the system's.
	into(s, "root_ca", &cfg.RootCAs, parseCertificates)
}

func parseCertificates(text string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(text)) {
		return nil, errors.New("holds no certificate in PEM form; write it as file:PATH of a file that begins with -----BEGIN CERTIFICATE-----")
	}
	return pool, nil
}
