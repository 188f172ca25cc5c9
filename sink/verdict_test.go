package sink_test

import (
	"errors"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"sluice/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestVerdicts(t *testing.T) {
	t.Parallel()
	want := []string{"delivered", "throttled", "unavailable", "refused", "rejected", "interrupted"}
	have := sink.Verdicts()
	if len(have) != len(want) {
		t.Fatalf("want %d verdicts, have %d", len(want), len(have))
	}
	for i, verdict := range have {
		if verdict.String() != want[i] {
			t.Errorf("verdict %d: want %q, have %q", i, want[i], verdict)
		}
	}
	if have := sink.Verdict(0).String() + sink.Verdict(99).String(); have != "nonenone" {
		t.Errorf("outside the set: %q", have)
	}
}

// The statuses from 200 to 599 are in the conformance suite.
func TestClassify(t *testing.T) {
	t.Parallel()
	stopped, timeout := &sink.Error{Cause: sink.CauseStopped}, &sink.Error{Cause: sink.CauseTimeout}
	cut, blocked := &sink.Error{Cause: sink.CauseCut}, &sink.Error{Cause: sink.CauseBlocked}
	for _, c := range []struct {
		status int
		err    error
		want   sink.Verdict
	}{
		{0, nil, sink.Unavailable},
		{0, stopped, sink.Interrupted},
		{0, fmt.Errorf("deliver: %w", stopped), sink.Interrupted},
		{0, timeout, sink.Unavailable},
		{0, cut, sink.Unavailable},
		{0, &sink.Error{Cause: sink.CauseLookup}, sink.Unavailable},
		{0, &sink.Error{Cause: sink.CauseTLS}, sink.Unavailable},
		{0, &sink.Error{Cause: sink.CauseConnect}, sink.Unavailable},
		{0, blocked, sink.Rejected},
		{0, errors.New("anything"), sink.Unavailable},
		{200, cut, sink.Unavailable},
		{200, stopped, sink.Interrupted},
		{204, timeout, sink.Unavailable},
		{400, cut, sink.Rejected},
		{401, timeout, sink.Refused},
		{429, cut, sink.Throttled},
		{101, nil, sink.Refused},
		{600, nil, sink.Unavailable},
		{999, nil, sink.Unavailable},
	} {
		if have := sink.Classify(c.status, c.err); have != c.want {
			t.Errorf("Classify(%d, %v): want %v, have %v", c.status, c.err, c.want, have)
		}
	}
}
