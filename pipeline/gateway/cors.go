package gateway

import (
	"net/http"
	"slices"
)

// cors are the origins whose pages may call; none by default.
type cors []string

// preflight adds the headers that a browser asks for, and answers a preflight
// request. It reports whether it has answered.
func (c cors) preflight(x *exchange) bool {
	if len(c) == 0 {
		return false
	}
	h := x.w.Header()
	h.Add("Vary", "Origin")
	origin := x.r.Header.Get("Origin")
	if origin == "" || !slices.Contains(c, origin) && !slices.Contains(c, "*") {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Retry-After, X-Request-Id")
	if x.r.Method != http.MethodOptions || x.r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Content-Encoding, X-Request-Id, X-Retry-Count")
	h.Set("Access-Control-Max-Age", "600")
	x.answer(reply{status: http.StatusNoContent})
	return true
}
