package gateway

import (
	"crypto/hmac"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxSignatures bounds what is tried of one header.
const maxSignatures = 16

func (s *signature) presented(r *http.Request) outcome {
	_, timed := s.timestamp(r)
	if len(s.candidates(r)) == 0 || !timed {
		return outcomeUnproven
	}
	return outcomeNone
}

func (*signature) needsBody() bool { return true }

func (s *signature) proven(r *http.Request, body []byte, now time.Time) outcome {
	timestamp, _ := s.timestamp(r)
	candidates := s.candidates(r)
	good := 0
	for _, key := range s.keys {
		sum := s.compute(key, r, timestamp, body)
		for _, candidate := range candidates {
			good |= s.compare(candidate, sum)
		}
	}
	switch {
	case good == 0:
		return outcomeUnproven
	case s.window > 0 && s.TimestampHeader != "" && !within(timestamp, now, s.window):
		return outcomeStale
	default:
		return outcomeNone
	}
}

// candidates are the texts that may be the signature.
func (s *signature) candidates(r *http.Request) []string {
	given := r.Header[s.Header]
	if len(given) != 1 || given[0] == "" {
		return nil
	}
	if s.Prefix == "" {
		return given
	}
	return elements(given[0], s.Prefix)
}

// timestamp is the text that was signed; false when there should be one.
func (s *signature) timestamp(r *http.Request) (string, bool) {
	if s.TimestampHeader == "" {
		return "", true
	}
	given := r.Header[s.TimestampHeader]
	if len(given) == 1 && s.TimestampPrefix != "" {
		given = elements(given[0], s.TimestampPrefix)
	}
	if len(given) != 1 {
		return "", false
	}
	return given[0], true
}

// elements are what stands behind prefix, which may itself hold a comma, in a
// list parted by commas and spaces.
func elements(list, prefix string) []string {
	var found []string
	for at := 0; at < len(list) && len(found) < maxSignatures; {
		if rest, ok := strings.CutPrefix(list[at:], prefix); ok {
			end := strings.IndexAny(rest, ", ")
			if end < 0 {
				end = len(rest)
			}
			found = append(found, rest[:end])
		}
		next := strings.IndexAny(list[at:], ", ")
		if next < 0 {
			break
		}
		at += next + 1
	}
	return found
}

func (s *signature) compute(key []byte, r *http.Request, timestamp string, body []byte) []byte {
	mac := hmac.New(s.sum, key)
	write := func(text string) { _, _ = io.WriteString(mac, text) } // a hash takes everything
	for _, p := range s.signed {
		switch p.kind {
		case pieceText:
			write(p.text)
		case pieceBody:
			_, _ = mac.Write(body) // a hash takes everything
		case pieceTimestamp:
			write(timestamp)
		case pieceMethod:
			write(r.Method)
		case pieceHeader:
			write(strings.Join(r.Header[p.text], ","))
		}
	}
	return mac.Sum(nil)
}

// compare takes as long for any text of the right length; 1 is a match.
func (s *signature) compare(candidate string, sum []byte) int {
	if s.exact {
		return subtle.ConstantTimeCompare([]byte(candidate), []byte(hex.EncodeToString(sum)))
	}
	var have []byte
	var err error
	if s.Encoding == "hex" {
		have, err = hex.DecodeString(candidate)
	} else {
		have, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(candidate, "="))
	}
	if err != nil {
		return 0
	}
	return subtle.ConstantTimeCompare(have, sum)
}

// manySeconds is above any time in seconds that is near, and below any in
// milliseconds.
const manySeconds = 100_000_000_000

// within reports whether a timestamp, in seconds or milliseconds since 1970, is
// no further from now than window.
func within(timestamp string, now time.Time, window time.Duration) bool {
	n, err := strconv.ParseUint(timestamp, 10, 63)
	if err != nil {
		return false
	}
	at := time.Unix(int64(n), 0)
	if n >= manySeconds {
		at = time.UnixMilli(int64(n))
	}
	return now.Sub(at).Abs() <= window
}
