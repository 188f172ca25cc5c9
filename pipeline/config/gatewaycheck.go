package config

import (
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sluice/pipeline/gateway"
)

// checkGateway judges the gateway: by its own rules, and against the streams
// that it names.
func (d *decoder) checkGateway(cfg Config) {
	g := *cfg.Gateway
	d.checkDoor(g)
	g.Credentials = d.checkCallers(g.Credentials)
	// The rest is judged beside it, once.
	g.Listen, g.Cert, g.Key, g.Webhooks = ":0", "", "", nil
	d.adopt(g.Validate(), "gateway")
	named := gatewayStreams(cfg.Gateway)
	for _, path := range slices.Sorted(maps.Keys(named)) {
		d.checkDestination(cfg, path, named[path])
	}
	d.checkRules(cfg)
	for _, w := range cfg.Gateway.Webhooks {
		d.checkHook(cfg, w)
	}
}

// checkDoor judges where the gateway listens, and whether anybody may come in.
func (d *decoder) checkDoor(g gateway.Config) {
	switch {
	case g.Cert == "" && g.Key == "":
		if d.has("gateway.tls") {
			d.faultAt("gateway.tls", "names no certificate", "add cert: FILE and key: FILE, or remove it")
		}
	case g.Cert == "":
		d.faultAt("gateway.tls.cert", "is missing: key needs it", "add cert: FILE")
	case g.Key == "":
		d.faultAt("gateway.tls.key", "is missing: cert needs it", "add key: FILE")
	default:
		d.checkCertificate(g)
	}
	if g.Listen == "" && (g.ListenTLS == "" || g.Cert == "") {
		d.faultAt("gateway.listen", "is off, and nothing listens with TLS either", "write it as :8080, or add tls: {cert: FILE, key: FILE}")
	}
	misread := slices.ContainsFunc(d.faults.List[:d.misread], func(f Fault) bool { return strings.HasPrefix(f.Path, "gateway.") })
	if len(g.Credentials)+len(g.Open)+len(g.Webhooks) == 0 && !misread {
		d.faultAt("gateway", "lets nobody in", "add "+strings.Trim(gatewayExample, "{}"))
	}
}

// checkCertificate reads the files as the gateway will.
func (d *decoder) checkCertificate(g gateway.Config) {
	var pem [2][]byte
	for i, file := range [...]struct{ key, name string }{{"cert", g.Cert}, {"key", g.Key}} {
		text, err := fileText(d.read, file.name)
		if err != nil {
			what, _, _ := strings.Cut(err.Error(), "; ")
			d.faultAt("gateway.tls."+file.key, what, "name a file in PEM form that this process may read")
			return
		}
		pem[i] = []byte(text)
	}
	if _, err := tls.X509KeyPair(pem[0], pem[1]); err != nil {
		d.faultAt("gateway.tls", "cert and key do not make a pair: "+strings.TrimPrefix(err.Error(), "tls: "), "name the certificate, those that signed it after it, and its unencrypted key, all in PEM form")
	}
}

// checkCallers refuses a site id that stands twice, and returns the credentials
// as if none did.
func (d *decoder) checkCallers(all []gateway.Credential) []gateway.Credential {
	all = slices.Clone(all)
	first := map[string]int{}
	for i, c := range all {
		before, twice := first[c.SiteID]
		if c.SiteID == "" || !twice {
			first[c.SiteID] = i
			continue
		}
		path := "gateway.credentials" + index(i) + ".site_id"
		d.faultAt(path, fmt.Sprintf("stands in item %d already", before), "keep one of the two; a region rule sends one caller's users to several streams")
		all[i].SiteID += "#" + strconv.Itoa(i)
	}
	return all
}

// checkDestination refuses a stream that is not there.
func (d *decoder) checkDestination(cfg Config, path, name string) {
	if _, known := cfg.Stream(name); known || name == "" {
		return
	}
	var streams []string
	for _, s := range cfg.Streams {
		streams = append(streams, s.Name)
	}
	remedy := "add it under streams"
	if word, ok := nearest(name, streams); ok {
		remedy = "write " + word
	} else if len(streams) > 0 {
		remedy += ", or name one of " + strings.Join(streams, ", ")
	}
	d.faultAt(path, "no stream is named "+strconv.Quote(name), remedy)
}

// checkRules refuses a region rule that sends people of a region to another
// one.
func (d *decoder) checkRules(cfg Config) {
	for i, c := range cfg.Gateway.Credentials {
		if c.Region == nil {
			continue
		}
		for _, value := range slices.Sorted(maps.Keys(c.Region.Streams)) {
			said := strings.ToLower(value)
			s, known := cfg.Stream(c.Region.Streams[value])
			if !known || !slices.Contains(regions(), said) {
				continue
			}
			for _, in := range cfg.regionsOf(s) {
				if in != said {
					path := fmt.Sprintf("gateway.credentials[%d].region.streams.%s", i, value)
					d.faultAt(path, fmt.Sprintf("users who say %s would go to stream %s, which is in %s", value, s.Name, in), "name a stream in "+said)
					break
				}
			}
		}
	}
}

// regionsOf are the regions where a stream's events come to lie, each once.
func (c Config) regionsOf(s Stream) []string {
	var all []string
	if s.Residency != "" {
		all = append(all, s.Residency)
	}
	for _, r := range s.Routes {
		if w, ok := c.Workspace(r.Workspace); ok && w.Region != "" && !slices.Contains(all, w.Region) {
			all = append(all, w.Region)
		}
	}
	return all
}

// StreamRegion is the region of all workspaces of a stream; empty when they
// name none, or several.
func (c Config) StreamRegion(s Stream) string {
	if all := c.regionsOf(s); len(all) == 1 {
		return all[0]
	}
	return ""
}

// checkHook judges one webhook by its own rules, and whether what it brings
// can be delivered at all.
func (d *decoder) checkHook(cfg Config, w gateway.Webhook) {
	path := "gateway.webhooks." + w.Name
	d.adopt(w.Validate(), path)
	s, known := cfg.Stream(w.Stream)
	reports := w.Scheme == gateway.SchemeCustomerio || w.Scheme == gateway.SchemeCustomerioAction
	if !known || !reports {
		return
	}
	for _, r := range s.Routes {
		if to, ok := cfg.Workspace(r.Workspace); ok && to.Kind == Customerio {
			d.faultAt(path+".stream", fmt.Sprintf("workspace %s is Customer.io's Track API, which takes no such webhook", to.Name), "name a stream into a workspace with sink: webhook")
			return
		}
	}
}
