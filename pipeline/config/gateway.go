package config

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"sluice/pipeline/gateway"
	"sluice/sink/budget"
)

// gatewayExample is the shortest gateway that lets somebody in.
const gatewayExample = "{credentials: [{site_id: …, api_key: …, stream: NAME}]}"

// gateway binds the section of the gateway, which a file may leave out: then
// there is none.
func (c *Config) gateway() value {
	g := c.Gateway
	if g == nil {
		g = new(gateway.DefaultConfig())
	}
	return optional(&c.Gateway, g, gatewayKeys(g)...)
}

// optional is a section that is in effect once it is given: *dst is nil until
// then, and in afterwards. The keys are bound to in.
func optional[T any](dst **T, in *T, keys ...key) value {
	return given(dst, in, section(keys...))
}

// gatewayKeys are the keys of the gateway, bound to g.
func gatewayKeys(g *gateway.Config) []key {
	secure := section(gatewayTLSKeys(g)...)
	secure.absent = func() bool { return g.Cert == "" && g.Key == "" }
	return []key{
		{name: "listen", meaning: `The address of the Track API and of webhooks without TLS, or off. Behind a load balancer that ends TLS, this one is enough.`, example: "127.0.0.1:8080", value: address(&g.Listen)},
		{name: "tls", meaning: "The same over TLS, which the Python SDK and older Node SDKs insist on.", value: secure},
		{
			name: "credentials", meaning: "Who may call the Track API, by the site id and API key that the SDK is given, and where their events go. Those of the account itself will do: then an application changes nothing but the URL.",
			example: `[{site_id: "${SITE_ID}", api_key: "${API_KEY}", stream: NAME}]`, live: true, value: credentials(&g.Credentials),
		},
		{name: "open", meaning: "Endpoints that ask for no credentials on the real API, each with the stream of what they bring. One that is not named answers 404.", value: section(openKeys(g)...)},
		{name: "webhooks", meaning: "Webhooks in, by NAME: what is sent to /webhooks/NAME goes to a stream as it came.", example: webhookExample, value: webhooksIn(&g.Webhooks)},
		{name: "origins", meaning: `Web pages that browsers may call from (CORS), as https://shop.example.com; "*" is any.`, example: `["https://shop.example.com"]`, live: true, value: texts(&g.Origins)},
		{name: "rate_per_address", meaning: "Requests to the open endpoints from one client address. Behind a load balancer all clients share its address: limit there instead, and write unlimited here.", example: "unlimited", live: true, value: perSecond(&g.RatePerAddress)},
		{name: "append_timeout", meaning: "How long a request waits for Kafka to have its events on all replicas; then it is answered 503 with Retry-After.", example: "3s", value: duration(&g.AppendTimeout)},
		{name: "in_flight_bytes", meaning: "Memory of all requests under way, at most; above it they are answered 503 with Retry-After.", example: "256MiB", value: size(&g.InFlightBytes)},
	}
}

func gatewayTLSKeys(g *gateway.Config) []key {
	return []key{
		{name: "listen", meaning: "Its address, in use once cert and key are named; off is none.", example: `"127.0.0.1:8443"`, value: address(&g.ListenTLS)},
		{name: "cert", meaning: "The file of the certificate and what signed it, in PEM form; a relative path begins at the configuration's folder. A file that is replaced serves from the next connection on.", example: "gateway.pem", value: fileName(&g.Cert)},
		{name: "key", meaning: "The file of its unencrypted key, in PEM form.", example: "gateway.key", value: fileName(&g.Key)},
	}
}

// fileName is the name of a file that whoever uses it opens by itself. file:
// before it says no more than the key does.
func fileName(dst *string) value {
	return value{
		kind: kindText,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			at := resolve(n)
			if at.Kind != yaml.ScalarNode || !strings.HasPrefix(at.Value, filePrefix) {
				return text(dst).read(d, n, path)
			}
			named := *at
			named.Value = strings.TrimPrefix(at.Value, filePrefix)
			return text(dst).read(d, &named, path)
		},
		shown: func() any { return unlessEmpty(*dst) },
	}
}

// perSecond is a rate that counts requests in a second; 0 is no limit.
func perSecond(dst *float64) value {
	parse := func(text string) (float64, error) {
		r, err := ParseRate(text)
		return float64(r), err
	}
	return parsed(kindRate, dst, parse, func(r float64) any { return FormatRate(budget.Rate(r)) })
}

func credentials(dst *[]gateway.Credential) value {
	v := sections(dst, credentialKeys)
	v.item.either = []string{"stream", "region"}
	return v
}

func credentialKeys(c *gateway.Credential) []key {
	rule := c.Region
	if rule == nil {
		rule = new(gateway.RegionRule)
	}
	return []key{
		{name: "site_id", meaning: "The user of the Basic authentication.", example: "${SITE_ID}", required: true, live: true, value: text(&c.SiteID)},
		{name: "api_key", meaning: "Its password.", example: "${API_KEY}", required: true, live: true, value: secretText(&c.APIKey)},
		{name: "stream", meaning: "Where the events go. Either this or region.", example: "NAME", live: true, value: text(&c.Stream)},
		{name: "region", meaning: "Picks the stream of each event by a field of its user.", value: optional(&c.Region, rule,
			key{name: "field", meaning: "The field: one of the attributes (data in v1), or of the identifiers.", example: "region", required: true, live: true, value: text(&rule.Field)},
			key{name: "streams", meaning: "What the field may hold, each with a stream. Anything else is refused with 400: there is no default.", example: "{eu: NAME, us: NAME}", required: true, live: true, value: pairs(&rule.Streams)},
		)},
		{name: "rate", meaning: "Requests of this caller at most; above it they are answered 429 with Retry-After.", example: "500/s", live: true, value: perSecond(&c.Rate)},
	}
}

// openKeys are one key for each endpoint without credentials.
func openKeys(g *gateway.Config) []key {
	endpoint := func(name, meaning string) key {
		return key{name: name, meaning: meaning, example: "NAME", live: true, value: value{
			kind: kindText,
			read: func(d *decoder, n *yaml.Node, path string) bool {
				stream, ok := d.scalar(n, path)
				if ok {
					g.Open = maps.Clone(g.Open)
					if g.Open == nil {
						g.Open = map[string]string{}
					}
					g.Open[name] = stream
				}
				return ok
			},
			shown: func() any { return unlessEmpty(g.Open[name]) },
		}}
	}
	return []key{
		endpoint("metrics", "Of POST /api/v1/metrics: what became of deliveries, as applications report it."),
		endpoint("push_events", "Of POST /api/v1/push/events and /push/events, the older form of the same."),
		endpoint("unsubscribe", "Of POST /unsubscribe/DELIVERY."),
	}
}

// gatewayStreams are the streams that g names, each with the path of its key.
func gatewayStreams(g *gateway.Config) map[string]string {
	named := map[string]string{}
	for i, c := range g.Credentials {
		at := "gateway.credentials" + index(i)
		if c.Region == nil {
			named[at+".stream"] = c.Stream
			continue
		}
		for value, stream := range c.Region.Streams {
			named[at+".region.streams."+value] = stream
		}
	}
	for endpoint, stream := range g.Open {
		named["gateway.open."+endpoint] = stream
	}
	for _, w := range g.Webhooks {
		named["gateway.webhooks."+w.Name+".stream"] = w.Stream
	}
	return named
}

// GatewayStreams are the names of the streams that the gateway appends to, each
// once, in the file's order.
func (c Config) GatewayStreams() []string {
	if c.Gateway == nil {
		return nil
	}
	named := slices.Collect(maps.Values(gatewayStreams(c.Gateway)))
	var all []string
	for _, s := range c.Streams {
		if slices.Contains(named, s.Name) {
			all = append(all, s.Name)
		}
	}
	return all
}

// gatewayFits tells whether next can run beside the streams of c: a stream that
// came or went needs a restart, and so does what names it.
func (c Config) gatewayFits(next *gateway.Config) bool {
	for _, name := range gatewayStreams(next) {
		if _, known := c.Stream(name); !known {
			return false
		}
	}
	return true
}

// liveGateway is running with what may change live taken from next.
func liveGateway(running, next *gateway.Config) *gateway.Config {
	merged := *running
	merged.Credentials, merged.Open, merged.Origins = next.Credentials, next.Open, next.Origins
	merged.RatePerAddress = next.RatePerAddress
	merged.Webhooks = slices.Clone(running.Webhooks)
	for i := range merged.Webhooks {
		w := &merged.Webhooks[i]
		for _, n := range next.Webhooks {
			if n.Name == w.Name && n.Scheme == w.Scheme {
				w.Secrets, w.Window = n.Secrets, n.Window
			}
		}
	}
	return &merged
}
