package gateway

import (
	"encoding/base64"
	"strings"
	"testing"
)

// FuzzBasicPair: whatever pair a library writes, in either alphabet and with or
// without padding, is read back; and no header makes the reader stumble.
func FuzzBasicPair(f *testing.F) {
	f.Add("site", "key", "Basic c2l0ZTprZXk=")
	f.Add("s~?>o", "k?~>>?~", "basic !")
	f.Add("", "", "Basic")
	f.Fuzz(func(t *testing.T, site, key, header string) {
		_, _ = basicPair(header)
		pair := site + ":" + key
		if len(pair) > 700 {
			return
		}
		for _, alphabet := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
			text := alphabet.EncodeToString([]byte(pair))
			for _, scheme := range []string{"Basic ", "basic ", "BASIC  "} {
				have, ok := basicPair(scheme + text)
				if !ok || string(have) != pair {
					t.Errorf("%q: want %q, have %q, %v", scheme+text, pair, have, ok)
				}
			}
		}
		list := []Credential{{SiteID: strings.ReplaceAll(site, ":", ""), APIKey: key}}
		found := newCredentials(list, nil).find("Basic " + base64.StdEncoding.EncodeToString([]byte(pair)))
		if want := !strings.Contains(site, ":"); (found != nil) != want {
			t.Errorf("%q: want it known: %v", pair, want)
		}
	})
}
