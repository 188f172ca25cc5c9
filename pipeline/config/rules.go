package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"sluice/pipeline/rules"
	"sluice/sink/budget"
)

// rulesExample is how one rule is written.
const rulesExample = "[{name: newsletter, match: {campaign_id: 42}, rate: 1500/min, spread: 3m}]"

// ruleKeys are the keys of one rule of a workspace, bound to r.
func ruleKeys(r *rules.Rule) []key {
	return []key{
		{name: "name", meaning: "What the rule and its class are called, in metrics and by an event's header class, which takes the rule of that name before any match is looked at. A workspace has each name once.", example: "newsletter", required: true, live: true, value: text(&r.Name)},
		{
			name: "match", meaning: `Which events it is for: all conditions must hold. A condition is stream, event (its name; of JSON that is no entity what stands at name or event), op, user (the key), header.NAME (of the record, or of the webhook that it came as, when the gateway has it travel), or a path into the event's JSON, as campaign_id or data.items.0.sku; and it wants a value, in which * stands for any characters, or a list of them, any of which will do. Of an event for Customer.io a path is looked for at the root, then under attributes. exists and missing list paths that must, or must not, be there. Without match the header class alone leads to the rule.`,
			example: `{stream: NAME, event: "order_*", campaign_id: [42, 43], exists: [email]}`, live: true, value: conditions(&r.Match),
		},
		{name: "priority", meaning: "Which classes are taken first: high before normal before low.", example: "high", options: []string{"high", "normal", "low"}, live: true, value: word(&r.Priority, rules.High, rules.Normal, rules.Low)},
		{name: "rate", meaning: "Events of the class at most, over all members, evenly, inside the budget of the workspace. What is over it waits in order, and once it is much in the stream's topic .overflow; take the last rate out only when that is empty.", example: "1500/min", fallback: "that of the budget", live: true, value: classRate(&r.Rate)},
		{name: "weight", meaning: "The share of the class beside others of its priority.", example: "3", live: true, value: weight(&r.Weight)},
		{name: "floor", meaning: "The part of the budget that the class has whatever the priorities are.", example: "5%", fallback: "`1%`, with `priority: high` `0%`", live: true, value: floor(r)},
		{name: "spread", meaning: "A window, from each event's own time on, over which events of the rule are sent, each at a time of its own that stays the same after a restart. An event may bring a window of its own, as header spread, which goes before this one. Or {over, by}.", example: "3m", live: true, value: spread(&r.Spread)},
		{name: "at", meaning: "When events of the rule are sent: a time of day, one on a day of the week, or one on a date, on the clock of the user. Or {time, zone, spread}.", example: `"Friday 13:00"`, live: true, value: moment(&r.At)},
		{name: "quiet", meaning: "Hours in which no event of the rule is sent, on the clock of the user; it is sent when they are over. Or {from, to, zone}.", example: `"22:00-08:00"`, live: true, value: quietHours(&r.Quiet)},
	}
}

// spread is a window, or how it is filled as well.
func spread(s *rules.Spread) value {
	over := duration(&s.Over)
	shown := over.shown
	over.shown = func() any {
		if s.Over == 0 {
			return nil
		}
		return shown()
	}
	return shortened(over, func() bool { return s.By == rules.Even },
		key{name: "over", meaning: "The window.", example: "3m", required: true, live: true, value: over},
		key{name: "by", meaning: "even: one after another where the gaps are largest, by where each stood in its topic. random: by the key and the id of each alone.", example: "random", options: []string{"even", "random"}, live: true, value: word(&s.By, rules.Even, rules.Random)},
	)
}

// moment is a time, or whose clock it is on and what follows it as well.
func moment(dst **rules.At) value {
	in := *dst
	if in == nil {
		in = new(rules.At)
	}
	return given(dst, in, shortened(text(&in.Time), func() bool { return in.Zone == (rules.Zone{}) && in.Spread.Over == 0 },
		key{name: "time", meaning: "The moment: the next such time, counted from the event's own; a date in the past is at once.", example: `"Friday 13:00"`, required: true, live: true, value: text(&in.Time)},
		zoneKey(&in.Zone),
		key{name: "spread", meaning: "A window that begins at the moment, as that of the rule. Or {over, by}.", example: "10m", live: true, value: spread(&in.Spread)},
	))
}

// quietHours are two times of day, or whose clock they are on as well.
func quietHours(dst **rules.Quiet) value {
	in := *dst
	if in == nil {
		in = new(rules.Quiet)
	}
	hours := parsed(kindText, in, func(text string) (rules.Quiet, error) {
		from, to, both := strings.Cut(text, "-")
		if !both {
			return *in, errors.New(`must be two times of day; write it as "22:00-08:00"`)
		}
		return rules.Quiet{From: strings.TrimSpace(from), To: strings.TrimSpace(to), Zone: in.Zone}, nil
	}, func(q rules.Quiet) any {
		if q.From == "" && q.To == "" {
			return nil
		}
		return q.From + "-" + q.To
	})
	return given(dst, in, shortened(hours, func() bool { return in.Zone == (rules.Zone{}) },
		key{name: "from", meaning: "The time of day when they begin.", example: `"22:00"`, required: true, live: true, value: text(&in.From)},
		key{name: "to", meaning: "The time of day when they are over, on the next day when it is not after from.", example: `"08:00"`, required: true, live: true, value: text(&in.To)},
		zoneKey(&in.Zone),
	))
}

// zoneKey says whose clock is meant: one for all, or each user's own.
func zoneKey(z *rules.Zone) key {
	return key{
		name: "zone", meaning: "The time zone: one of the IANA database, or an offset as +05:30. Or {field, default}, for each user's own.", example: "Europe/Berlin", fallback: "`UTC`", live: true,
		value: shortened(text(&z.Default), func() bool { return z.Field == "" },
			key{name: "field", meaning: "A path into the event, as match has them, to the zone of its user.", example: "data.timezone", required: true, live: true, value: text(&z.Field)},
			key{name: "default", meaning: "That of an event which names none, or none that is known; those are counted.", example: "Europe/Berlin", fallback: "`UTC`", live: true, value: text(&z.Default)},
		),
	}
}

// word is one of a few things that have names.
func word[T fmt.Stringer](dst *T, all ...T) value {
	words := make([]string, len(all))
	for i, one := range all {
		words[i] = one.String()
	}
	return parsed(kindText, dst, func(text string) (T, error) {
		for _, one := range all {
			if one.String() == text {
				return one, nil
			}
		}
		return *dst, unknownWord(text, words)
	}, func(one T) any { return one.String() })
}

// classRate is a rate of events that is not there unless it limits.
func classRate(dst *float64) value {
	v := limitedRate(dst)
	v.shown = func() any {
		if *dst == 0 {
			return nil
		}
		return FormatRate(budget.Rate(*dst))
	}
	return v
}

// weight is a number above 0, 1 unless it is given.
func weight(dst *float64) value {
	return parsed(kindNumber, dst, func(text string) (float64, error) {
		number, ok := plainNumber(text)
		if !ok || number <= 0 {
			return 0, errors.New("must be a number above 0; write it as 3 or 0.5")
		}
		return number, nil
	}, func(w float64) any {
		if w == 0 {
			return 1.0
		}
		return w
	})
}

// floor is a part of the budget. Without one the priority decides.
func floor(r *rules.Rule) value {
	return parsed(kindPercent, &r.Floor, func(text string) (*float64, error) {
		digits, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
		number, ok := plainNumber(digits)
		if !percent || !ok || number > 100 {
			return nil, errors.New("must be a percentage of the budget, 0 to 100; write it as 5%")
		}
		return new(number / 100), nil
	}, func(f *float64) any {
		if f == nil {
			f = new(rules.DefaultFloor(r.Priority))
		}
		return strconv.FormatFloat(math.Round(*f*1e9)/1e7, 'f', -1, 64) + "%"
	})
}

// plainNumber reads digits with an optional fraction: no sign, exponent, inf or
// nan.
func plainNumber(text string) (float64, bool) {
	number, err := parseCount(strings.TrimSpace(text))
	return number, err == nil
}
