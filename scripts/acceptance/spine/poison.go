package spine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// poisons are records that no destination could ever take, with the reason
// that their dead letters must carry. Their keys are users who also have good
// events before and after.
func poisons() (raws []rig.Raw, reasons []string) {
	entity := func(typ, attributes string) []byte {
		return fmt.Appendf(nil, `{"type":%q,"action":"event","identifiers":{"id":"u00001"},"name":"purchase","attributes":{%s}}`, typ, attributes)
	}
	raws = []rig.Raw{
		{Key: []byte("u00000"), Value: []byte(`{"type":"person","action":`)},
		{Key: []byte("u00001"), Value: entity("person", `"note":"`+strings.Repeat("x", 200_000)+`"`)},
		{Key: []byte("u00001"), Value: entity("martian", `"note":"x"`)},
		{Key: []byte{}, Value: entity("person", `"note":"x"`)},
		{Key: []byte("u00002"), Value: nil},
	}
	return raws, []string{"not_json", "too_large", "unknown_type", "empty_key", "tombstone"}
}

// poison puts unfit records among good ones.
func (s spine) poison(ctx context.Context, r *suite.Result) error {
	const half = 500
	sim, err := s.rig.Simulate(ctx, []string{"shop"}, "--latency", "5ms")
	if err != nil {
		return err
	}
	st, err := s.stage(ctx, rig.Config{
		Workspaces: []rig.Workspace{{Name: "shop", BaseURL: sim.URL, Settings: unpaced()}},
		Streams:    []rig.Stream{{Name: "poison", Workspace: "shop", Partitions: 6}},
	})
	if err != nil {
		return err
	}
	members, err := st.members(ctx, "")
	if err != nil {
		return err
	}
	feed, err := st.rig.Feed(st.file, st.stream, "500/s", rig.NewLines(50, 2))
	if err != nil {
		return err
	}
	if err := rig.Pause(ctx, time.Second); err != nil {
		return err
	}
	raws, reasons := poisons()
	if err := st.kafka.Produce(ctx, st.stream, raws); err != nil {
		return err
	}
	if err := rig.Pause(ctx, time.Second); err != nil {
		return err
	}
	report, err := feed.Stop(ctx)
	if err != nil {
		return err
	}
	if err := st.settled(ctx, 30*time.Second); err != nil {
		return err
	}
	letters, err := st.kafka.ReadAll(ctx, st.stream+".dead")
	if err != nil {
		return err
	}
	tally := rig.NewTally()
	if err := tally.Update(ctx, sim); err != nil {
		return err
	}
	r.AtLeast("good events", float64(report.Succeeded), half, "")
	r.Equal("of them delivered", tally.Unique, report.Succeeded)
	r.Equal("order breaks", tally.OrderBreaks, 0)
	r.Equal("dead letters", int64(len(letters)), int64(len(raws)))
	for i, raw := range raws {
		judgeLetter(r, st.stream, raw, reasons[i], letters)
	}
	r.Holds("member", members[0].Running(), fmt.Sprintf("running %t", members[0].Running()), "running")
	return stop(members)
}

// judgeLetter finds the dead letter of a record, byte for byte the same, with
// its reason and where it came from.
func judgeLetter(r *suite.Result, topic string, raw rig.Raw, reason string, letters []rig.Record) {
	for _, l := range letters {
		if l.Headers["sluice-reason"] != reason {
			continue
		}
		same := string(l.Key) == string(raw.Key) && (l.Key == nil) == (raw.Key == nil) &&
			string(l.Value) == string(raw.Value) && (l.Value == nil) == (raw.Value == nil)
		from := strings.HasPrefix(l.Headers["sluice-source"], topic+"/")
		r.Holds(reason, same && from, fmt.Sprintf("same bytes %t, from %s", same, l.Headers["sluice-source"]), "same bytes and its source")
		return
	}
	r.Holds(reason, false, "no dead letter", "one")
}
