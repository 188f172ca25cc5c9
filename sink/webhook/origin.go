package webhook

import "net/url"

// Origin is the part of the URL that is no secret and the same for every
// event: scheme and host. It is nil when each event's data makes the host.
func (c Config) Origin() (*url.URL, error) {
	target, err := parseTarget(c.URL)
	if err != nil {
		return nil, err
	}
	switch {
	case target.fixed != nil:
		return &url.URL{Scheme: target.fixed.Scheme, Host: target.fixed.Host}, nil
	case target.anyHost:
		return nil, nil //nolint:nilnil // there is none
	}
	return parseURL(target.origin)
}
