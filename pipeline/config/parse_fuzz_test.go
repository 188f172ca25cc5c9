package config_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/pipeline/config"
)

// FuzzParse: no file makes Parse fail other than by faults, each of them one
// line; and what the environment holds is never shown.
func FuzzParse(f *testing.F) {
	f.Add(smallest)
	for _, wrong := range wrongFiles() {
		f.Add(wrong.file)
	}
	if sample, err := os.ReadFile("../../deploy/sluice.example.yaml"); err == nil {
		f.Add(string(sample))
	}
	f.Add(doorHead + everyDoorKey)
	f.Add(ruled(everyRule, ", order: class"))
	f.Add("a: &a {b: *a}\n<<: *a\n")
	const hidden = "QZXJ-hidden-QZXJ"
	lookup := func(string) (string, bool) { return hidden, true }
	read := func(string) ([]byte, error) { return []byte(hidden + "\n"), nil }
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "QZXJ") {
			t.Skip("the text holds the secret by itself")
		}
		_, err := config.Parse(strings.NewReader(text), lookup, read)
		if err == nil {
			return
		}
		faults, ok := errors.AsType[*config.Error](err)
		if !ok || len(faults.List) == 0 {
			t.Fatalf("want faults, have %v", err)
		}
		if have := err.Error(); strings.Contains(have, hidden) {
			t.Errorf("a secret is shown: %s", have)
		}
		for _, fault := range faults.List {
			if fault.What == "" || utf8.ValidString(text) && strings.Contains(fault.What+fault.Remedy+fault.Path, "\n") {
				t.Errorf("want one line that says something, have %+v", fault)
			}
		}
	})
}
