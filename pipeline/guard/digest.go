package guard

import (
	"hash/maphash"
	"math/bits"
)

// maxDepth bounds how far a digest follows nested values.
const maxDepth = 128

// reader walks over JSON that is known to be valid. Should it be anything else
// it stops, and wrong is set. Not safe for concurrent use.
type reader struct {
	seed  maphash.Seed
	b     []byte
	at    int
	wrong bool
}

// digest is the same for two JSON values that differ in nothing but white space
// and the order of members. Strings and numbers are compared as they are
// written: 1 and 1.0 are two, and so are a letter and its escape. The second
// result is false for what is not JSON.
func digest(seed maphash.Seed, value []byte) (uint64, bool) {
	r := reader{seed: seed, b: value}
	sum := r.value(0)
	return sum, !r.wrong && r.skipSpace() == 0
}

// value is the digest of the value that stands next.
func (r *reader) value(depth int) uint64 {
	c := r.skipSpace()
	if depth > maxDepth {
		return r.fail()
	}
	switch c {
	case '"':
		return maphash.Bytes(r.seed, r.text())
	case '{':
		// Members of an object come in any order: their sum does not tell. No two
		// have one name.
		sum, n := uint64(0), uint64(0)
		r.object(func(name []byte) {
			sum += mix(maphash.Bytes(r.seed, name), r.value(depth+1))
			n++
		})
		return mix(sum, n<<8|'{')
	case '[':
		sum := uint64('[')
		for r.at++; r.more(']'); {
			sum = mix(sum, r.value(depth+1))
		}
		return sum
	case 0:
		return r.fail()
	default:
		return maphash.Bytes(r.seed, r.literal())
	}
}

// object calls member at each value of the object that stands next, which must
// read it. The name is in quotes.
func (r *reader) object(member func(name []byte)) {
	if r.skipSpace() != '{' {
		r.fail()
		return
	}
	for r.at++; r.more('}'); {
		if r.skipSpace() != '"' {
			r.fail()
			return
		}
		name := r.text()
		if r.skipSpace() != ':' {
			r.fail()
			return
		}
		r.at++
		member(name)
	}
}

// more moves to the next member or element, and past the bracket at the end.
func (r *reader) more(closing byte) bool {
	switch c := r.skipSpace(); {
	case r.wrong || c == 0:
		r.fail()
		return false
	case c == closing:
		r.at++
		return false
	case c == ',':
		r.at++
	}
	return true
}

// text returns the string that stands next, in quotes.
func (r *reader) text() []byte {
	from := r.at
	for r.at++; r.at < len(r.b); r.at++ {
		switch r.b[r.at] {
		case '\\':
			r.at++
		case '"':
			r.at++
			return r.b[from:r.at]
		}
	}
	r.fail()
	return nil
}

// literal returns the number or word that stands next.
func (r *reader) literal() []byte {
	from := r.at
	for ; r.at < len(r.b); r.at++ {
		switch r.b[r.at] {
		case ',', '}', ']', ' ', '\t', '\r', '\n':
			if r.at == from {
				r.fail()
			}
			return r.b[from:r.at]
		case '"', '{', '[', ':':
			r.fail()
			return nil
		}
	}
	return r.b[from:r.at]
}

// skipSpace returns the byte that stands next, 0 at the end.
func (r *reader) skipSpace() byte {
	for ; r.at < len(r.b); r.at++ {
		switch c := r.b[r.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// fail stops the walk for good.
func (r *reader) fail() uint64 {
	r.wrong, r.at = true, len(r.b)
	return 0
}

// mix makes one number of two, whose order matters.
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a^0x9e3779b97f4a7c15, bits.RotateLeft64(b, 32)^0xd6e8feb86659fd93)
	return high ^ low ^ a
}
