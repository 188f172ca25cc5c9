package simulator

import (
	"net/http"
	"net/url"
	"strings"
)

// shape is how an endpoint words its answers.
type shape uint8

const (
	shapeV1     shape = iota // {"meta":{"errors":[…]}}
	shapeMerge               // {"meta":{"error":…}}
	shapeEntity              // {"errors":[…]}
	shapeBatch               // the same, and 207 for some of many
	shapeForm                // 204, and v1's errors
	shapeRegion              // where the account lives
)

// endpoint is one method and path of the Track API.
type endpoint struct {
	method   string
	segments []string // of the escaped path; {} stands for any but an empty one
	open     bool     // needs no credentials
	shape    shape
	decode   func(*request) // fills the request's calls, or its flaw
}

// endpoints lists the Track API, v2 first because it is asked most.
func endpoints() []endpoint {
	customer := func(method, rest string, decode func(*request)) endpoint {
		return route(method, "/api/v1/customers/{}"+rest, shapeV1, decode)
	}
	anyone := func(path string, decode func(*request)) endpoint {
		e := route(http.MethodPost, path, shapeV1, decode)
		e.open = true
		return e
	}
	return []endpoint{
		route(http.MethodPost, "/api/v2/batch", shapeBatch, decodeBatch),
		route(http.MethodPost, "/api/v2/entity", shapeEntity, decodeEntity),
		customer(http.MethodPost, "/events", decodeEvent),
		customer(http.MethodPut, "", decodeIdentify),
		customer(http.MethodDelete, "", decodeDelete),
		customer(http.MethodPut, "/devices", decodeAddDevice),
		customer(http.MethodDelete, "/devices/{}", decodeDeleteDevice),
		customer(http.MethodPost, "/suppress", decodeSuppress),
		customer(http.MethodPost, "/unsuppress", decodeUnsuppress),
		route(http.MethodPost, "/api/v1/events", shapeV1, decodeAnonymousEvent),
		route(http.MethodPost, "/api/v1/merge_customers", shapeMerge, decodeMerge),
		route(http.MethodPost, "/api/v1/forms/{}/submit", shapeForm, decodeForm),
		route(http.MethodPost, "/api/v1/segments/{}/add_customers", shapeV1, decodeSegmentAdd),
		route(http.MethodPost, "/api/v1/segments/{}/remove_customers", shapeV1, decodeSegmentRemove),
		anyone("/api/v1/push/events", decodePush),
		anyone("/push/events", decodePush),
		anyone("/api/v1/metrics", decodeMetric),
		anyone("/unsubscribe/{}", decodeUnsubscribe),
		route(http.MethodGet, "/api/v1/accounts/region", shapeRegion, func(*request) {}),
	}
}

func route(method, path string, form shape, decode func(*request)) endpoint {
	return endpoint{method: method, segments: strings.Split(path, "/")[1:], shape: form, decode: decode}
}

// find returns the endpoint of a method and an escaped path, with the
// unescaped parts of the path that vary. Paths are never cleaned and never
// redirected. Without an endpoint the status is 404 or 405.
func find(table []endpoint, method, path string) (found *endpoint, args []string, status int) {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	status = http.StatusNotFound
	for i := range table {
		if !table[i].fits(segments) {
			continue
		}
		if table[i].method != method {
			status = http.StatusMethodNotAllowed
			continue
		}
		for j, pattern := range table[i].segments {
			if pattern != "{}" {
				continue
			}
			arg, err := url.PathUnescape(segments[j])
			if err != nil {
				return nil, nil, http.StatusNotFound
			}
			args = append(args, arg)
		}
		return &table[i], args, http.StatusOK
	}
	return nil, nil, status
}

func (e *endpoint) fits(segments []string) bool {
	if len(segments) != len(e.segments) {
		return false
	}
	for i, pattern := range e.segments {
		if pattern != segments[i] && (pattern != "{}" || segments[i] == "") {
			return false
		}
	}
	return true
}
