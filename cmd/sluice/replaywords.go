package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/pipeline/replay"
)

// window says in words what was chosen.
func window(s replay.Selection) string {
	var b strings.Builder
	b.WriteString(extent(s))
	filters(&b, s)
	return b.String()
}

// extent is a window without what is chosen of it: of that, a user's key is for
// nobody's log.
func extent(s replay.Selection) string {
	var b strings.Builder
	switch {
	case byOffset(s) && s.ToOffset > 0:
		_, _ = fmt.Fprintf(&b, "offsets %d to %d", s.FromOffset, s.ToOffset-1)
	case byOffset(s):
		_, _ = fmt.Fprintf(&b, "offsets from %d", s.FromOffset)
	case s.From.IsZero():
		b.WriteString("from the topic's start")
	default:
		_, _ = fmt.Fprintf(&b, "from %s", stamp(s.From))
	}
	if !s.To.IsZero() {
		_, _ = fmt.Fprintf(&b, " until %s", stamp(s.To))
	}
	return b.String()
}

// filters says what is chosen of a window.
func filters(b io.Writer, s replay.Selection) {
	if len(s.Shards) > 0 {
		_, _ = fmt.Fprintf(b, ", shards %s", ranges(s.Shards))
	}
	if s.Workspace != "" {
		_, _ = fmt.Fprintf(b, ", of workspace %s", s.Workspace)
	}
	if s.User != "" {
		_, _ = fmt.Fprintf(b, ", user %s", visible(clipped(s.User)))
	}
	if len(s.Events) > 0 {
		_, _ = fmt.Fprintf(b, ", events %s", visible(few(s.Events, 5)))
	}
	for _, path := range slices.Sorted(maps.Keys(s.Fields)) {
		_, _ = fmt.Fprintf(b, ", %s=%s", visible(path), visible(clipped(s.Fields[path])))
	}
	if s.Target != "" {
		_, _ = fmt.Fprintf(b, ", to workspace %s", s.Target)
	}
}

// selectionArgs writes a selection as a shell takes it: the stream and the flags
// that choose the same at any later time.
func selectionArgs(s replay.Selection) string {
	words := []string{shellWord(s.Stream)}
	add := func(flag, value string) {
		if value != "" {
			words = append(words, "--"+flag, shellWord(value))
		}
	}
	switch {
	case byOffset(s):
		add("offsets", offsetsArg(s))
	case s.From.IsZero():
		add("since", "start")
	default:
		add("since", s.From.UTC().Format(time.RFC3339))
	}
	if !s.To.IsZero() {
		add("until", s.To.UTC().Format(time.RFC3339))
	}
	add("shard", shardsArg(s.Shards))
	add("workspace", s.Workspace)
	add("user", s.User)
	for _, name := range s.Events {
		if strings.ContainsAny(name, ",\"\n") { // the flag reads its names as a line of CSV
			name = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
		add("event", name)
	}
	for _, path := range slices.Sorted(maps.Keys(s.Fields)) {
		add("field", path+"="+s.Fields[path])
	}
	if s.TakeRest {
		words = append(words, "--take-rest")
	}
	add("to", s.Target)
	return strings.Join(words, " ")
}

// byOffset tells whether a window is one of places, not of times.
func byOffset(s replay.Selection) bool { return s.FromOffset >= 0 && s.ToOffset != 0 }

func offsetsArg(s replay.Selection) string {
	switch s.ToOffset {
	case -1:
		return fmt.Sprintf("%d-", s.FromOffset)
	case s.FromOffset + 1:
		return strconv.FormatInt(s.FromOffset, 10)
	}
	return fmt.Sprintf("%d-%d", s.FromOffset, s.ToOffset-1)
}

// shardsArg writes all numbers, unlike ranges, which is for reading.
func shardsArg(numbers []int32) string {
	if n := len(numbers); n > 1 && slices.IsSorted(numbers) && int(numbers[n-1]-numbers[0]) == n-1 {
		return fmt.Sprintf("%d-%d", numbers[0], numbers[n-1])
	}
	texts := make([]string, len(numbers))
	for i, number := range numbers {
		texts[i] = strconv.Itoa(int(number))
	}
	return strings.Join(texts, ",")
}

// shellWord quotes what a shell would not take as one plain word.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.,:/@+=%", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// hung sets a text in lines of at most 100 letters, where its words allow; the
// first begins with the mark, the others under what follows it.
func hung(mark, text string) string {
	const widest = 100
	var b strings.Builder
	b.WriteString(mark)
	at := len(mark)
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case at+1+len(word) > widest:
			b.WriteString("\n" + strings.Repeat(" ", len(mark)))
			at = len(mark)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	return b.String()
}
