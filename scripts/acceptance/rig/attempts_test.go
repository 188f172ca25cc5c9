package rig_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/scripts/acceptance/rig"
)

func TestReadAttempts(t *testing.T) {
	t.Parallel()
	const log = `{"level":"info","ts":"2026-11-22T20:00:00.000Z","msg":"listening","what":"actions"}
{"level":"debug","ts":"2026-11-22T20:00:01.000Z","logger":"pipeline","msg":"attempt","workspace":"shop","events":3,"verdict":"delivered","status":200,"sent":1790000000000000001,"took":0.0205}
{"level":"debug","ts":"2026-11-22T20:00:01.000Z","logger":"pipeline","msg":"attempt","workspace":"den","events":1,"verdict":"throttled","status":429,"sent":1790000000000000002,"took":0.001}
{"level":"warn","ts":"2026-11-22T20:00:01.000Z","msg":"no attempt was made","what":"attempt","sent":5}
panic: attempt of something
{"level":"debug","msg":"attempt","workspace":"shop","events":1,"verdict":"unavai`
	have, err := rig.ReadAttempts(strings.NewReader(log))
	want := []rig.Attempt{
		{"shop", 3, "delivered", 200, time.Unix(0, 1790000000000000001), 20500 * time.Microsecond},
		{"den", 1, "throttled", 429, time.Unix(0, 1790000000000000002), time.Millisecond},
	}
	if err != nil || !slices.Equal(have, want) {
		t.Errorf("want %v, have %v, %v", want, have, err)
	}
}

// FuzzReadAttempts: whatever a killed process left behind, reading ends without
// an error, and every attempt that was read has a time.
func FuzzReadAttempts(f *testing.F) {
	f.Add("{\"msg\":\"attempt\",\"sent\":1,\"took\":0.1}\n")
	f.Add("\x00\xff\n\n{\"msg\":\"attempt\"")
	f.Fuzz(func(t *testing.T, log string) {
		attempts, err := rig.ReadAttempts(strings.NewReader(log))
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range attempts {
			if a.Sent.UnixNano() <= 0 {
				t.Errorf("want a time, have %v", a.Sent)
			}
		}
		if most := strings.Count(log, "attempt"); len(attempts) > most {
			t.Errorf("want at most %d attempts, have %d", most, len(attempts))
		}
	})
}
