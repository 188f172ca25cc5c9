package webhook

import (
	"strings"
	"testing"
)

// Whatever an event fills into a URL stays the one segment and the one value
// that it was put in for, or makes no URL at all.
func FuzzTarget(f *testing.F) {
	for _, value := range []string{"", ".", "..", "a", "a/b", "../x", "%2e%2e", "@evil.example", "a?b#c", "\\", "\x00\r\n", "é", "\xff", "+ &=;"} {
		f.Add(value)
	}
	to, err := parseTarget("https://a.example:8443/x/{{.Event.v}}/y?q={{.Event.v}}&r=1")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		u, err := to.of(&Fields{Event: map[string]any{"v": value}})
		if err != nil {
			if value != "" && value != "." && value != ".." {
				t.Fatalf("%q: %v", value, err)
			}
			return
		}
		query := u.Query()
		segments := strings.Split(u.EscapedPath(), "/")
		if u.Scheme != "https" || u.Host != "a.example:8443" || u.User != nil || len(segments) != 4 ||
			u.Path != "/x/"+value+"/y" || query.Get("q") != value || query.Get("r") != "1" || len(query) != 2 {
			t.Fatalf("%q makes %v", value, u)
		}
	})
}
