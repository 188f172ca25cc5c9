package simulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

const (
	regionUS = "us"
	regionEU = "eu"
)

func isRegion(name string) bool { return name == regionUS || name == regionEU }

// Key is one pair of Track API credentials. They belong to one workspace,
// which the site ID names.
type Key struct {
	Site, Secret string
	Region       string // where the account lives; empty: where the simulator plays
}

// ParseKey reads "SITE:KEY", or "SITE:KEY@eu" for an account of a region. Its
// error does not repeat the secret.
func ParseKey(text string) (Key, error) {
	site, secret, _ := strings.Cut(text, ":")
	key := Key{Site: site, Secret: secret}
	for _, region := range []string{regionUS, regionEU} {
		if cut, found := strings.CutSuffix(secret, "@"+region); found {
			key.Secret, key.Region = cut, region
		}
	}
	if key.Site == "" || key.Secret == "" {
		return Key{}, errors.New("key: must be SITE:KEY, or SITE:KEY@us or SITE:KEY@eu")
	}
	return key, nil
}

// basicAuth reads an Authorization header. Client libraries encode it in the
// standard and in the URL-safe alphabet, with padding and without.
func basicAuth(header string) (site, secret string, ok bool) {
	const scheme = "basic "
	if len(header) < len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return "", "", false
	}
	text := strings.TrimRight(strings.TrimSpace(header[len(scheme):]), "=")
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	pair, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(pair), ":")
}

// access is what credentials are good for.
type access uint8

const (
	refused   access = iota // 401
	elsewhere               // the account lives in the other region: 301
	granted
)

// access judges the credentials of a request, in constant time for each key.
// The caller holds mu.
func (s *Simulator) access(site, secret string) access {
	if site == "" || secret == "" {
		return refused
	}
	if len(s.keys) == 0 {
		return granted
	}
	verdict := refused
	for _, key := range s.keys {
		fits := subtle.ConstantTimeCompare([]byte(key.Site), []byte(site)) &
			subtle.ConstantTimeCompare([]byte(key.Secret), []byte(secret))
		if fits == 1 && verdict != granted {
			verdict = granted
			if key.Region != "" && key.Region != s.region {
				verdict = elsewhere
			}
		}
	}
	return verdict
}

// homeOf returns the region of a site's account. The caller holds mu.
func (s *Simulator) homeOf(site string) string {
	for _, key := range s.keys {
		if key.Site == site && key.Region != "" {
			return key.Region
		}
	}
	return s.region
}

// trackHost is the public base URL of the Track API in a region.
func trackHost(region string) string {
	if region == regionEU {
		return "https://track-eu.customer.io"
	}
	return "https://track.customer.io"
}

// environmentOf is a number that is always the same for a site.
func environmentOf(site string) uint32 {
	sum := sha256.Sum256([]byte(site))
	return binary.BigEndian.Uint32(sum[:4]) % 900_000
}
