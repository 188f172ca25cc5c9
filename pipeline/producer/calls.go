package producer

import (
	"context"
	"time"

	"sluice/pipeline/event"
)

// Identify creates a person, or an object, or updates the attributes that are
// given. Attributes marshal to a JSON object as encoding/json does it; nil has
// none. Options: At, Header.
//
// Among a person's attributes some are special: id, email and anonymous_id are
// identifiers to add, _update: true never creates anybody, and
// cio_subscription_preferences holds topics.
func (p *Producer) Identify(ctx context.Context, who Identity, attributes any, opts ...Option) error {
	c := call{method: "identify", action: event.OpIdentify, who: who, attributes: attributes, timed: !who.isObject()}
	return p.do(ctx, &c, opts)
}

// Track says that a person did something. Data marshals to a JSON object as
// encoding/json does it; nil is none. Options: At, EventID, Header.
func (p *Producer) Track(ctx context.Context, who Identity, name string, data any, opts ...Option) error {
	c := happening("track", event.OpEvent, who, name, data)
	return p.do(ctx, &c, opts)
}

// Page says that a person saw a page of a site; it is otherwise like Track.
func (p *Producer) Page(ctx context.Context, who Identity, name string, data any, opts ...Option) error {
	c := happening("page", event.OpPage, who, name, data)
	return p.do(ctx, &c, opts)
}

// Screen says that a person saw a screen of an app; it is otherwise like Track.
func (p *Producer) Screen(ctx context.Context, who Identity, name string, data any, opts ...Option) error {
	c := happening("screen", event.OpScreen, who, name, data)
	return p.do(ctx, &c, opts)
}

// Device is where a person's push messages go.
type Device struct {
	Token      string    // by which the push service knows it
	Platform   string    // ios or android
	LastUsed   time.Time // zero: not said; whole seconds count
	Attributes any       // marshals to a JSON object: device_os, app_version, the application's own
}

// AddDevice gives a person a device, or updates it. Options: Header.
func (p *Producer) AddDevice(ctx context.Context, who Identity, device Device, opts ...Option) error {
	return p.do(ctx, &call{method: "add device", action: event.OpAddDevice, who: who, personal: true, device: device}, opts)
}

// DeleteDevice takes the device of that token from a person. Options: Header.
func (p *Producer) DeleteDevice(ctx context.Context, who Identity, token string, opts ...Option) error {
	return p.do(ctx, &call{method: "delete device", action: event.OpDeleteDevice, who: who, personal: true, device: Device{Token: token}}, opts)
}

// Delete removes a person or an object. A later Identify creates it anew.
// Options: Header.
func (p *Producer) Delete(ctx context.Context, who Identity, opts ...Option) error {
	return p.do(ctx, &call{method: "delete", action: event.OpDelete, who: who}, opts)
}

// Suppress deletes a person and blocks all their identifiers until Unsuppress.
// Options: Header.
func (p *Producer) Suppress(ctx context.Context, who Identity, opts ...Option) error {
	return p.do(ctx, &call{method: "suppress", action: event.OpSuppress, who: who, personal: true}, opts)
}

// Unsuppress takes the block off; the person stays deleted. Options: Header.
func (p *Producer) Unsuppress(ctx context.Context, who Identity, opts ...Option) error {
	return p.do(ctx, &call{method: "unsuppress", action: event.OpUnsuppress, who: who, personal: true}, opts)
}

// Merge makes one person of two: the primary one, who gets what the secondary
// had, and keeps their own. Both are named by ID, Email or CioID. The event is
// kept in order with the primary's, not with the secondary's. Options: Header.
func (p *Producer) Merge(ctx context.Context, primary, secondary Identity, opts ...Option) error {
	return p.do(ctx, &call{method: "merge", action: event.OpMerge, who: primary, personal: true, other: secondary}, opts)
}

// Relationship links a person with an object, seen from one of the two.
type Relationship struct {
	With       Identity // an object for a person's; a person for an object's, by ID, Email or CioID
	Attributes any      // of the relationship; marshals to a JSON object. A deletion has none
}

// AddRelationships links a person with objects, or an object with people.
// Options: Header.
func (p *Producer) AddRelationships(ctx context.Context, who Identity, links []Relationship, opts ...Option) error {
	return p.do(ctx, &call{method: "add relationships", action: event.OpAddRelationships, who: who, links: links}, opts)
}

// DeleteRelationships takes such links away. Options: Header.
func (p *Producer) DeleteRelationships(ctx context.Context, who Identity, links []Relationship, opts ...Option) error {
	return p.do(ctx, &call{method: "delete relationships", action: event.OpDeleteRelationships, who: who, links: links}, opts)
}

// Entity sends a Track v2 entity that the application made itself, for what no
// method says: JSON text as []byte or json.RawMessage, which goes out byte for
// byte, or anything that marshals to one. It is judged as strictly as the
// methods' own. Options: Header.
func (p *Producer) Entity(ctx context.Context, entity any, opts ...Option) error {
	return p.do(ctx, &call{method: "entity", attributes: entity, whole: true}, opts)
}

// Send sends any JSON object, given as for Entity, to a stream whose
// destination is not Customer.io: a backend of the application's own, say. User
// is the record's key: the events of a key stay in order. The Producer's Form
// must be Object. Options: EventID, Header.
func (p *Producer) Send(ctx context.Context, user string, object any, opts ...Option) error {
	c := call{method: "send", action: event.OpSend, who: ID(user), attributes: object, whole: true, named: true}
	return p.do(ctx, &c, opts)
}

func happening(method string, action event.Op, who Identity, name string, data any) call {
	return call{
		method: method, action: action, who: who, personal: true, name: name, attributes: data,
		named: true, timed: true,
	}
}
