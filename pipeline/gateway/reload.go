package gateway

import (
	"errors"

	"go.uber.org/zap"
)

// access is who may come in, and where what they bring goes: what Reload
// replaces. It is replaced as a whole, so that a request sees one of it.
type access struct {
	cfg         Config
	credentials *credentials
	open        map[string]*caller // by endpoint: who calls without credentials
	webhooks    *webhooks
	addresses   *addresses
	cors        cors
}

// newAccess makes an access of cfg, or returns every fault.
func newAccess(cfg Config, streams map[string]Stream) (*access, error) {
	if err := errors.Join(cfg.Validate(), cfg.validateStreams(streams)); err != nil {
		return nil, err
	}
	hooks, err := newWebhooks(cfg.Webhooks, streams)
	if err != nil {
		return nil, err
	}
	a := &access{
		cfg: cfg, webhooks: hooks, cors: cors(cfg.Origins), open: map[string]*caller{},
		credentials: newCredentials(cfg.Credentials, streams), addresses: newAddresses(cfg.RatePerAddress),
	}
	for endpoint, name := range cfg.Open {
		a.open[endpoint] = &caller{stream: streams[name]}
	}
	return a, nil
}

// inherit takes over of old what a change elsewhere must not make forgotten:
// how much of a rate is used up, and which webhooks are stored.
func (a *access) inherit(old *access) {
	before := map[string]int{}
	for i, c := range old.cfg.Credentials {
		before[c.SiteID] = i
	}
	for i, c := range a.cfg.Credentials {
		if j, was := before[c.SiteID]; was && old.cfg.Credentials[j].Rate == c.Rate {
			a.credentials.callers[i].limit = old.credentials.callers[j].limit
		}
	}
	if a.cfg.RatePerAddress == old.cfg.RatePerAddress {
		a.addresses = old.addresses
	}
	for name, hook := range a.webhooks.byName {
		if was := old.webhooks.byName[name]; was != nil {
			hook.repeats, hook.counts = was.repeats, was.counts
		}
	}
	a.webhooks.metrics = old.webhooks.metrics
	for name, hook := range a.webhooks.byName {
		if old.webhooks.byName[name] == nil {
			hook.counts = a.webhooks.metrics.of(name)
		}
	}
}

// Reload takes over who may come in: credentials with their streams and rates,
// the open endpoints, webhooks, origins and the rate per address. Requests under
// way end as they began. Where the gateway listens, its certificate's files, its
// memory and how long it waits for Kafka stay as New had them. Either all of it
// is taken over or, when the error says what is wrong with cfg, nothing. It is
// safe for concurrent use.
func (g *Gateway) Reload(cfg Config) error {
	next, err := newAccess(cfg, g.streams)
	if err != nil {
		return err
	}
	g.reloading.Lock()
	defer g.reloading.Unlock()
	next.inherit(g.access.Load())
	g.access.Store(next)
	g.log.Info("who may come in is reloaded", zap.Int("credentials", len(cfg.Credentials)), zap.Int("webhooks", len(cfg.Webhooks)))
	return nil
}
