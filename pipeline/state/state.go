// Package state keeps small documents that must last, as replay jobs, pauses
// and the audit trail, in one compacted topic, and follows it. Every member and
// every command that opens the topic sees the same documents: the order of the
// log decides, and nothing else is asked.
//
// A document is replaced by Put, whatever it was, or by Swap, only if it is
// still what the writer saw. Compaction keeps the last record of each Kafka key,
// whether our rules accept it or not; so a Swap's record has a Kafka key of its
// own, and a Swap that lost can never push out the one that won. What was
// replaced or lost is removed with a tombstone by whoever replaced it or, if
// that process died first, by any Store that runs.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
)

// Config says where the documents are.
type Config struct {
	Kafka partition.Config
	Topic string
}

// MaxBody is how many bytes of JSON a document may have.
const MaxBody = 256 << 10

// What a Store refuses.
var (
	// ErrChanged says that a document is not, or no longer, what the caller of
	// Swap saw.
	ErrChanged = errors.New("the document has changed")
	// ErrTooLarge says that a document has more than MaxBody bytes.
	ErrTooLarge = errors.New("the document is too large")
	// ErrNoTopic says that the topic does not exist.
	ErrNoTopic = errors.New("it does not exist; create it with sluice topics apply")
)

// Document is one document as a Store holds it.
type Document struct {
	Key     string
	Body    json.RawMessage // not to be changed
	Version int64           // rises with every change; of all documents none has the same, and none has 0
	Time    time.Time       // of the change
}

// Store holds the documents of one topic in memory and follows it. It is safe
// for concurrent use.
type Store struct {
	topic    string
	wait     time.Duration
	log      *zap.Logger
	appender *partition.Appender

	turn     chan struct{}       // holds one token unless somebody reads
	follower *partition.Follower // used by whoever took the token

	mu       sync.Mutex // guards the fields below
	book     book
	next     int64           // every record below it is in the book
	changed  chan struct{}   // closed at the next change of a document
	moved    chan struct{}   // closed when next moves
	outcomes map[string]bool // our own Swaps under way, by the key of their record: whether it was accepted
}

// leastWait keeps a Store that runs from asking without pause.
const leastWait = 50 * time.Millisecond

// Open reads the topic to its end and returns its documents; ErrNoTopic when it
// does not exist. What comes later is seen once Run follows the topic, or after
// Refresh. The Store must be closed.
func Open(ctx context.Context, cfg Config, log *zap.Logger) (*Store, error) {
	log = log.Named("state")
	follower, err := partition.NewFollower(cfg.Kafka, cfg.Topic, 0, 0)
	if err != nil {
		return nil, err
	}
	appender, err := partition.NewAppender(cfg.Kafka, log)
	if err != nil {
		follower.Close()
		return nil, err
	}
	s := &Store{
		topic: cfg.Topic, wait: max(cfg.Kafka.FetchWait, leastWait), log: log, appender: appender, follower: follower,
		turn: make(chan struct{}, 1), book: book{}, outcomes: map[string]bool{},
		changed: make(chan struct{}), moved: make(chan struct{}),
	}
	s.turn <- struct{}{}
	if err := s.Refresh(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close lets go of Kafka. Run must have ended.
func (s *Store) Close() {
	s.follower.Close()
	s.appender.Close()
}

// Get returns a document, and whether there is one.
func (s *Store) Get(key string) (Document, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.book[key]
	if e == nil || e.deleted {
		return Document{}, false
	}
	return e.document, true
}

// List returns the documents whose key begins with prefix, by key.
func (s *Store) List(prefix string) []Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Document
	for _, key := range slices.Sorted(maps.Keys(s.book)) {
		if e := s.book[key]; !e.deleted && strings.HasPrefix(key, prefix) {
			found = append(found, e.document)
		}
	}
	return found
}

// Changed is closed at the next change of any document; ask again after that.
// Who asks before looking misses nothing.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// explained gives a fault of reading the words of a person.
func (s *Store) explained(err error) error {
	if errors.Is(err, partition.ErrNoTopic) {
		return fmt.Errorf("topic %s: %w", s.topic, ErrNoTopic)
	}
	return err
}
