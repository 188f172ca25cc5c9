package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
	"sluice/sink/budget"
)

// imply gives the streams those tiers that the rules of their workspaces need.
// A deferral that the file says itself stays: whether it may is judged later.
func (d *decoder) imply(cfg *Config) {
	for i := range cfg.Streams {
		s := &cfg.Streams[i]
		_, s.Overflow = cfg.needing(*s, limits)
		if _, later := cfg.needing(*s, defers); later && !d.has("streams."+s.Name+".deferral") {
			s.Deferral = true
		}
	}
}

// limits tells whether a rule has a rate, so that its class may be over it.
func limits(r rules.Rule) bool { return r.Rate > 0 }

// defers tells whether a rule has events sent later than they come.
func defers(r rules.Rule) bool { return r.Spread.Over > 0 || r.At != nil || r.Quiet != nil }

// needing names the first rule of that kind in a workspace of the stream.
func (c Config) needing(s Stream, kind func(rules.Rule) bool) (string, bool) {
	for _, r := range s.Routes {
		w, _ := c.Workspace(r.Workspace)
		if i := slices.IndexFunc(w.Rules.Rules, kind); i >= 0 {
			return fmt.Sprintf("rule %q of workspace %s", w.Rules.Rules[i].Name, w.Name), true
		}
	}
	return "", false
}

// checkClasses judges the rules of a workspace, by themselves and against the
// streams that lead to it.
func (d *decoder) checkClasses(w Workspace, cfg Config) {
	path := "workspaces." + w.Name
	if _, err := rules.New(w.Rules); err != nil {
		d.adopt(err, path)
	}
	if d.direct && len(cfg.Streams) == 0 { // events come without a stream
		return
	}
	var streams []string
	for _, s := range cfg.Streams {
		if d.unjudged[s.Name] || s.leadsTo(w.Name) {
			streams = append(streams, s.Name)
		}
	}
	for i, r := range w.Rules.Rules {
		at := fmt.Sprintf("%s.rules[%d].match.%s", path, i, matchStream)
		for j, name := range r.Match.Where[matchStream] {
			if one := at + index(j); d.has(one) {
				d.checkMatched(name, w.Name, one, streams)
			} else {
				d.checkMatched(name, w.Name, at, streams)
			}
		}
	}
}

// checkMatched refuses a stream in a match whose events never come to the
// workspace.
func (d *decoder) checkMatched(name, workspace, path string, streams []string) {
	if slices.ContainsFunc(streams, func(s string) bool { return matches(name, s) }) {
		return
	}
	remedy := "no stream leads to the workspace: add one, or remove the condition"
	if word, ok := nearest(name, streams); ok {
		remedy = "write " + word
	} else if len(streams) > 0 {
		remedy = "write one of " + strings.Join(streams, ", ")
	}
	d.faultAt(path, fmt.Sprintf("no stream that leads to workspace %s is named %q, so the rule would match nothing", workspace, name), remedy)
}

// matches tells whether the text of a condition on the stream fits its name, by
// the judgement of rules itself.
func matches(text, stream string) bool {
	where := map[string][]string{matchStream: {text}}
	set, err := rules.New(rules.Config{Rules: []rules.Rule{{Name: "matches", Match: rules.Match{Where: where}}}})
	return err == nil && set.Judge(new(event.Event), rules.Place{Stream: stream, Partitions: 1}, time.Time{}).Rule != ""
}

// leadsTo tells whether a route of the stream names the workspace.
func (s Stream) leadsTo(workspace string) bool {
	return slices.ContainsFunc(s.Routes, func(r Route) bool { return r.Workspace == workspace })
}

// checkOrder refuses an order by class where there are no classes, and a stream
// that may not defer what a rule of one of its workspaces defers.
func (d *decoder) checkOrder(s Stream, cfg Config) {
	path := "streams." + s.Name
	if _, ruled := cfg.needing(s, func(rules.Rule) bool { return true }); s.OrderByClass && !ruled {
		d.faultAt(path+".order", "is by class, but no workspace of the stream has rules, and so classes", "write order: key, or add rules to the workspace")
	}
	if rule, needs := cfg.needing(s, defers); needs && !s.Deferral {
		d.faultAt(path+".deferral", rule+" has events sent later, which takes deferral", "remove the key, or write deferral: true")
	}
}

// Warnings are what a configuration without faults should be looked at for. They
// are to be logged at every start, and hold no secret.
func (c Config) Warnings() []string {
	warnings := c.Kafka.Warnings()
	for _, w := range c.Workspaces {
		most, which := w.mostEvents()
		for i, r := range w.Rules.Rules {
			if most > 0 && r.Rate > float64(most) {
				warnings = append(warnings, fmt.Sprintf("workspaces.%s.rules[%d].rate: %s of rule %q is above the %s that %s: the rate limits nothing; lower it, or take it out",
					w.Name, i, FormatRate(budget.Rate(r.Rate)), r.Name, FormatRate(most), which))
			}
		}
	}
	return warnings
}

// mostEvents is how many events a second the budget of the workspace lets pass,
// and what says so; 0: any number.
func (w Workspace) mostEvents() (most budget.Rate, which string) {
	most, which = w.Budget.Events, "budget.events grants"
	full := w.Budget.Requests * budget.Rate(w.BatchItems)
	if full > 0 && (most == 0 || full < most) {
		return full, strings.Replace(fmt.Sprintf("budget.requests grants in requests of %d events", w.BatchItems), "of 1 events", "of one event", 1)
	}
	return most, which
}

// RuleSet is what decides over the workspace's events; nil where it has no
// rules. Those of a parsed workspace have no fault.
func (w Workspace) RuleSet() *rules.Set {
	set, err := rules.New(w.Rules)
	if err != nil || len(w.Rules.Rules) == 0 {
		return nil
	}
	return set
}
