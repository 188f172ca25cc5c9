package replay

import (
	"cmp"
	"slices"

	"sluice/partition"
)

// targetOf is the stream whose replay tier takes the copies for the workspace
// that a selection names, empty when it is the stream's own. It guards residency:
// a region's data leaves it by no replay.
func (d Deps) targetOf(stream Stream, s Selection) (string, error) {
	if s.Target == "" {
		return "", nil
	}
	to, known := d.workspace(s.Target)
	if !known {
		return "", refuse("name one of the configuration's workspaces", "there is no workspace %q", s.Target)
	}
	own := true
	for _, r := range stream.Routes {
		if r.Workspace == s.Target || (s.Workspace != "" && r.Workspace != s.Workspace) {
			continue
		}
		own = false
		if err := d.guard(stream, r.Workspace, to); err != nil {
			return "", err
		}
	}
	if own {
		return "", nil
	}
	streams := slices.Clone(d.Streams)
	slices.SortFunc(streams, func(a, b Stream) int { return cmp.Compare(a.Name, b.Name) })
	for _, t := range streams {
		whole := len(t.Routes) > 0 && t.ReplayTopic != ""
		for _, r := range t.Routes {
			whole = whole && r.Workspace == s.Target
		}
		if !whole || t.Name == stream.Name {
			continue
		}
		if slices.ContainsFunc(stream.Routes, func(r partition.Route) bool { return r.Workspace == s.Target }) && s.Workspace == "" {
			return "", refuse("choose the shards of one other workspace with its name", "part of %s is routed to %s already", stream.Name, s.Target)
		}
		return t.Name, nil
	}
	return "", refuse("add a stream that is routed to it wholly; it may stay empty", "no stream is routed wholly to %s, so none has a replay tier for it", s.Target)
}

// guard refuses what would carry data out of its region.
func (d Deps) guard(stream Stream, source string, to Workspace) error {
	const remedy = "choose a workspace of the same region"
	if stream.Residency != "" && to.Region != stream.Residency {
		return refuse(remedy, "the stream %s must stay in region %s and the workspace %s is in %s", stream.Name, stream.Residency, to.Name, said(to.Region))
	}
	from, _ := d.workspace(source)
	if from.Region != "" && to.Region != from.Region {
		return refuse(remedy, "the workspace %s is in region %s and the workspace %s is in %s", source, from.Region, to.Name, said(to.Region))
	}
	return nil
}

func said(region string) string {
	if region == "" {
		return "none that it says"
	}
	return region
}
