package main

import (
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		status int
		body   string
		code   int
		want   string
	}{
		{"ready", http.StatusOK, `"ok"`, exitDone, "is ready"},
		{"not ready", http.StatusServiceUnavailable, `"not in the group yet"`, exitFailed, "not ready: not in the group yet"},
		{
			"nothing can be set aside", http.StatusServiceUnavailable, `"workspace shop: events wait\nnothing is lost\ndo this"`, exitFailed,
			"not ready: workspace shop: events wait\n  nothing is lost\n  do this\n",
		},
		{"something else listens", http.StatusNotFound, "404 page not found", exitFailed, "404 page not found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var path string
			member := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				path = r.URL.Path
				rw.WriteHeader(tc.status)
				_, _ = rw.Write([]byte(tc.body))
			}))
			defer member.Close()
			address := strings.TrimPrefix(member.URL, "http://")
			config := healthConfig(t, address)
			o := sluice(t, "", "health", "-c", config)
			if o.code != tc.code || !strings.Contains(o.out, tc.want) || path != "/readyz" {
				t.Errorf("want exit %d and %q from /readyz, have %d from %s\n%s%s", tc.code, tc.want, o.code, path, o.out, o.err)
			}
			var have readiness
			o = sluice(t, "", "health", "-c", config, "-o", "json")
			if o.last(t, &have); have.Ready != (tc.code == exitDone) || have.Address != address {
				t.Errorf("have %v", have)
			}
		})
	}
	member := httptest.NewServer(nil)
	member.Close()
	if o := sluice(t, "", "health", "-c", healthConfig(t, strings.TrimPrefix(member.URL, "http://"))); o.code != exitFailed {
		t.Errorf("nobody there: want exit 1, have %d %s", o.code, o.out)
	}
	if o := sluice(t, "", "health", "-c", healthConfig(t, "off")); o.code != exitUsage || !strings.Contains(o.err, "listen.metrics") {
		t.Errorf("probes off: want exit 2 and the key, have %d %s", o.code, o.err)
	}
	if o := sluice(t, "", "health", "--timeout", "0s"); o.code != exitUsage {
		t.Errorf("no time: want exit 2, have %d", o.code)
	}
}

func healthConfig(t *testing.T, metrics string) string {
	t.Helper()
	return write(t, "sluice.yaml", `listen: {metrics: "`+metrics+`", actions: off}
workspaces: {hook: {sink: webhook, url: "https://hooks.example.com/in"}}
streams: {hooked: {workspace: hook}}
`)
}

func TestHealthReachesEveryAddressFromHere(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		":9090": "127.0.0.1:9090", "0.0.0.0:9090": "127.0.0.1:9090", "[::]:9090": "[::1]:9090",
		"10.0.0.7:9090": "10.0.0.7:9090", "localhost:9090": "localhost:9090",
	} {
		if have := fromHere(listen); have != want {
			t.Errorf("%s: want %s, have %s", listen, want, have)
		}
	}
}

func TestVersionIsReadFromEveryKindOfBuild(t *testing.T) {
	t.Parallel()
	settings := []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.time", Value: "2026-11-22T18:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}
	client := []*debug.Module{{Path: "github.com/twmb/franz-go", Version: "v1.22.2"}, {Path: "github.com/twmb/franz-go/pkg/kadm", Version: "v1.19.0"}}
	for _, tc := range []struct {
		name    string
		info    *debug.BuildInfo
		stamped build
		want    build
	}{
		{
			"go build at a tag, changed", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3+dirty"}, Settings: settings, Deps: client},
			build{},
			build{Version: "v1.2.3+dirty", Commit: "0123456789abcdef", Modified: true, Date: "2026-11-22T18:00:00Z", KafkaClient: "github.com/twmb/franz-go v1.22.2"},
		},
		{
			"go install of a commit", &debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-20261122180102-01f206a7e32c"}},
			build{},
			build{Version: "v0.0.0-20261122180102-01f206a7e32c", Commit: "01f206a7e32c", Date: "2026-11-22T18:01:02Z"},
		},
		{
			"go install of a commit after a tag", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.4-0.20261122180102-01f206a7e32c"}},
			build{},
			build{Version: "v1.2.4-0.20261122180102-01f206a7e32c", Commit: "01f206a7e32c", Date: "2026-11-22T18:01:02Z"},
		},
		{"go install of a tag", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, build{}, build{Version: "v1.2.3"}},
		{"without history", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, build{}, build{Version: "devel"}},
		{
			"container", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}},
			build{Version: "v1.2.3", Commit: "abc", Date: "2026-11-22"},
			build{Version: "v1.2.3", Commit: "abc", Date: "2026-11-22"},
		},
		{"without modules", nil, build{}, build{Version: "unknown"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			have := describe(tc.info, tc.stamped)
			if have.Go == "" || !strings.Contains(have.Platform, "/") {
				t.Errorf("want the Go release and the platform, have %v", have)
			}
			have.Go, have.Platform = "", ""
			if have != tc.want {
				t.Errorf("want %+v\nhave %+v", tc.want, have)
			}
		})
	}
}
