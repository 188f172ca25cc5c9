package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"sluice/partition"
)

// topicsReport is the result of topics plan, apply and check.
type topicsReport struct {
	Topics    []topicReport `json:"topics"`
	Pending   int           `json:"pending"`   // topics to create or change, or, once applied, that were
	Refused   int           `json:"refused"`   // topics of which something is refused
	Differing int           `json:"differing"` // topics that differ in what cannot be changed from here
	Applied   bool          `json:"applied"`
}

type topicReport struct {
	Topic  string           `json:"topic"`
	Action partition.Action `json:"action"` // the most pressing of its steps
	Steps  []partition.Step `json:"steps"`
}

func reportTopics(topics []partition.TopicPlan) topicsReport {
	plan := partition.Plan{Topics: topics}
	r := topicsReport{
		Topics: []topicReport{}, Pending: plan.Pending(),
		Refused: plan.Count(partition.Refuse), Differing: plan.Count(partition.Report),
	}
	for _, t := range topics {
		r.Topics = append(r.Topics, topicReport{Topic: t.Topic, Action: t.Action(), Steps: t.Steps})
	}
	return r
}

// text shows what differs, property by property, and a topic that is right as
// one line.
func (r topicsReport) text(w io.Writer) {
	table(w, func(row func(string, ...any)) {
		row("\tTOPIC\tPROPERTY\tIS\tSHOULD BE")
		for _, t := range r.Topics {
			if t.Action == partition.Keep {
				row("%s\t%s\tall %d", partition.Keep.Mark(), t.Topic, len(t.Steps))
			}
			for _, s := range t.Steps {
				if s.Action != partition.Keep {
					row("%s\t%s\t%s\t%s\t%s", s.Action.Mark(), t.Topic, s.Property, orDash(readable(s.Property, s.Have)), readable(s.Property, s.Want))
				}
			}
		}
	})
	r.notes(w)
	_, _ = fmt.Fprintln(w, "\n"+r.summary())
}

// notes are too long for a table's cell; topics that share one have it once.
func (r topicsReport) notes(w io.Writer) {
	var order []string
	topics := map[string][]string{}
	for _, t := range r.Topics {
		for _, s := range t.Steps {
			if s.Note == "" {
				continue
			}
			note := fmt.Sprintf("%s %s: %s", s.Action.Mark(), s.Property, s.Note)
			if _, seen := topics[note]; !seen {
				order = append(order, note)
			}
			topics[note] = append(topics[note], t.Topic)
		}
	}
	for _, note := range order {
		_, _ = fmt.Fprintf(w, "\n%s\n  (%s)\n", note, strings.Join(topics[note], ", "))
	}
}

func (r topicsReport) summary() string {
	switch {
	case r.Refused > 0:
		return count(r.Refused, "topic is", "topics are") + " refused: nothing will be changed before that is mended"
	case r.Applied && r.Pending > 0:
		return count(r.Pending, "topic", "topics") + " created or changed"
	case r.Pending > 0:
		return count(r.Pending, "topic", "topics") + " to create or change: run sluice topics apply"
	case r.Differing > 0:
		return count(r.Differing, "topic differs", "topics differ") + " in what cannot be changed from here"
	}
	return "every topic is as it should be"
}

func count(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + several
}

// readable adds to milliseconds what a person would say.
func readable(property, value string) string {
	ms, err := strconv.ParseInt(value, 10, 64)
	if property != partition.SettingRetention || err != nil {
		return value
	}
	const day = 24 * time.Hour
	switch span := time.Duration(ms) * time.Millisecond; {
	case ms < 0:
		return value + " (for ever)"
	case span >= day && span%day == 0:
		return fmt.Sprintf("%s (%dd)", value, span/day)
	case span%time.Hour == 0:
		return fmt.Sprintf("%s (%dh)", value, span/time.Hour)
	}
	return value
}
