package webhook_test

import (
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"sluice/pipeline/event"
	"sluice/sink"
	"sluice/sink/sinktest"
	"sluice/sink/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(tb testing.TB, to sinktest.Target) sink.Sink {
		tb.Helper()
		cfg := webhook.DefaultConfig()
		cfg.URL, cfg.HTTP = to.URL+"/hook?token="+to.Secret, to.HTTP
		cfg.Headers = map[string]string{"Authorization": "Bearer " + to.Secret}
		s, err := webhook.New(cfg, zap.NewNop())
		if err != nil {
			tb.Fatal(err)
		}
		return s
	})
}

// objects is a sink that passes requests through and is still given nothing
// but JSON objects, which the suite takes for granted.
type objects struct{ *webhook.Sink }

func (o objects) Prepare(e *event.Event) {
	if o.Sink.Prepare(e); e.Fault == nil {
		e.PrepareObject()
	}
}

func TestConformanceOfPassThrough(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(tb testing.TB, to sinktest.Target) sink.Sink {
		tb.Helper()
		cfg := webhook.DefaultConfig()
		cfg.URL, cfg.HTTP, cfg.PassThrough = to.URL+"/hook?token="+to.Secret, to.HTTP, true
		cfg.Headers = map[string]string{"Authorization": "Bearer " + to.Secret}
		cfg.Sign.Secret = to.Secret
		s, err := webhook.New(cfg, zap.NewNop())
		if err != nil {
			tb.Fatal(err)
		}
		return objects{s}
	})
}
