package spread

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// The campaign's case: a budget of so many requests of one event each, of which
// the campaign may have 1500 a minute. The pacers go at 98.5 % of a rate.
const (
	campaignBudget = 150
	campaignRate   = 25
	campaignMost   = 27 // in any second
	used           = 0.985
)

// campaign has a backlog of one campaign beside others who could use all that
// is left of the budget.
func (s spread) campaign(members int) func(context.Context, *suite.Result) error {
	return func(ctx context.Context, r *suite.Result) error {
		st, err := s.stage(ctx, members, map[string]string{
			"budget":          fmt.Sprintf("{requests: %d/s, events: unlimited}", campaignBudget),
			"max_batch_items": "1",
			"rules":           "[{name: campaign, match: {event: promo, campaign_id: 42}, rate: 1500/min}]",
		})
		if err != nil {
			return err
		}
		backlog := s.pick(20_000, 100_000)
		err = st.produce(ctx, backlog, func(i int) string {
			return fmt.Sprintf(`{"user":"c%06d","event":"promo","data":{"campaign_id":42}}`, i)
		})
		if err != nil {
			return err
		}
		feed, err := s.rig.Feed(st.file, st.stream, fmt.Sprintf("%d/s", campaignBudget), rig.NewLines(5_000, 7))
		if err != nil {
			return err
		}
		const settling = 10 * time.Second
		if err := rig.Pause(ctx, settling); err != nil {
			return err
		}
		from := time.Now()
		live, err := st.memory(ctx, time.Duration(s.pick(45, 240))*time.Second)
		if err != nil {
			return err
		}
		to := time.Now()
		if _, err := feed.Stop(ctx); err != nil {
			return err
		}
		if err := st.update(ctx); err != nil {
			return err
		}
		campaign, others := st.times("promo"), st.times("purchase")
		r.Note("backlog", fmt.Sprint(backlog))
		r.AtMost("campaign's busiest second", float64(campaign.Busiest(time.Second)), campaignMost, "")
		r.AtLeast("campaign's rate used", 100*campaign.Rate(from, to)/campaignRate, 96, "%")
		r.AtLeast("the others' share used", 100*others.Rate(from, to)/(used*campaignBudget-campaignRate), s.gate(97, 93), "%")
		third := len(live) / 3
		r.AtMost("memory in use, last third of the time", slices.Max(live[2*third:])/slices.Max(live[third:2*third]), 1.15, " times the second")
		r.Note("memory in use", fmt.Sprintf("%.0f MiB at most", slices.Max(live)/(1<<20)))
		return st.stop()
	}
}

// memory watches for a while what memory the members use, all together.
func (st *stage) memory(ctx context.Context, long time.Duration) ([]float64, error) {
	var sums []float64
	for end := time.Now().Add(long); time.Now().Before(end); {
		if err := rig.Pause(ctx, min(3*time.Second, time.Until(end))); err != nil {
			return nil, err
		}
		sum := 0.0
		for _, m := range st.running() {
			live, err := m.Live(ctx)
			if err != nil {
				return nil, err
			}
			sum += live
		}
		sums = append(sums, sum)
	}
	return sums, nil
}
