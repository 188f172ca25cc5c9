package gateway

import (
	"crypto/sha1" //nolint:gosec // some senders know nothing else; as an HMAC it is sound
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strings"
	"time"
)

// signature is a Signature at work.
type signature struct {
	Signature
	exact  bool // the header's text is compared, not the bytes that it stands for
	signed []piece
	keys   [][]byte
	window time.Duration
	sum    func() hash.Hash
}

// piece is a part of what is signed.
type piece struct {
	kind pieceKind
	text string // a literal, or a header's name
}

type pieceKind uint8

const (
	pieceText pieceKind = iota
	pieceBody
	pieceTimestamp
	pieceMethod
	pieceHeader
)

// newSignature returns every fault, joined.
func newSignature(s Signature, secrets []string, window time.Duration) (*signature, error) {
	s = s.filled()
	made := &signature{Signature: s, window: window}
	var faults []error
	var err error
	if made.signed, err = parseSigned(s.Signed); err != nil {
		faults = append(faults, err)
	}
	if made.sum, err = algorithm(s.Algorithm); err != nil {
		faults = append(faults, err)
	}
	if s.Encoding != "hex" && s.Encoding != "base64" {
		faults = append(faults, fmt.Errorf("signature.encoding: must be hex or base64, have %q", s.Encoding))
	}
	for i, secret := range secrets {
		key, err := decodeKey(secret, s.KeyEncoding)
		if err != nil {
			faults = append(faults, fmt.Errorf("secrets[%d]: %w", i, err))
		}
		made.keys = append(made.keys, key)
	}
	faults = append(faults, made.checkHeaders()...)
	made.Header, made.TimestampHeader = http.CanonicalHeaderKey(s.Header), http.CanonicalHeaderKey(s.TimestampHeader)
	return made, errors.Join(faults...)
}

// filled has the defaults where s has nothing.
func (s Signature) filled() Signature {
	usual := defaultSignature()
	for _, field := range []struct {
		have *string
		want string
	}{{&s.Signed, usual.Signed}, {&s.Algorithm, usual.Algorithm}, {&s.Encoding, usual.Encoding}, {&s.KeyEncoding, usual.KeyEncoding}} {
		if *field.have == "" {
			*field.have = field.want
		}
	}
	if s.TimestampHeader == "" && s.TimestampPrefix != "" {
		s.TimestampHeader = s.Header
	}
	return s
}

func (s *signature) checkHeaders() []error {
	var faults []error
	if !isFieldName(s.Header) {
		faults = append(faults, fmt.Errorf("signature.header: %q is not a header's name", s.Header))
	}
	if s.TimestampHeader != "" && !isFieldName(s.TimestampHeader) {
		faults = append(faults, fmt.Errorf("signature.timestamp_header: %q is not a header's name", s.TimestampHeader))
	}
	switch timed := s.signs(pieceTimestamp); {
	case timed && s.TimestampHeader == "":
		faults = append(faults, errors.New("signature.signed: has a timestamp, and neither timestamp_header nor timestamp_prefix says where it stands"))
	case !timed && s.TimestampHeader != "" && len(s.signed) > 0:
		faults = append(faults, errors.New("signature.signed: does not hold {timestamp}: whoever repeats a request could write any"))
	}
	if len(s.signed) > 0 && !s.signs(pieceBody) {
		faults = append(faults, errors.New("signature.signed: must hold {body}"))
	}
	return faults
}

func (s *signature) signs(kind pieceKind) bool {
	for _, p := range s.signed {
		if p.kind == kind {
			return true
		}
	}
	return false
}

// parseSigned takes apart text with placeholders.
func parseSigned(text string) ([]piece, error) {
	var pieces []piece
	for text != "" {
		literal, rest, found := strings.Cut(text, "{")
		if literal != "" {
			pieces = append(pieces, piece{pieceText, literal})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		header, ofHeader := strings.CutPrefix(name, "header:")
		switch {
		case closed && name == "body":
			pieces = append(pieces, piece{kind: pieceBody})
		case closed && name == "timestamp":
			pieces = append(pieces, piece{kind: pieceTimestamp})
		case closed && name == "method":
			pieces = append(pieces, piece{kind: pieceMethod})
		case closed && ofHeader && isFieldName(header):
			pieces = append(pieces, piece{pieceHeader, http.CanonicalHeaderKey(header)})
		default:
			return nil, errors.New("signature.signed: knows {body}, {timestamp}, {method} and {header:NAME} alone")
		}
		text = after
	}
	return pieces, nil
}

func algorithm(name string) (func() hash.Hash, error) {
	switch name {
	case "sha256":
		return sha256.New, nil
	case "sha512":
		return sha512.New, nil
	case "sha1":
		return sha1.New, nil
	default:
		return nil, fmt.Errorf("signature.algorithm: must be sha256, sha512 or sha1, have %q", name)
	}
}

// decodeKey leaves the secret out of its errors.
func decodeKey(secret, encoding string) ([]byte, error) {
	var key []byte
	var err error
	switch encoding {
	case "text":
		key = []byte(secret)
	case "hex":
		key, err = hex.DecodeString(secret)
	case "base64":
		key, err = base64.StdEncoding.DecodeString(secret)
	default:
		return nil, fmt.Errorf("signature.key_encoding: must be text, hex or base64, have %q", encoding)
	}
	if err != nil || len(key) == 0 {
		return nil, fmt.Errorf("is not %s", encoding)
	}
	return key, nil
}

func (s *signature) shown() []string {
	names := []string{s.Header}
	if s.TimestampHeader != "" {
		names = append(names, s.TimestampHeader)
	}
	for _, p := range s.signed {
		if p.kind == pieceHeader {
			names = append(names, p.text)
		}
	}
	return names
}
