package config

import (
	"reflect"
	"slices"

	"sluice/pipeline/rules"
)

// Change is one key that two configurations have differently.
type Change struct {
	Path string // as workspaces.acme.budget.requests, or workspaces.acme for one that came or went
	Live bool   // it applies without a restart
}

// Reload compares c, which runs, with next, which its file now says. It
// returns every difference in the file's order, and what runs once those that
// can change live have: c with the live parts of next. Everything else stays
// as it is until a restart.
//
// A gateway that names a stream which does not run here stays as it is too, and
// so do rules that need a tier which a stream that runs here does not have.
//
// A workspace whose API or region changed is another destination: what was
// prepared for the one may not fit the other, and its data may not go there.
// None of its keys changes live.
func (c Config) Reload(next Config) (running Config, changes []Change) {
	running = c
	running.LogLevel = next.LogLevel
	running.Workspaces = slices.Clone(c.Workspaces)
	var found comparison
	for i, w := range c.Workspaces {
		n, ok := next.Workspace(w.Name)
		if !ok || n.destination() != w.destination() {
			continue
		}
		if !c.carries(n) {
			n.Rules = w.Rules
			found.still = append(found.still, "workspaces."+w.Name+".rules")
		}
		running.Workspaces[i] = n
	}
	if c.Gateway != nil && next.Gateway != nil {
		if c.gatewayFits(next.Gateway) {
			running.Gateway = liveGateway(c.Gateway, next.Gateway)
		} else {
			found.still = append(found.still, "gateway")
		}
	}
	found.keys(c.keys(), next.keys(), "", true)
	return running, found.changes
}

// carries tells whether the streams that lead to the workspace have the tiers
// that its rules need.
func (c Config) carries(w Workspace) bool {
	needs := func(kind func(rules.Rule) bool) bool { return slices.ContainsFunc(w.Rules.Rules, kind) }
	return !slices.ContainsFunc(c.Streams, func(s Stream) bool {
		return s.leadsTo(w.Name) && (needs(limits) && !s.Overflow || needs(defers) && !s.Deferral)
	})
}

// destination tells apart what a reload must not.
func (w Workspace) destination() string { return string(w.Kind) + " " + w.Region }

// comparison collects how two configurations differ.
type comparison struct {
	changes []Change
	still   []string // the keys and sections in which nothing changes live
}

// keys compares two sets of keys that stand at the same path; live is false
// where nothing may change without a restart.
func (x *comparison) keys(before, after []key, path string, live bool) {
	for _, k := range after {
		at := joined(path, k.name)
		live := live && !slices.Contains(x.still, at)
		i := slices.IndexFunc(before, func(b key) bool { return b.name == k.name })
		switch {
		case i < 0:
			x.leaf(k, nil, k.value.shown, at)
		case k.value.missing() && before[i].value.missing():
		case k.value.missing() != before[i].value.missing():
			x.changes = append(x.changes, Change{Path: at})
		case k.value.kind == kindSection:
			x.keys(before[i].value.keys, k.value.keys, at, live)
		case k.value.kind == kindNamed:
			x.entries(before[i].value.entries(), k.value.entries(), at, live)
		default:
			k.live = k.live && live
			x.leaf(k, before[i].value.shown, k.value.shown, at)
		}
	}
	for _, k := range before {
		if !slices.ContainsFunc(after, func(a key) bool { return a.name == k.name }) {
			x.leaf(k, k.value.shown, nil, joined(path, k.name))
		}
	}
}

// leaf compares what one key holds; a side that does not have the key at all
// is nil, and then nothing changes live.
func (x *comparison) leaf(k key, before, after func() any, path string) {
	var was, is any
	if before != nil {
		was = before()
	}
	if after != nil {
		is = after()
	}
	if !same(was, is) {
		x.changes = append(x.changes, Change{Path: path, Live: k.live && before != nil && after != nil})
	}
}

func (x *comparison) entries(before, after []entry, path string, live bool) {
	for _, e := range after {
		i := slices.IndexFunc(before, func(b entry) bool { return b.name == e.name })
		if i < 0 {
			x.changes = append(x.changes, Change{Path: joined(path, e.name)})
			continue
		}
		x.keys(before[i].keys, e.keys, joined(path, e.name), live && before[i].identity == e.identity)
	}
	for _, e := range before {
		if !slices.ContainsFunc(after, func(a entry) bool { return a.name == e.name }) {
			x.changes = append(x.changes, Change{Path: joined(path, e.name)})
		}
	}
}

func same(a, b any) bool {
	if a, ok := a.(certificates); ok {
		b, ok := b.(certificates)
		return ok && a.Equal(b.CertPool)
	}
	return reflect.DeepEqual(a, b)
}

// Same tells whether w and o say the same.
func (w Workspace) Same(o Workspace) bool {
	var found comparison
	found.keys(workspaceKeys(&w), workspaceKeys(&o), "", true)
	return len(found.changes) == 0
}

// SameGateway tells whether the gateways of c and o say the same.
func (c Config) SameGateway(o Config) bool {
	if c.Gateway == nil || o.Gateway == nil {
		return c.Gateway == o.Gateway
	}
	var found comparison
	found.keys(gatewayKeys(c.Gateway), gatewayKeys(o.Gateway), "", true)
	return len(found.changes) == 0
}

// SameSink tells whether a sink that was made for w serves o as well.
func (w Workspace) SameSink(o Workspace) bool {
	var found comparison
	found.keys(sinkKeys(&w), sinkKeys(&o), "", true)
	return w.destination() == o.destination() && len(found.changes) == 0
}
