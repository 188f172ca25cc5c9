package rehearsal

import (
	"maps"
	"slices"
	"strings"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
)

// Keys of a match that are no paths into an event.
const (
	keyStream = "stream"
	keyOp     = "op"
	keyEvent  = "event"
	keyUser   = "user"
	keyHeader = "header."
)

// mostCombinations bounds into how many single values a match is taken apart.
const mostCombinations = 1024

// hiddenBy tells which of the earlier matches, together, take every event that m
// takes; none when some event may be left for m. It errs on that side: keys that
// mean the same by another name are taken for different ones.
func hiddenBy(earlier []rules.Match, m rules.Match, streams []string) []int {
	if empty(m) {
		return nil
	}
	var by []int
	for _, one := range combinations(m) {
		i := slices.IndexFunc(earlier, func(e rules.Match) bool { return covers(e, one, streams) })
		if i < 0 {
			return nil
		}
		if !slices.Contains(by, i) {
			by = append(by, i)
		}
	}
	slices.Sort(by)
	return by
}

func empty(m rules.Match) bool { return len(m.Where) == 0 && len(m.Exists) == 0 && len(m.Missing) == 0 }

// combinations are matches with one value for each key that take together what m
// takes. Of too many, keys keep their lists.
func combinations(m rules.Match) []rules.Match {
	all := []rules.Match{{Where: map[string][]string{}, Exists: m.Exists, Missing: m.Missing}}
	for key, values := range m.Where {
		if len(all)*len(values) > mostCombinations {
			for _, one := range all {
				one.Where[key] = values
			}
			continue
		}
		var next []rules.Match
		for _, one := range all {
			for _, value := range values {
				where := map[string][]string{key: {value}}
				maps.Copy(where, one.Where)
				next = append(next, rules.Match{Where: where, Exists: m.Exists, Missing: m.Missing})
			}
		}
		all = next
	}
	return all
}

// covers tells whether every condition of a holds wherever those of b do.
func covers(a, b rules.Match, streams []string) bool {
	if empty(a) {
		return false
	}
	for key, values := range a.Where {
		anywhere := key == keyStream && len(streams) > 0 && within(streams, values, key)
		if theirs, ok := b.Where[key]; !anywhere && (!ok || !within(theirs, values, key)) {
			return false
		}
	}
	for _, key := range a.Exists {
		_, equal := b.Where[key]
		if !equal && !slices.Contains(b.Exists, key) && key != keyStream && key != keyOp {
			return false
		}
	}
	for _, key := range a.Missing {
		if !slices.Contains(b.Missing, key) {
			return false
		}
	}
	return true
}

// within tells whether each of the texts is taken by one of the patterns.
func within(texts, patterns []string, key string) bool {
	for _, text := range texts {
		if !slices.ContainsFunc(patterns, func(p string) bool { return glob(sameOp(key, p), sameOp(key, text)) }) {
			return false
		}
	}
	return true
}

// sameOp is the operation by its one name: track is what libraries call an event.
func sameOp(key, text string) string {
	if key == keyOp && text == "track" {
		return event.OpEvent.String()
	}
	return text
}

// glob tells whether a pattern takes a text, as rules has it. Of a text with
// stars of its own it tells whether the pattern takes whatever they stand for:
// no literal part of the pattern has a star, so each lies where a star of the
// pattern is.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	last := len(parts) - 1
	if last == 0 {
		return pattern == text
	}
	if len(text) < len(parts[0])+len(parts[last]) || !strings.HasPrefix(text, parts[0]) || !strings.HasSuffix(text, parts[last]) {
		return false
	}
	rest := text[len(parts[0]) : len(text)-len(parts[last])]
	for _, part := range parts[1:last] {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return true
}

// isPath tells whether a key is a path into the event.
func isPath(key string) bool {
	switch key {
	case keyStream, keyOp, keyEvent, keyUser:
		return false
	}
	return !strings.HasPrefix(key, keyHeader)
}

// paths are the keys of a match that are paths and must be there, each once.
func paths(m rules.Match) []string {
	var all []string
	for _, key := range slices.Concat(slices.Collect(maps.Keys(m.Where)), m.Exists) {
		if isPath(key) && !slices.Contains(all, key) {
			all = append(all, key)
		}
	}
	slices.Sort(all)
	return all
}

// pathless is a match without its conditions on paths.
func pathless(m rules.Match) rules.Match {
	kept := rules.Match{Where: map[string][]string{}}
	for key, values := range m.Where {
		if !isPath(key) {
			kept.Where[key] = values
		}
	}
	kept.Exists = slices.DeleteFunc(slices.Clone(m.Exists), isPath)
	kept.Missing = slices.DeleteFunc(slices.Clone(m.Missing), isPath)
	return kept
}
