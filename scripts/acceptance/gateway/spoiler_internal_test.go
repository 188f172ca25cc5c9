package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestSpoiler: the first answer never arrives, whether or not the gateway gave
// one, and the second request goes through as it is.
func TestSpoiler(t *testing.T) {
	t.Parallel()
	for _, how := range []spoil{lost, gone} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			var answered atomic.Int64
			arrived := make(chan string, 2)
			target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body) // a cut one is told by what there is
				arrived <- r.Method + " " + r.URL.EscapedPath() + " " + r.Header.Get("X-Retry-Count") + " " + string(body)
				w.Header().Set("Retry-After", "3")
				if _, err := io.WriteString(w, "{}\n"); err == nil {
					answered.Add(1)
				}
			}))
			t.Cleanup(target.Close)
			s, err := newSpoiler(strings.TrimPrefix(target.URL, "http://"), how, "", "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.close(); err != nil {
					t.Error(err)
				}
			})
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			put := func(count string) (*http.Response, error) {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.url+"/a%2Fb", strings.NewReader(`{"x":1}`))
				if err != nil {
					t.Fatal(err)
				}
				// Without it the client itself would retry, as it may.
				req.GetBody = nil
				req.Header.Set("X-Retry-Count", count)
				return client.Do(req)
			}
			if resp, err := put("0"); err == nil {
				_ = resp.Body.Close()
				t.Fatalf("want no answer to the first, have %s", resp.Status)
			}
			resp, err := put("1")
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || string(body) != "{}\n" || resp.Header.Get("Retry-After") != "3" {
				t.Errorf("want the gateway's answer, have %q %v %v", body, resp.Header, err)
			}
			if have := s.requests.Load(); have != 2 {
				t.Errorf("want 2 requests, have %d", have)
			}
			if how == lost {
				if have, want := <-arrived, `PUT /a%2Fb 0 {"x":1}`; have != want {
					t.Errorf("want %s, have %s", want, have)
				}
			}
			want := `PUT /a%2Fb 1 {"x":1}`
			if have := <-arrived; have != want && how == lost {
				t.Errorf("want %s, have %s", want, have)
			}
		})
	}
}
