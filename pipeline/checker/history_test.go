package checker_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/pipeline/checker"
)

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestFetch(t *testing.T) {
	t.Parallel()
	const lines = 5000
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/_sim/history" {
			http.NotFound(w, r)
			return
		}
		for i := range lines {
			_, _ = fmt.Fprintf(w, `{"time":1763800000000000%03d,"workspace":"s","user":"ü","id":"x","_seq":2,"_n":%d,"status":200,"attempt":3,"op":"event","effect":true,"name":"new"}`+"\n", i%1000, i+1)
		}
	})
	for _, base := range []string{url, url + "/"} {
		arrivals, err := checker.Fetch(t.Context(), base)
		if err != nil {
			t.Fatal(err)
		}
		// Ranging twice asks twice.
		for range 2 {
			n := 0
			for have, err := range arrivals {
				if err != nil {
					t.Fatal(err)
				}
				want := checker.Arrival{Time: 1763800000000000000 + int64(n%1000), Workspace: "s", User: "ü", ID: "x", Seq: 2, N: int64(n + 1), Status: 200, Attempt: 3, Op: "event", Effect: true}
				if have != want {
					t.Fatalf("line %d:\nhave %+v\nwant %+v", n+1, have, want)
				}
				n++
			}
			if n != lines {
				t.Errorf("have %d arrivals, want %d", n, lines)
			}
		}
		for _, err := range arrivals {
			if err != nil {
				t.Error(err)
			}
			break // leaves the body to the sequence, which closes it
		}
	}
}

func TestFetchFaults(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "localhost:8090", "ftp://x", "http://", "http://[::1"} {
		if _, err := checker.Fetch(t.Context(), base); err == nil {
			t.Errorf("%q: have no error", base)
		}
	}
	cut := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"time":1,"status":200,"attempt":1}` + "\n"))
	})
	missing := serve(t, http.NotFound)
	for base, want := range map[string]string{
		cut:                  "history after line 1: unexpected EOF",
		missing:              "404 Not Found; is this a simulator?",
		"http://127.0.0.1:1": "ask for the history",
	} {
		arrivals, err := checker.Fetch(t.Context(), base)
		if err != nil {
			t.Fatal(err)
		}
		var last error
		for _, last = range arrivals {
		}
		if last == nil || !strings.Contains(last.Error(), want) {
			t.Errorf("%s: have %v, want %q", base, last, want)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		count int
		want  string
	}{
		"empty":       {"", 0, ""},
		"blank lines": {"\n{\"attempt\":1}\n\r\n", 1, ""},
		"no newline":  {`{"attempt":1}`, 1, ""},
		"not JSON":    {"{\"attempt\":1}\n{\"attempt\":\n{}", 1, "history line 2: "},
		"wrong type":  {`{"status":"ok"}`, 0, "history line 1: "},
		"huge":        {"{}\n\"" + strings.Repeat("x", 2<<20), 1, "history line 2: longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			count := 0
			have := ""
			for _, err := range checker.Decode(strings.NewReader(c.text)) {
				if err != nil {
					have = err.Error()
					continue
				}
				count++
			}
			if count != c.count || !strings.HasPrefix(have, c.want) || (c.want == "") != (have == "") {
				t.Errorf("have %d arrivals and %q, want %d and %q", count, have, c.count, c.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"time":1,"user":"u","_seq":1,"_n":1,"status":200,"attempt":1,"effect":true}`))
	f.Add([]byte("{\"_n\":-5,\"attempt\":1}\n{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		input := []checker.Expected{{N: 1, User: "u", ID: "i"}, {N: 2, User: "u"}, {N: 9, User: "v"}}
		report, err := checker.Check(each(input), checker.Decode(strings.NewReader(string(text))), checker.Extra{})
		if err == nil && report.Read != report.Delivered+report.Lost {
			t.Errorf("have %+v, want read = delivered + lost", report)
		}
	})
}
