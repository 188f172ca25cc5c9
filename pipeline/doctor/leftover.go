package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"sluice/pipeline/tiers"
)

// leftovers looks for events on the topics of tiers that a stream had while it
// had other rules, and has no more: no member reads them. It is silent where it
// may not ask, as somebody who never had such topics was never granted to.
func (k *kafka) leftovers(ctx context.Context) {
	waits := func(events int64) string {
		if events == 1 {
			return "1 event waits"
		}
		return fmt.Sprintf("%d events wait", events)
	}
	for _, s := range k.cfg.Streams {
		absent := tiers.Absent(s)
		lags, err := k.admin.Lag(ctx, k.cfg.Kafka.Group, slices.Collect(maps.Keys(absent))...)
		if err != nil {
			continue
		}
		waiting := map[string]int64{}
		for _, l := range lags {
			waiting[l.Topic] += l.Lag()
		}
		for _, topic := range slices.Sorted(maps.Keys(waiting)) {
			if waiting[topic] == 0 {
				continue
			}
			k.say(Finding{
				Check: Topics, Subject: topic, State: Failed,
				What:   fmt.Sprintf("%s in it, and stream %s has no such tier any more: no member reads it", waits(waiting[topic]), s.Name),
				Remedy: absent[topic] + " and restart the members; once the topic is empty it may be taken back",
			})
		}
	}
}
