package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"math"
	"net/http"
	"strings"

	"golang.org/x/time/rate"
)

// caller is whom a request comes from, and where its events go.
type caller struct {
	siteID string   // empty without credentials
	stream Stream   // of every event, unless region picks
	region *regions // nil: stream takes everything
	limit  *rate.Limiter
}

// credentials are all that let callers in.
type credentials struct {
	digests [][sha256.Size]byte // of SITE:KEY, so that all are compared at one length
	callers []*caller
}

func newCredentials(list []Credential, streams map[string]Stream) *credentials {
	c := &credentials{}
	for _, cred := range list {
		c.digests = append(c.digests, sha256.Sum256([]byte(cred.SiteID+":"+cred.APIKey)))
		c.callers = append(c.callers, &caller{
			siteID: cred.SiteID, stream: streams[cred.Stream], region: newRegions(cred.Region, streams), limit: limiter(cred.Rate),
		})
	}
	return c
}

// limiter lets through perSecond requests, and as many at once; nil is no limit.
func limiter(perSecond float64) *rate.Limiter {
	if perSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), int(max(1, math.Ceil(perSecond))))
}

// find returns the caller whom an Authorization header names. It takes as long
// whichever credential fits, and whichever half of none does; nil is nobody.
func (c *credentials) find(header string) *caller {
	pair, ok := basicPair(header)
	if !ok {
		return nil
	}
	digest := sha256.Sum256(pair)
	found := -1
	for i := range c.digests {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(c.digests[i][:], digest[:]), i, found)
	}
	if found < 0 {
		return nil
	}
	return c.callers[found]
}

const (
	basicScheme = "basic "
	// maxBasic bounds what is decoded of a header; credentials have 40 characters.
	maxBasic = 1 << 10
)

// basicPair is the "user:password" of an Authorization header. Client libraries
// write it in base64's standard and in its URL alphabet, padded or not.
func basicPair(header string) ([]byte, bool) {
	if len(header) < len(basicScheme) || len(header) > maxBasic || !strings.EqualFold(header[:len(basicScheme)], basicScheme) {
		return nil, false
	}
	text := []byte(strings.TrimRight(strings.TrimSpace(header[len(basicScheme):]), "="))
	for i, b := range text {
		switch b {
		case '-':
			text[i] = '+'
		case '_':
			text[i] = '/'
		case '\r', '\n': // which the decoder would skip
			return nil, false
		}
	}
	n, err := base64.RawStdEncoding.Decode(text, text)
	return text[:n], err == nil
}

// admit says who calls and whether there is room in their rate.
func (x *exchange) admit(e *endpoint) (*caller, reply) {
	who := x.access.credentials.find(x.r.Header.Get("Authorization"))
	switch {
	case e.open:
		return x.admitOpen(e, who)
	case who == nil:
		return nil, metaError(http.StatusUnauthorized, "Unauthorized request")
	default:
		return who, limited(who.limit, x.started)
	}
}

// admitOpen admits to an endpoint that asks for no credentials. Good ones
// choose the stream all the same: libraries send them to every endpoint, and
// the stream that is named may be another region's.
func (x *exchange) admitOpen(e *endpoint, who *caller) (*caller, reply) {
	anybody := x.access.open[e.name]
	switch {
	case anybody == nil:
		return nil, nowhere("")
	case who != nil && who.region == nil:
		return who, limited(who.limit, x.started)
	default:
		return anybody, limited(x.access.addresses.of(x.r.RemoteAddr), x.started)
	}
}
