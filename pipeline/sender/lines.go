package sender

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"sluice/partition"
)

// Lines is a set of lines of a file: runs in order, neither touching nor
// overlapping.
type Lines []partition.Span

// Has tells whether a line is in the set.
func (l Lines) Has(line int64) bool {
	_, found := slices.BinarySearchFunc(l, line, func(s partition.Span, line int64) int {
		switch {
		case s.To < line:
			return -1
		case s.From > line:
			return 1
		}
		return 0
	})
	return found
}

// join returns the lines of both sets from a line on.
func (l Lines) join(other Lines, from int64) Lines {
	all := slices.Concat(l, other)
	slices.SortFunc(all, func(a, b partition.Span) int { return cmp.Compare(a.From, b.From) })
	var joined Lines
	for _, s := range all {
		s.From = max(s.From, from)
		switch last := len(joined) - 1; {
		case s.To < s.From:
		case last >= 0 && s.From <= joined[last].To+1:
			joined[last].To = max(joined[last].To, s.To)
		default:
			joined = append(joined, s)
		}
	}
	return joined
}

// Write writes the set as ReadLines reads it.
func (l Lines) Write(w io.Writer) error {
	for _, s := range l {
		text := strconv.FormatInt(s.From, 10)
		if s.To > s.From {
			text += "-" + strconv.FormatInt(s.To, 10)
		}
		if _, err := io.WriteString(w, text+"\n"); err != nil {
			return fmt.Errorf("write settled lines: %w", err)
		}
	}
	return nil
}

// ReadLines reads a set: a line number or a range such as 12-40 on each line,
// in any order.
func ReadLines(r io.Reader) (Lines, error) {
	var all Lines
	in := bufio.NewScanner(r)
	for n := 1; in.Scan(); n++ {
		text := strings.TrimSpace(in.Text())
		if text == "" {
			continue
		}
		first, last, ranged := strings.Cut(text, "-")
		if !ranged {
			last = first
		}
		from, err := strconv.ParseInt(first, 10, 64)
		to, toErr := strconv.ParseInt(last, 10, 64)
		if err = errors.Join(err, toErr); err != nil || from < 1 || to < from {
			return nil, fmt.Errorf("line %d: must be a line number or a range such as 12-40", n)
		}
		all = append(all, partition.Span{From: from, To: to})
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read settled lines: %w", err)
	}
	return all.join(nil, 1), nil
}
