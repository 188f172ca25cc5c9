package deadletters

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Filter chooses letters. Within a field any of the values will do; every field
// that has values must agree. The zero Filter takes every letter.
type Filter struct {
	Reasons    []string
	Verdicts   []string
	Workspaces []string
	Users      []string // record keys, exactly
	IDs        []string // events' ids
	Statuses   []Statuses
	Since      time.Time // died at or after; zero for no bound
	Until      time.Time // died before; zero for no bound
}

// Statuses is a range of HTTP statuses, both ends included.
type Statuses struct{ From, To int }

// ParseStatuses reads a status, 400, a class, 4xx, or none, which is that of an
// event whose destination was never asked or never answered.
func ParseStatuses(text string) (Statuses, error) {
	if text == "none" {
		return Statuses{}, nil
	}
	wrong := errors.New("a status is written as 422, 4xx or none")
	if class, ok := strings.CutSuffix(strings.ToLower(text), "xx"); ok {
		hundreds, err := strconv.Atoi(class)
		if err != nil || hundreds < 1 || hundreds > 9 {
			return Statuses{}, wrong
		}
		return Statuses{hundreds * 100, hundreds*100 + 99}, nil
	}
	status, err := strconv.Atoi(text)
	if err != nil || status < 100 || status > 999 {
		return Statuses{}, wrong
	}
	return Statuses{status, status}, nil
}

// String is what ParseStatuses reads.
func (s Statuses) String() string {
	switch {
	case s == Statuses{}:
		return "none"
	case s.From == s.To:
		return strconv.Itoa(s.From)
	}
	return strconv.Itoa(s.From/100) + "xx"
}

// Empty reports whether the filter takes every letter.
func (f Filter) Empty() bool { return f.String() == "" }

// Takes reports whether the filter takes a letter.
func (f Filter) Takes(l Letter) bool {
	died := l.DiedAt()
	switch {
	case !among(f.Reasons, l.Death.Reason), !among(f.Verdicts, l.Death.Verdict), !among(f.Workspaces, l.Death.Workspace):
		return false
	case len(f.Users) > 0 && (l.Record.Key == nil || !slices.Contains(f.Users, l.User())):
		return false
	case len(f.IDs) > 0 && !slices.Contains(f.IDs, l.Death.ID.String()):
		return false
	case len(f.Statuses) > 0 && !slices.ContainsFunc(f.Statuses, func(s Statuses) bool { return s.From <= l.Death.Status && l.Death.Status <= s.To }):
		return false
	case !f.Since.IsZero() && died.Before(f.Since), !f.Until.IsZero() && !died.Before(f.Until):
		return false
	}
	return true
}

func among(values []string, have string) bool {
	return len(values) == 0 || slices.Contains(values, have)
}

// String is the filter as the audit keeps it: every field that has values, as
// on the command line. It names no user, only how many.
func (f Filter) String() string {
	var parts []string
	list := func(name string, values []string) {
		if len(values) > 0 {
			parts = append(parts, name+"="+strings.Join(values, ","))
		}
	}
	list("reason", f.Reasons)
	list("verdict", f.Verdicts)
	list("workspace", f.Workspaces)
	statuses := make([]string, len(f.Statuses))
	for i, s := range f.Statuses {
		statuses[i] = s.String()
	}
	list("status", statuses)
	if n := len(f.Users); n > 0 {
		parts = append(parts, fmt.Sprintf("users=%d", n))
	}
	list("id", f.IDs)
	if !f.Since.IsZero() {
		parts = append(parts, "since="+f.Since.UTC().Format(time.RFC3339))
	}
	if !f.Until.IsZero() {
		parts = append(parts, "until="+f.Until.UTC().Format(time.RFC3339))
	}
	return strings.Join(parts, " ")
}
