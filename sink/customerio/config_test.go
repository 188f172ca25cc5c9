package customerio_test

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"sluice/sink/customerio"
)

func good() customerio.Config {
	cfg := customerio.DefaultConfig()
	cfg.Workspace, cfg.Region, cfg.SiteID, cfg.APIKey = "acme", "us", "site", "hunter2"
	return cfg
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*customerio.Config)
		want   string // empty: no fault
	}{
		"us":              {func(*customerio.Config) {}, ""},
		"eu":              {func(c *customerio.Config) { c.Region = "eu" }, ""},
		"no region":       {func(c *customerio.Config) { c.Region = "" }, "region: must be us or eu"},
		"unknown region":  {func(c *customerio.Config) { c.Region = "US" }, `have "US"`},
		"no site":         {func(c *customerio.Config) { c.SiteID = "" }, "site_id:"},
		"site with colon": {func(c *customerio.Config) { c.SiteID = "a:b" }, "site_id:"},
		"no key":          {func(c *customerio.Config) { c.APIKey = "" }, "api_key:"},
		"no items":        {func(c *customerio.Config) { c.MaxBatchItems = 0 }, "max_batch_items:"},
		"many items":      {func(c *customerio.Config) { c.MaxBatchItems = 1001 }, "max_batch_items:"},
		"no time":         {func(c *customerio.Config) { c.HTTP.Attempt = 0 }, "timeout:"},

		"own host":             {func(c *customerio.Config) { c.BaseURL = "https://track.customer.io" }, ""},
		"relay":                {func(c *customerio.Config) { c.BaseURL = "https://relay.acme.example/cio/" }, ""},
		"simulator":            {func(c *customerio.Config) { c.BaseURL = "http://127.0.0.1:8090" }, ""},
		"simulator by name":    {func(c *customerio.Config) { c.BaseURL = "http://localhost:8090" }, ""},
		"simulator by v6":      {func(c *customerio.Config) { c.BaseURL = "http://[::1]:8090" }, ""},
		"http":                 {func(c *customerio.Config) { c.BaseURL = "http://track.customer.io" }, "must be https"},
		"http, allowed":        {func(c *customerio.Config) { c.BaseURL, c.AllowHTTP = "http://simulator:8090", true }, ""},
		"eu from us":           {func(c *customerio.Config) { c.BaseURL = "https://track-eu.customer.io" }, "host of region eu"},
		"eu from us, disguise": {func(c *customerio.Config) { c.BaseURL = "https://TRACK-EU.Customer.IO.:443" }, "host of region eu"},
		"us from eu":           {func(c *customerio.Config) { c.Region, c.BaseURL = "eu", "https://track.customer.io/x" }, "host of region us"},
		"us sdk from eu":       {func(c *customerio.Config) { c.Region, c.BaseURL = "eu", "https://track-sdk.customer.io" }, "host of region us"},
		"with a reason": {func(c *customerio.Config) {
			c.BaseURL, c.AllowCrossRegion = "https://track-eu.customer.io", "moving the account, ticket 12"
		}, ""},
		"credentials":   {func(c *customerio.Config) { c.BaseURL = "https://a:hunter2@relay.example" }, "must not hold credentials"},
		"query":         {func(c *customerio.Config) { c.BaseURL = "https://relay.example/?k=hunter2" }, "must not hold a query"},
		"no scheme":     {func(c *customerio.Config) { c.BaseURL = "relay.example" }, "must be an http or https URL"},
		"other scheme":  {func(c *customerio.Config) { c.BaseURL = "ftp://relay.example" }, "must be an http or https URL"},
		"not a URL":     {func(c *customerio.Config) { c.BaseURL = "https://hunter2:%zz" }, "must be an http or https URL"},
		"several":       {func(c *customerio.Config) { c.Region, c.SiteID = "", "" }, "site_id:"},
		"several again": {func(c *customerio.Config) { c.Region, c.SiteID = "", "" }, "region:"},
	} {
		cfg := good()
		c.change(&cfg)
		err := cfg.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: want %q, have %v", name, c.want, err)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: %q holds a secret", name, err)
		}
		if _, made := customerio.New(cfg, zap.NewNop()); (made == nil) != (err == nil) {
			t.Errorf("%s: valid %v, made %v", name, err, made)
		}
	}
}

// A reason can be one word; a switch is none, however it is spelled.
func TestCrossRegionNeedsAReason(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "host of region eu", "simulator": "", "n/a": "", "yes, the account moves": "",
		"yes": "must say why", "No": "must say why", "TRUE": "must say why", "false": "must say why", "on": "must say why", " off ": "must say why", "  ": "must say why",
	} {
		cfg := good()
		cfg.BaseURL, cfg.AllowCrossRegion = "https://track-eu.customer.io", text
		if err := cfg.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %q, have %v", text, want, err)
		}
	}
}

func TestConfigHidesItsSecret(t *testing.T) {
	t.Parallel()
	cfg := good()
	cfg.BaseURL = "https://user:hunter2@relay.example/path?key=hunter2"
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(form, cfg)
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "https://relay.example/path") {
			t.Errorf("%s prints %s", form, text)
		}
	}
}

func TestNewWarns(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.InfoLevel)
	cfg := good()
	cfg.BaseURL, cfg.AllowHTTP, cfg.AllowCrossRegion = "http://track-eu.customer.io", true, "rehearsing the move"
	s, err := customerio.New(cfg, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	var have []string
	for _, entry := range logs.All() {
		have = append(have, entry.Message)
	}
	want := "[data leaves its region data and credentials travel unencrypted]"
	if fmt.Sprint(have) != want {
		t.Errorf("want %v, have %v", want, have)
	}
}
