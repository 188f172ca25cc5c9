package simulator

// What belongs to a profile: devices, relationships and segments.

// addDevice gives a person a device, which it takes from whoever had it.
func (w *workspace) addDevice(c *call) result {
	p := w.findOrCreate(c.user)
	if p == nil {
		return ignored
	}
	w.giveDevice(p, c.token, device{platform: c.platform, raw: string(c.device)})
	return carriedOut
}

func (w *workspace) giveDevice(p *profile, token string, d device) {
	if owner := w.devices[token]; owner != nil {
		delete(owner.devices, token)
	}
	if p.devices == nil {
		p.devices = make(map[string]device)
	}
	p.devices[token] = d
	w.devices[token] = p
}

func (w *workspace) deleteDevice(c *call) {
	p := w.find(c.user)
	if p == nil || w.devices[c.token] != p {
		return
	}
	delete(p.devices, c.token)
	delete(w.devices, c.token)
}

// addRelations is relate for a profile that may have to be created.
func (w *workspace) addRelations(c *call) result {
	p := w.findOrCreate(c.user)
	if p == nil {
		return ignored
	}
	w.relate(p, c)
	return carriedOut
}

// relate links a profile with the other ends of a call's relationships.
func (w *workspace) relate(p *profile, c *call) {
	for relation := range elements(c.relations) {
		who, wrong := readRelationEnd(relation, relationEndOf(c.op))
		if wrong != nil || w.isSuppressed(who) {
			continue
		}
		if end := w.findOrCreate(who); end != nil && end != p {
			link(p, end, string(objectOrNil(field(relation, "relationship_attributes"))))
		}
	}
}

func link(p, q *profile, attributes string) {
	for _, pair := range [][2]*profile{{p, q}, {q, p}} {
		if pair[0].related == nil {
			pair[0].related = make(map[*profile]string)
		}
		pair[0].related[pair[1]] = attributes
	}
}

func (w *workspace) deleteRelations(p *profile, c *call) {
	if p == nil {
		return
	}
	for relation := range elements(c.relations) {
		who, wrong := readRelationEnd(relation, relationEndOf(c.op))
		if end := w.find(who); wrong == nil && end != nil {
			delete(p.related, end)
			delete(end.related, p)
		}
	}
}

// segment adds people to a manual segment, or removes them. Ids of nobody are
// ignored.
func (w *workspace) segment(c *call) {
	for id := range elements(c.members) {
		p := w.find(ident{c.by, string(text(id))})
		switch {
		case p == nil:
		case c.op == opSegmentAdd:
			p.join(c.segment)
		default:
			delete(p.segments, c.segment)
		}
	}
}

func (p *profile) join(segment string) {
	if p.segments == nil {
		p.segments = make(map[string]struct{})
	}
	p.segments[segment] = struct{}{}
}
