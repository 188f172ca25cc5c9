package partition

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"sluice/pipeline/event"
)

const (
	// surveyAgain is how soon a survey that failed is made again.
	surveyAgain = time.Second
	// surveyQuiet is for how long one may bring nothing until it counts as failed.
	surveyQuiet = 5 * time.Second
)

// errQuiet ends a survey that brings nothing.
var errQuiet = errors.New("the tier has more, and nothing of it comes")

// surveys are the shards of held tiers and overflows whose logs are to be read
// for who is on them. It
// is safe for concurrent use.
type surveys struct {
	mu   sync.Mutex
	wait []survey
	kick chan struct{} // capacity 1
}

// survey is one such shard, and where its log ended when it was given to us:
// whoever had it before appends nothing to it that we have to know of.
type survey struct {
	shard    *shard
	from, to int64
}

func (s *surveys) add(one survey) {
	s.mu.Lock()
	s.wait = append(s.wait, one)
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *surveys) take() []survey {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.wait
	s.wait = nil
	return all
}

// lookForCaptured finds out, for shards of held tiers and overflows that were just
// loaded, whether anything is on them: mostly nothing is, and their live tier may
// go at once.
func (s *session) lookForCaptured(ctx context.Context, cl *kgo.Client, shards []*shard) error {
	asked := map[string][]int32{}
	for _, sh := range shards {
		asked[sh.topic] = append(asked[sh.topic], sh.id.Partition)
	}
	if len(asked) == 0 {
		return nil
	}
	ends, err := listOffsets(ctx, cl, asked, atEnd)
	if err != nil {
		return fmt.Errorf("find where the tiers end that hold users: %w", err)
	}
	for _, sh := range shards {
		from, to, ok := sh.unsettled(ends[sh.topic][sh.id.Partition])
		switch {
		case !ok: // it waits for an operator, and its live tier with it
		case from >= to:
			sh.surveyed()
		default:
			s.surveys.add(survey{sh, from, to})
		}
	}
	return nil
}

// unsettled is the stretch of the log up to end that has to be known; from its
// end on, what comes is noted as it is read.
func (s *shard) unsettled(end int64) (from, to int64, ok bool) {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	s.captured.surveyedTo = end
	return s.win.base, end, s.loaded
}

// surveyor makes surveys until ctx ends, all that wait by one client.
func (c *Consumer) surveyor(ctx context.Context, s *session) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.surveys.kick:
		}
		for left := s.surveys.take(); len(left) > 0; {
			var err error
			if left, err = c.survey(ctx, left); err == nil {
				break
			}
			if ctx.Err() != nil {
				return
			}
			lament(c.log, "read who is held; their shards wait", err, zap.Int("shards", len(left)))
			select {
			case <-ctx.Done():
				return
			case <-time.After(surveyAgain):
			}
			left = append(left, s.surveys.take()...) // who came since does not wait for who cannot be read
		}
	}
}

// survey reads the keys of such shards; it returns those that it has not read
// to the end.
func (c *Consumer) survey(ctx context.Context, all []survey) ([]survey, error) {
	from := map[string]map[int32]kgo.Offset{}
	left := map[topicPartition]survey{}
	for _, one := range all {
		at := topicPartition{one.shard.topic, one.shard.id.Partition}
		if one.shard.phaseNow() == closed {
			continue
		}
		if from[at.topic] == nil {
			from[at.topic] = map[int32]kgo.Offset{}
		}
		from[at.topic][at.partition] = kgo.NewOffset().At(one.from)
		left[at] = one
	}
	if len(left) == 0 {
		return nil, nil
	}
	cl, err := c.cfg.newReader(c.log, from)
	if err != nil {
		return all, err
	}
	defer cl.Close()
	if err := passGone(ctx, cl, left); err != nil {
		return rest(left), err
	}
	for len(left) > 0 {
		polling, done := context.WithTimeout(ctx, surveyQuiet)
		fetches := cl.PollFetches(polling)
		done()
		if err := ctx.Err(); err != nil {
			return nil, err //nolint:wrapcheck // nobody is told
		}
		if polling.Err() != nil && fetches.Empty() {
			return rest(left), errQuiet
		}
		for _, fault := range fetches.Errors() {
			return rest(left), fmt.Errorf("read %s/%d: %w", fault.Topic, fault.Partition, fault.Err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			at := topicPartition{p.Topic, p.Partition}
			one, wanted := left[at]
			if !wanted || len(p.Records) == 0 {
				return
			}
			if next := one.read(p.Records); next >= one.to {
				one.shard.surveyed()
				delete(left, at)
			} else {
				one.from = next // where another try goes on
				left[at] = one
			}
		})
	}
	return nil, nil
}

// passGone ends the surveys of what is not in the log any more: nothing of that
// would ever come.
func passGone(ctx context.Context, cl *kgo.Client, left map[topicPartition]survey) error {
	asked := map[string][]int32{}
	for at := range left {
		asked[at.topic] = append(asked[at.topic], at.partition)
	}
	starts, err := listOffsets(ctx, cl, asked, atStart)
	if err != nil {
		return fmt.Errorf("find where the tiers start that hold users: %w", err)
	}
	for at, one := range left {
		if starts[at.topic][at.partition] >= one.to {
			one.shard.surveyed()
			delete(left, at)
		}
	}
	return nil
}

func rest(left map[topicPartition]survey) []survey {
	all := make([]survey, 0, len(left))
	for _, one := range left {
		all = append(all, one)
	}
	return all
}

// read notes the keys of records and returns the offset after the last of them.
func (v survey) read(records []*kgo.Record) (next int64) {
	s := v.shard
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	for _, r := range records {
		next = r.Offset + 1
		if r.Attrs.IsControl() || r.Offset >= v.to || s.phase == closed {
			continue
		}
		was := pastOf(r)
		var hash uint64
		if r.Key != nil {
			hash = s.laneHash(r.Key, was.class)
		}
		if !s.win.settled(r.Offset) {
			s.hold(hash, r.Key != nil && !was.deferred, r.Offset, len(r.Key)+len(r.Value)+recordOverhead)
		}
		if c, ours := s.copyOf(was.at, was.made, r.Offset); ours && !was.deferred {
			s.note(c, hash, r.Key != nil)
		}
	}
	return next
}

// past is what the headers of a record of a tier of ours tell of it.
type past struct {
	at       event.Source // where it stood first
	made     time.Time    // its time there
	class    string       // the name of its class
	deferred bool
}

func pastOf(r *kgo.Record) (was past) {
	for _, h := range r.Headers {
		switch h.Key {
		case event.HeaderSource:
			was.at, _ = event.ParseSource(string(h.Value))
		case event.HeaderTime:
			was.made, _ = time.Parse(time.RFC3339, string(h.Value))
		case event.HeaderMoveClass:
			was.class = string(h.Value)
		case event.HeaderDue:
			was.deferred = true
		}
	}
	return was
}
