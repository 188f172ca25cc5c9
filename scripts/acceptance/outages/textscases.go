package outages

import (
	"context"
	"strings"
)

// refusals are those of the commands about dead letters, the group and shards.
func (st *stage) refusals() []situation {
	const unknown = "no-such-stream"
	return []situation{
		{name: "dead ls of an unknown stream", args: []string{"dead", "ls", unknown}, names: []string{unknown, st.stream}, code: 2},
		{name: "dead show of what is not there", args: []string{"dead", "show", st.stream, "0/99999"}, names: []string{"no such dead letter"}, code: 1},
		{name: "dead show of an event that did not die", args: []string{"dead", "show", st.stream, "01JD5ZC3W8F9N3V0Y5B6Q7R8ST"}, names: []string{"01JD5ZC3W8F9N3V0Y5B6Q7R8ST"}, code: 1},
		{name: "dead ls of nothing", args: []string{"dead", "ls", st.stream, "--status", "599"}, names: []string{"status=599"}, code: 0},
		{name: "dead export of nothing", args: []string{"dead", "export", st.stream, "--user", "nobody"}, names: []string{"0 letters"}, code: 0},
		{name: "dead drop of nothing", args: []string{"dead", "drop", st.stream, "--reason", "gave_up", "--yes", "--why", "drill"}, names: []string{"0 letters"}, code: 0},
		{name: "dead redrive of nothing", args: []string{"dead", "redrive", st.stream, "--reason", "gave_up"}, names: []string{"0 letters"}, code: 0, safe: true},
		{name: "dead redrive, the plan", args: []string{"dead", "redrive", st.stream, "--reason", "not_json"}, names: []string{"2"}, code: 0, safe: true},
		{name: "dead redrive of an unknown workspace", args: []string{"dead", "redrive", st.stream, "--workspace", "nobody"}, names: []string{"nobody"}, code: 0},
		{name: "dead drop, the plan", args: []string{"dead", "drop", st.stream, "--reason", "not_json"}, names: []string{"2"}, code: 0, safe: true},
		{name: "dead drop of everything", args: []string{"dead", "drop", st.stream}, names: []string{"--all"}, code: 0, safe: true},
		{name: "dead with a wrong time", args: []string{"dead", "ls", st.stream, "--since", "yesterday"}, names: []string{"yesterday"}, code: 2},
		{name: "group reset while members run", args: []string{"group", "reset", "--stream", st.stream, "--to", "start"}, names: []string{"member"}, code: 1, safe: true},
		{name: "group reset, done while members run", args: []string{"group", "reset", "--stream", st.stream, "--to", "end", "--yes"}, names: []string{"member"}, code: 1, safe: true},
		{name: "group reset of an unknown stream", args: []string{"group", "reset", "--stream", unknown, "--to", "start"}, names: []string{unknown}, code: 2},
		{name: "group reset to nowhere", args: []string{"group", "reset", "--stream", st.stream, "--to", "somewhen"}, names: []string{"somewhen"}, code: 2},
		{name: "shard resume of what goes on", args: []string{"shard", "resume", st.stream, "0", "--at", "start"}, names: []string{st.stream}, code: 1, safe: true},
		{name: "shard resume of all when none is stopped", args: []string{"shard", "resume", st.stream, "all", "--at", "start"}, names: []string{st.stream}, code: 0, safe: true},
		{name: "shard resume of no such partition", args: []string{"shard", "resume", st.stream, "99", "--at", "start"}, names: []string{"99"}, code: 2},
		{name: "shard resume of an unknown stream", args: []string{"shard", "resume", unknown, "0", "--at", "start"}, names: []string{unknown}, code: 2},
	}
}

// away are what every command says when Kafka cannot be reached: that, and that
// nothing was changed.
func (st *stage) away() []situation {
	var all []situation
	for _, args := range [][]string{
		{"dead", "ls", st.stream},
		{"dead", "redrive", st.stream, "--all", "--yes"},
		{"group", "ls"},
		{"group", "describe"},
		{"group", "reset", "--stream", st.stream, "--to", "start", "--yes"},
		{"shard", "resume", st.stream, "0", "--at", "start"},
		{"shard", "resume", st.stream, "all", "--at", "start"},
		{"replay", "plan", st.stream, "--since", "1h"},
		{"replay", "start", st.stream, "--since", "1h", "--yes"},
		{"replay", "ls"},
		{"replay", "cancel", "01ZZZZZZZZZZZZZZZZZZZZZZZZ"},
		{"topics", "apply"},
	} {
		all = append(all, situation{
			name: strings.Join(args, " ") + ", without Kafka", args: args, names: []string{"Kafka cannot be reached", "kafka.brokers"}, code: 1, safe: true, away: true,
		})
	}
	return all
}

// replays are what the commands about replays say; it starts one to ask about.
func (st *stage) replays(ctx context.Context) ([]situation, error) {
	started := struct {
		Job replayed `json:"job"`
	}{}
	if err := st.must(ctx, &started, "replay", "start", st.stream, "--since", "1h", "--yes"); err != nil {
		return nil, err
	}
	id := started.Job.ID
	if err := st.must(ctx, nil, "replay", "cancel", id); err != nil {
		return nil, err
	}
	const unknown = "no-such-stream"
	of := func(deed string, args ...string) []string { return append([]string{"replay", deed}, args...) }
	return []situation{
		{name: "replay plan", args: of("plan", st.stream, "--since", "1h"), names: []string{workspace, "deleted"}, code: 0, safe: true},
		{name: "replay plan of nothing", args: of("plan", st.stream, "--since", "1h", "--user", "nobody-at-all"), code: 1, safe: true},
		{name: "replay plan of a time that holds nothing", args: of("plan", st.stream, "--since", "2001-01-01", "--until", "2001-01-02"), names: []string{"UTC"}, code: 1, safe: true},
		{name: "replay start of nothing", args: of("start", st.stream, "--since", "1h", "--user", "nobody-at-all", "--yes"), names: []string{"nothing to replay"}, code: 1, safe: true},
		{name: "replay rehearsal at no simulator", args: of("start", st.stream, "--since", "1h", "--to", "simulator:http://127.0.0.1:1"), names: []string{"127.0.0.1:1"}, code: 1, safe: true},
		{name: "replay plan of an unknown stream", args: of("plan", unknown, "--since", "1h"), names: []string{unknown, st.stream}, code: 2},
		{name: "replay plan without a window", args: of("plan", st.stream), names: []string{"--since"}, code: 2},
		{name: "replay plan of the future", args: of("plan", st.stream, "--since", "2099-01-01"), names: []string{"2099"}, code: 2},
		{name: "replay start without --yes", args: of("start", st.stream, "--since", "1h"), names: []string{"--yes"}, code: 2, safe: true},
		{name: "replay start to an unknown workspace", args: of("start", st.stream, "--since", "1h", "--to", "nobody", "--yes"), names: []string{"nobody"}, code: 2},
		{name: "replay status of an unknown id", args: of("status", "01ZZZZZZZZZZZZZZZZZZZZZZZZ"), names: []string{"01ZZZZZZZZZZZZZZZZZZZZZZZZ"}, code: 1},
		{name: "replay status of a cancelled one", args: of("status", id), names: []string{"cancelled"}, code: 1, safe: true},
		{name: "replay resume of a cancelled one", args: of("resume", id), names: []string{"cancelled"}, code: 1, safe: true},
		{name: "replay pause of a cancelled one", args: of("pause", id), names: []string{"cancelled"}, code: 1, safe: true},
	}, nil
}
