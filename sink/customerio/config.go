package customerio

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"sluice/sink"
)

const (
	hostUS = "https://track.customer.io"
	hostEU = "https://track-eu.customer.io"

	// mostItems is what integrators cap a batch at; the API publishes no count.
	mostItems = 1000
)

// Config says which workspace of Customer.io is written to.
type Config struct {
	Workspace string // the name in logs and faults
	Region    string // us or eu: where the account's data must stay
	SiteID    string
	APIKey    string // secret

	// BaseURL replaces the region's host, for a simulator or a relay. It must
	// be https unless its host is this machine or AllowHTTP is set.
	BaseURL string
	// AllowHTTP lets people's data and the API key travel unencrypted to a
	// BaseURL that is not this machine.
	AllowHTTP bool
	// AllowCrossRegion is a written reason why BaseURL may be a host of the
	// other region: any text that is more than a bare yes or no.
	AllowCrossRegion string

	MaxBatchItems int // events in one request at most
	HTTP          sink.HTTPConfig
}

// DefaultConfig is the only place of defaults. Region, SiteID and APIKey have
// none. 100 items is what Customer.io's own integration settled on.
func DefaultConfig() Config {
	return Config{MaxBatchItems: 100, HTTP: sink.DefaultHTTPConfig()}
}

// String leaves the secret out, so that no %v prints it.
func (c Config) String() string {
	return fmt.Sprintf("customerio{workspace: %s, region: %s, base_url: %s}", c.Workspace, c.Region, redactedURL(c.BaseURL))
}

// GoString is String, for %#v.
func (c Config) GoString() string { return c.String() }

// Validate returns every fault, joined, each with its path and none with a
// secret.
func (c Config) Validate() error {
	var faults []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	must(c.Region == "us" || c.Region == "eu", "region: must be us or eu, have %q", c.Region)
	must(c.SiteID != "" && !strings.Contains(c.SiteID, ":"), "site_id: must not be empty nor hold a colon")
	must(c.APIKey != "", "api_key: must not be empty")
	must(c.MaxBatchItems >= 1 && c.MaxBatchItems <= mostItems, "max_batch_items: must be 1 to %d, have %d", mostItems, c.MaxBatchItems)
	reason := isReason(c.AllowCrossRegion)
	must(c.AllowCrossRegion == "" || reason, "allow_cross_region: must say why, not only yes or no, have %q", c.AllowCrossRegion)
	if base, err := c.base(); err != nil {
		faults = append(faults, err)
	} else {
		must(base.Scheme == "https" || c.AllowHTTP || loopback(base.Hostname()),
			"base_url: must be https unless the host is this machine (or allow_http is set), have http to %s", base.Host)
		region := regionOf(base.Hostname())
		must(region == "" || region == c.Region || reason,
			"base_url: %s is a host of region %s, the workspace is in %s; leave it out, or give the reason in allow_cross_region", base.Host, region, c.Region)
	}
	if err := c.HTTP.Validate(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// isReason tells whether text says why, which a bare switch does not.
func isReason(text string) bool {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "", "yes", "no", "true", "false", "on", "off":
		return false
	}
	return true
}

// base is the URL that paths are appended to, without a trailing slash.
func (c Config) base() (*url.URL, error) {
	raw := c.BaseURL
	switch {
	case raw != "":
	case c.Region == "eu":
		raw = hostEU
	default:
		raw = hostUS
	}
	base, err := url.Parse(raw)
	switch {
	case err != nil, base.Host == "", base.Scheme != "https" && base.Scheme != "http":
		return nil, errors.New("base_url: must be an http or https URL")
	case base.User != nil:
		return nil, errors.New("base_url: must not hold credentials (they are site_id and api_key)")
	case base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return nil, errors.New("base_url: must not hold a query or a fragment")
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawPath = strings.TrimRight(base.RawPath, "/")
	return base, nil
}

// regionOf tells whose host it is, "" for hosts that are not Customer.io's.
func regionOf(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	label, ok := strings.CutSuffix(host, ".customer.io")
	switch {
	case !ok:
		return ""
	case strings.HasSuffix(label, "-eu"):
		return "eu"
	}
	return "us"
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && addr.IsLoopback())
}

// redactedURL keeps scheme, host and path only.
func redactedURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable)"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
