package deadletters

import "slices"

// pageOffsets is how many offsets a page of an offset set covers.
const pageOffsets = 4096

// offsets is a set of offsets of one partition: a bit for each, in pages that
// exist only where something is set.
type offsets map[int64]*[pageOffsets / 64]uint64

func (o offsets) add(offset int64) {
	page := o[offset/pageOffsets]
	if page == nil {
		page = new([pageOffsets / 64]uint64)
		o[offset/pageOffsets] = page
	}
	at := offset % pageOffsets
	page[at/64] |= 1 << (at % 64)
}

func (o offsets) has(offset int64) bool {
	page := o[offset/pageOffsets]
	if page == nil || offset < 0 {
		return false
	}
	at := offset % pageOffsets
	return page[at/64]>>(at%64)&1 != 0
}

// Span is a run of offsets, both ends included.
type Span [2]int64

// spansOf writes offsets as spans, in order.
func spansOf(all []int64) []Span {
	all = slices.Clone(all)
	slices.Sort(all)
	var spans []Span
	for _, offset := range all {
		last := len(spans) - 1
		switch {
		case last >= 0 && offset <= spans[last][1]:
		case last >= 0 && offset == spans[last][1]+1:
			spans[last][1] = offset
		default:
			spans = append(spans, Span{offset, offset})
		}
	}
	return spans
}

// count is how many offsets spans cover.
func count(spans []Span) int {
	n := 0
	for _, s := range spans {
		n += int(s[1] - s[0] + 1)
	}
	return n
}

func covers(spans []Span, offset int64) bool {
	return slices.ContainsFunc(spans, func(s Span) bool { return s[0] <= offset && offset <= s[1] })
}
