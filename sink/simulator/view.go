package simulator

import (
	"encoding/json"
	"slices"
)

// Person is what GET /_sim/people/{id} tells of a person, and
// GET /_sim/objects/{type}/{id} of an object.
type Person struct {
	Workspace   string                     `json:"workspace"`
	ID          string                     `json:"id,omitempty"`
	Email       string                     `json:"email,omitempty"`
	Phone       string                     `json:"phone,omitempty"`
	CioID       string                     `json:"cio_id,omitempty"`
	AnonymousID string                     `json:"anonymous_id,omitempty"`
	Object      string                     `json:"object,omitempty"` // type:id
	CioObjectID string                     `json:"cio_object_id,omitempty"`
	Attributes  map[string]json.RawMessage `json:"attributes"`
	Timestamps  map[string]int64           `json:"timestamps"` // unix seconds, by attribute
	Devices     []json.RawMessage          `json:"devices"`
	Related     []Relation                 `json:"related"`
	Segments    []string                   `json:"segments"`
	Events      int64                      `json:"events"` // events, pages and screens that took effect
}

// Relation is one relationship, seen from one of its ends.
type Relation struct {
	With       string          `json:"with"` // type:id of an object, else the first identifier there is
	Attributes json.RawMessage `json:"attributes,omitempty"`
}

// Person returns whom an identifier names: an id, email, phone number, cio_id
// or anonymous id, tried in this order. An empty site means any workspace, by
// the order of their site IDs. It is safe for concurrent use.
func (s *Simulator) Person(site, id string) (Person, bool) {
	return s.look(site, []ident{{byID, id}, {byEmail, id}, {byPhone, id}, {byCio, id}, {byAnonymous, id}})
}

// Object returns the object of a type and id, like Person.
func (s *Simulator) Object(site, kind, id string) (Person, bool) {
	return s.look(site, []ident{{byObject, kind + ":" + id}})
}

func (s *Simulator) look(site string, names []ident) (Person, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sites []string
	for have := range s.workspaces {
		if site == "" || have == site {
			sites = append(sites, have)
		}
	}
	slices.Sort(sites)
	for _, have := range sites {
		for _, name := range names {
			if p := s.workspaces[have].find(name); p != nil {
				return p.view(have), true
			}
		}
	}
	return Person{}, false
}

func (p *profile) view(site string) Person {
	v := Person{
		Workspace: site, ID: p.names[byID], Email: p.names[byEmail], Phone: p.names[byPhone], CioID: p.names[byCio],
		AnonymousID: p.names[byAnonymous], Object: p.names[byObject], CioObjectID: p.names[byCioObject],
		Attributes: make(map[string]json.RawMessage, len(p.attributes)),
		Timestamps: make(map[string]int64, len(p.attributes)),
		Devices:    []json.RawMessage{},
		Related:    []Relation{},
		Segments:   []string{},
		Events:     p.events,
	}
	for name, a := range p.attributes {
		v.Attributes[name] = json.RawMessage(a.value)
		v.Timestamps[name] = a.at
	}
	for _, token := range sortedKeys(p.devices) {
		v.Devices = append(v.Devices, json.RawMessage(p.devices[token].raw))
	}
	for neighbour, attributes := range p.related {
		relation := Relation{With: neighbour.label()}
		if attributes != "" {
			relation.Attributes = json.RawMessage(attributes)
		}
		v.Related = append(v.Related, relation)
	}
	slices.SortFunc(v.Related, func(a, b Relation) int {
		if a.With < b.With {
			return -1
		}
		return 1
	})
	v.Segments = append(v.Segments, sortedKeys(p.segments)...)
	return v
}

// label is the name a reader knows a profile by.
func (p *profile) label() string {
	for _, kind := range []identKind{byObject, byID, byEmail, byPhone, byAnonymous, byCio, byCioObject} {
		if p.names[kind] != "" {
			return p.names[kind]
		}
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
