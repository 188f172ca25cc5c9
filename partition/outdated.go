package partition

import "sluice/pipeline/event"

// maxUndone bounds the users of one shard of whom it is remembered that a
// destructive call was delivered while a replay was under way.
const maxUndone = 100_000

// undo notes that a live destructive call was delivered: what a replay brings of
// that user from before it must not be sent any more. Nothing needs to be known
// while the replay tier is empty: whoever fills it looks at the live log first.
func (w *whole) undo(e *event.Event) {
	replay, at := w.owned[Replay], e.First()
	if e.Op == event.OpMerge { // the user of its key is the one who stays
		return
	}
	if e.Key == nil || replay == nil || at.Topic != w.topics[Live] {
		return
	}
	if replay.records == 0 && replay.win.read >= replay.end {
		clear(w.undone)
		return
	}
	if w.undone == nil {
		w.undone = map[uint64]int64{}
	}
	if len(w.undone) < maxUndone {
		user := replay.queue.hash(e.Key) // whatever lanes the stream has of him
		w.undone[user] = max(w.undone[user], at.Offset)
	}
}

// drop settles what a replay lane begins with that a later destructive call has
// undone, and reports whether nothing of the lane is left.
func (q *queue) drop(l *lane) (empty bool) {
	s := l.shard
	if s.id.Tier != Replay || !l.keyed || len(s.whole.undone) == 0 {
		return false
	}
	before, known := s.whole.undone[q.hash(l.head.event.Key)]
	for known && l.head != nil {
		it := l.head
		from := it.event.First()
		if from.Topic != s.whole.topics[Live] || from.Partition != s.id.Partition || from.Offset >= before {
			break
		}
		s.settle(it, Dropped)
		l.head = it.next
		q.events.Put(it.event)
		q.items.put(it)
	}
	if l.head != nil {
		return false
	}
	delete(s.lanes, l.hash)
	q.lanes.put(l)
	return true
}
