package customerio_test

import (
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"sluice/sink"
	"sluice/sink/customerio"
	"sluice/sink/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(tb testing.TB, to sinktest.Target) sink.Sink {
		tb.Helper()
		cfg := customerio.DefaultConfig()
		cfg.Workspace, cfg.Region, cfg.SiteID, cfg.APIKey = "acme", "us", "site", to.Secret
		cfg.BaseURL, cfg.HTTP = to.URL, to.HTTP
		s, err := customerio.New(cfg, zap.NewNop())
		if err != nil {
			tb.Fatal(err)
		}
		return s
	})
}
