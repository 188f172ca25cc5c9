// Package replay delivers a range of a stream again, on purpose: it plans what
// that would do, keeps the jobs, and copies events to the stream's replay tier.
//
// A replay reads a window of the live topic without a group, so that no live
// group's offsets change, and appends copies to the replay topic, whose owner is
// the live shard's owner: live and replay share one budget by construction. A
// copy carries the first place and the original time, so it has the id of its
// original and a profile's later attributes win over it.
//
// A profile is never moved backwards. Before anything is copied, the live topic
// is read from the window's start to its end for calls that destroy, and what
// stands before the delete or suppression of a user is left out. So is the call
// itself when its user came back since (a suppression: when it was lifted), and
// what came while the user was suppressed. Where the window was never delivered,
// a delete that is left out so leaves there what the user had before the window.
//
// A merge that is replayed puts things right by itself: what stands before it of
// whom it makes go is copied, and it is copied once that is settled, in whatever
// shard it stands; what came after it waits for it. A merge that is not replayed
// (it is outside of the window, or whom it made go is there again) has all of
// them before it left out, for they must not come back. Whom a merge keeps is
// replayed in any case: times guard their attributes. So a window that was lost
// comes out as it was, and one that was delivered changes nothing; but of whom a
// merge made go and who came back and stayed, the one who was kept gets nothing.
//
// While copies are made the live topic is followed, so a user deleted meanwhile
// is left out from then on. What was on the replay tier by then is seconds of the
// budget at most; the shard's owner drops it, unless somebody else's shard holds
// the call. A merge whose primary is deleted in just those seconds is left out,
// and its secondary, when copied already, stays.
//
// Calls are found by the record's key and by whom they name, within one stream
// and from the window's start on: a delete on another stream of the same
// workspace is not seen, nor one by another of the user's identifiers. Order is
// promised for each key, and for a merge between keys: objects that other people's
// relationships bring back and identifiers that an attribute changes are not
// followed, as when they were delivered first.
//
// Jobs live in the operators' state: replay/<id> is the job, replay/<id>/shard/<n>
// how far a shard is, replay/<id>/claim who copies it. A member claims a job,
// renews the claim while it copies, and stops by its own clock well before others
// may take it for dead. Whoever goes on reads the end of the replay tier for what
// its predecessor appended after its last note, so a kill doubles nothing.
package replay

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
)

// KindCustomerio is the Kind of a workspace of Customer.io, whose calls are
// told apart. Any other kind takes whatever it is given.
const KindCustomerio = "customerio"

// Stream is a stream as a replay needs to know it.
type Stream struct {
	Name        string
	Topic       string // of the live tier
	ReplayTopic string
	Residency   string // the region that its workspaces must have; empty for any
	Partitions  int32
	Routes      []partition.Route
}

// workspace is where a partition goes, empty when no route covers it.
func (s Stream) workspace(number int32) string {
	for _, r := range s.Routes {
		if r.From <= number && number <= r.To {
			return r.Workspace
		}
	}
	return ""
}

// Workspace is a destination as a replay needs to know it.
type Workspace struct {
	Name      string
	Kind      string        // KindCustomerio, or any other
	Region    string        // empty: not said
	Rate      float64       // attempts a second; 0: unlimited
	EventRate float64       // events a second, counted inside batches; 0: unlimited
	Batch     int           // events in one attempt at most
	EventID   time.Duration // how long our own guard drops the same id again; 0: it does not
	// Prepare fits an event to the destination, as its sink does, so that what the
	// destination could never take is left out. Nil judges by Kind alone. It must
	// be safe for concurrent use.
	Prepare func(*event.Event)
}

// prepare fits e to the destination, or gives it a Fault.
func (w Workspace) prepare(e *event.Event) {
	switch {
	case w.Prepare != nil:
		w.Prepare(e)
	case w.Kind == KindCustomerio:
		e.PrepareEntity()
	default:
		e.PrepareBytes()
	}
}

// Cluster is what is needed of Kafka. Append calls done exactly once, from any
// goroutine, unless its context ends first.
type Cluster interface {
	Bounds(ctx context.Context, topic string) (partition.Bounds, error)
	OffsetsAt(ctx context.Context, topic string, at time.Time) (map[int32]int64, error)
	Lag(ctx context.Context, group string, topics ...string) ([]partition.ShardLag, error)
	Topics(ctx context.Context, names ...string) (map[string]partition.TopicInfo, error)
	Read(ctx context.Context, r partition.Range, fn func(event.Record) error) error
	Append(ctx context.Context, r event.Record, done func(partition.Position, error))
}

// Deps is what a Desk and a Runner work with. Nothing in it is changed or closed.
type Deps struct {
	Kafka      partition.Config
	Streams    []Stream
	Workspaces []Workspace
	Group      string // of the members that deliver
	Store      Store  // a *state.Store
	Log        *zap.Logger
	Now        func() time.Time // nil: time.Now
	Cluster    Cluster          // nil: the one that Kafka names
}

func (d Deps) now() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}

func (d Deps) stream(name string) (Stream, bool) {
	for _, s := range d.Streams {
		if s.Name == name {
			return s, true
		}
	}
	return Stream{}, false
}

func (d Deps) workspace(name string) (Workspace, bool) {
	for _, w := range d.Workspaces {
		if w.Name == name {
			return w, true
		}
	}
	return Workspace{}, false
}

// connect returns the cluster and what ends the use of it.
func (d Deps) connect() (Cluster, func(), error) {
	if d.Cluster != nil {
		return d.Cluster, func() {}, nil
	}
	admin, err := partition.NewAdmin(d.Kafka)
	if err != nil {
		return nil, nil, err
	}
	appender, err := partition.NewAppender(d.Kafka, d.Log.Named("replay"))
	if err != nil {
		admin.Close()
		return nil, nil, err
	}
	return &cluster{Admin: admin, cfg: d.Kafka, appender: appender}, func() { appender.Close(); admin.Close() }, nil
}

// cluster is a real one.
type cluster struct {
	*partition.Admin
	cfg      partition.Config
	appender *partition.Appender
}

func (c *cluster) Read(ctx context.Context, r partition.Range, fn func(event.Record) error) error {
	return partition.ReadRange(ctx, c.cfg, r, fn)
}

func (c *cluster) Append(ctx context.Context, r event.Record, done func(partition.Position, error)) {
	c.appender.Append(ctx, r, done)
}

// RefusedError says that something is not done, why, and what to do instead.
type RefusedError struct {
	Reason string // what happened
	Remedy string // what to do next
}

// Error implements error.
func (e *RefusedError) Error() string { return e.Reason + "; " + e.Remedy }

func refuse(remedy, format string, args ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(format, args...), Remedy: remedy}
}
