//go:build integration

package gateway_test

import (
	"bytes"
	"testing"

	"sluice/scripts/acceptance/gateway"
	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// TestClientLibraries plays every method of the official libraries at a gateway
// in front of a Kafka of the test's own, which goes away in the middle.
func TestClientLibraries(t *testing.T) {
	t.Parallel()
	r, err := rig.New("../../..", "integration-gateway", false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	var out bytes.Buffer
	totals, err := suite.Run(t.Context(), gateway.Suite(r), suite.Options{Only: []string{"node", "python", "libraries-away"}, Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + out.String())
	if totals.Failed > 0 {
		t.Errorf("%d checks of the libraries failed", totals.Failed)
	}
	if totals.Skipped > 0 {
		t.Skipf("%d checks of the libraries cannot be done here", totals.Skipped)
	}
}
