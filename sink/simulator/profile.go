package simulator

import "fmt"

// profile is a person, someone anonymous, or an object.
type profile struct {
	names      [identKinds]string // its identifiers, as written
	attributes map[string]attribute
	devices    map[string]device
	related    map[*profile]string // both ways, with the relationship's attributes
	segments   map[string]struct{}
	events     int64

	anonymousEvents []int64 // unix seconds, of someone anonymous only
}

// attribute is a value, as raw JSON, and the unix time that ordered it.
type attribute struct {
	value string
	at    int64
}

// device is where push messages go.
type device struct {
	platform string
	raw      string // as sent
}

// create makes a profile that is known by one identifier.
func (w *workspace) create(who ident) *profile {
	p := &profile{}
	p.names[who.kind] = who.value
	w.profiles[who.key()] = p
	w.assigned++
	switch who.kind {
	case byAnonymous:
		return p
	case byObject:
		w.objects++
		w.name(p, ident{byCioObject, fmt.Sprintf("ob%06x", w.assigned)})
	case byNothing, byID, byEmail, byPhone, byCio, byCioObject, byDelivery, identKinds:
		w.people++
		w.name(p, ident{byCio, fmt.Sprintf("a3%06x", w.assigned)})
	}
	return p
}

// name gives a profile an identifier in place of the one of that kind that it
// had. It reports false, and does nothing, when another profile has it.
func (w *workspace) name(p *profile, who ident) bool {
	if holder := w.find(who); holder != nil && holder != p {
		return false
	}
	if old := p.names[who.kind]; old != "" {
		delete(w.profiles, ident{who.kind, old}.key())
	}
	p.names[who.kind] = who.value
	w.profiles[who.key()] = p
	return true
}

// isAnonymous reports that nobody knows who it is.
func (p *profile) isAnonymous() bool { return p.names[byCio] == "" && p.names[byCioObject] == "" }

// idents returns all identifiers of a profile.
func (p *profile) idents() []ident {
	var all []ident
	for kind := byID; kind < identKinds; kind++ {
		if p.names[kind] != "" {
			all = append(all, ident{kind, p.names[kind]})
		}
	}
	return all
}

// remove forgets a profile, with its identifiers, devices and relationships.
func (w *workspace) remove(p *profile) {
	if p == nil {
		return
	}
	for _, who := range p.idents() {
		delete(w.profiles, who.key())
	}
	for token := range p.devices {
		delete(w.devices, token)
	}
	for neighbour := range p.related {
		delete(neighbour.related, p)
	}
	switch {
	case p.names[byCioObject] != "":
		w.objects--
	case !p.isAnonymous():
		w.people--
	}
}

// set gives an attribute a value, unless the one it has is of a later time;
// of two with the same time the one that arrives later stays.
func (p *profile) set(name, value []byte, at int64) bool {
	old, found := p.attributes[string(name)]
	if found && old.at > at {
		return false
	}
	if p.attributes == nil {
		p.attributes = make(map[string]attribute)
	}
	if !found || old.value != string(value) {
		old.value = string(value)
	}
	p.attributes[string(name)] = attribute{old.value, at}
	return true
}
