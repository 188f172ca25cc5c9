package sink

const hexDigits = "0123456789ABCDEF"

// AppendSegment appends value percent-encoded so that, as a segment of a
// path or a value of a query, it can mean nothing but itself: all but RFC
// 3986's unreserved characters are encoded, slash, plus and at sign included.
func AppendSegment(dst []byte, value string) []byte {
	for i := range len(value) {
		switch c := value[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '_', c == '.', c == '~':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

// FitsSegment reports whether value may stand as a whole segment of a path.
// An empty one asks for the collection instead of the member, and dots are
// resolved away on the way even when they are encoded.
func FitsSegment(value string) bool {
	return value != "" && value != "." && value != ".."
}
