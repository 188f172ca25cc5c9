package simulator

// anonymousDays is how old an anonymous event may be to become the person's.
const anonymousDays = 30

// identify creates or updates a person or an object. Timestamps order the
// updates, attribute by attribute.
func (w *workspace) identify(c *call, at int64) result {
	p := w.find(c.user)
	if p == nil && c.updateOnly {
		w.counts.FailedUpdates++
		return ignored
	}
	if p == nil {
		p = w.findOrCreate(c.user)
	}
	if p == nil {
		return ignored
	}
	for name, value := range members(c.attributes) {
		w.update(p, c, attributeUpdate{name, value, at})
	}
	if c.unrelate {
		w.deleteRelations(p, c)
	} else {
		w.relate(p, c)
	}
	return carriedOut
}

// attributeUpdate is one attribute of an identify, with the time that orders it.
type attributeUpdate struct {
	name, value []byte
	at          int64
}

// update sets one attribute of a profile. Some are identifiers: one that
// another person has, or a person's id in place of the id by which it was
// asked for, fails on its own.
func (w *workspace) update(p *profile, c *call, u attributeUpdate) {
	if name := string(u.name); name == "_timestamp" || name == "_update" || name == "cio_relationships" {
		return
	}
	person := p.names[byCioObject] == ""
	kind := personKind(string(u.name))
	switch {
	case person && (kind == byID || kind == byEmail) && len(text(u.value)) > 0:
		who := ident{kind, string(text(u.value))}
		changesID := kind == byID && p.names[byID] != "" && p.names[byID] != who.value && c.user.kind != byCio
		if holder := w.find(who); changesID || holder != nil && holder != p {
			w.counts.FailedUpdates++
			return
		}
		if p.set(u.name, u.value, u.at) {
			w.name(p, who)
		}
	case person && kind == byAnonymous && len(text(u.value)) > 0:
		if p.set(u.name, u.value, u.at) {
			w.adopt(p, ident{byAnonymous, string(text(u.value))}, u.at)
		}
	default:
		p.set(u.name, u.value, u.at)
	}
}

// adopt makes a person of someone anonymous: what they did in the last thirty
// days was this person's doing.
func (w *workspace) adopt(p *profile, who ident, at int64) {
	stranger := w.find(who)
	if stranger == p || stranger != nil && !stranger.isAnonymous() {
		return
	}
	if stranger != nil {
		for _, event := range stranger.anonymousEvents {
			if at-event <= anonymousDays*24*3600 {
				p.events++
			}
		}
		inherit(p, stranger)
		w.remove(stranger)
	}
	w.name(p, who)
}

// merge makes one person of two. The primary keeps what it has, and gets what
// it has not.
func (w *workspace) merge(primary, secondary *profile) result {
	if primary == nil || secondary == nil || primary == secondary {
		w.counts.FailedUpdates++
		return ignored
	}
	for name, value := range secondary.attributes {
		if _, found := primary.attributes[name]; !found {
			primary.set([]byte(name), []byte(value.value), value.at)
		}
	}
	primary.events += secondary.events
	devices, names := secondary.devices, secondary.idents()
	for segment := range secondary.segments {
		primary.join(segment)
	}
	inherit(primary, secondary)
	w.remove(secondary)
	for token, d := range devices {
		w.giveDevice(primary, token, d)
	}
	for _, who := range names {
		if primary.names[who.kind] == "" {
			w.name(primary, who)
		}
	}
	return carriedOut
}

// inherit gives one profile the relationships of another.
func inherit(heir, from *profile) {
	for neighbour, attributes := range from.related {
		if _, found := heir.related[neighbour]; !found && neighbour != heir {
			link(heir, neighbour, attributes)
		}
	}
}

// block is what was suppressed together.
type block struct{ idents []ident }

func (w *workspace) isSuppressed(who ident) bool {
	return len(w.suppressed) > 0 && w.suppressed[who.key()] != nil
}

// suppress deletes a person and blocks all identifiers it had.
func (w *workspace) suppress(who ident) {
	b := &block{idents: []ident{who.key()}}
	if p := w.find(who); p != nil {
		for _, name := range p.idents() {
			b.idents = append(b.idents, name.key())
		}
		w.remove(p)
	}
	for _, name := range b.idents {
		w.suppressed[name] = b
	}
}

// unsuppress takes the block off. The person stays deleted.
func (w *workspace) unsuppress(who ident) {
	b := w.suppressed[who.key()]
	if b == nil {
		return
	}
	for _, name := range b.idents {
		delete(w.suppressed, name)
	}
}
