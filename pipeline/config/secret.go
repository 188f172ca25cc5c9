package config

import "strings"

const redacted = "[redacted]"

// Secret is a value that must not be seen: every way of printing it shows a
// placeholder. Reveal is the one way to the text itself.
type Secret string

// Reveal returns the secret itself, for the one place that sends it.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder.
func (Secret) String() string { return redacted }

// GoString returns a placeholder.
func (Secret) GoString() string { return redacted }

// MarshalText returns a placeholder, so that no encoder writes the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// shortestRedacted keeps a secret of a letter or two from blotting out half
// of a message.
const shortestRedacted = 4

func redact(text string, secrets []Secret) string {
	for _, s := range secrets {
		if len(s) >= shortestRedacted {
			text = strings.ReplaceAll(text, s.Reveal(), redacted)
		}
	}
	return text
}
