package outages

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// situation is a command that somebody types at three in the morning, and what
// its answer has to name.
type situation struct {
	name  string
	args  []string
	names []string // what happened, in these words among others
	code  int      // of the exit
	safe  bool     // the command would change something, so it must say what is safe
	away  bool     // Kafka is
}

// texts collects what the commands say in a set of wrong situations, and of
// every plan, into a file, and judges each.
func (s outages) texts(ctx context.Context, r *suite.Result) error {
	st, err := s.troubled(ctx)
	if err != nil {
		return err
	}
	away := st.config
	if away.Brokers, err = rig.FreeAddr(); err != nil {
		return err
	}
	awayFile, err := away.Write(s.rig, "off", "off")
	if err != nil {
		return err
	}
	situations := append(st.refusals(), st.away()...)
	replays, err := st.say(ctx, "replay", "ls")
	if err != nil {
		return err
	}
	if replays.Code == 0 {
		more, err := st.replays(ctx)
		if err != nil {
			return err
		}
		situations = append(situations, more...)
	} else {
		r.Holds("replay", false, replays.Err, "a command")
	}
	var all strings.Builder
	bad := 0
	for _, sit := range situations {
		file := st.file
		if sit.away {
			file = awayFile
		}
		o, err := st.rig.Try(ctx, append(sit.args, "-c", file)...)
		if err != nil {
			return fmt.Errorf("%s: %w", sit.name, err)
		}
		faults := judge(sit, o)
		_, _ = fmt.Fprintf(&all, "## %s\n$ sluice %s\n%s%s(exit %d)\n", sit.name, strings.Join(sit.args, " "), o.Out, o.Err, o.Code)
		for _, fault := range faults {
			_, _ = fmt.Fprintf(&all, "!! %s\n", fault)
		}
		_ = all.WriteByte('\n')
		if len(faults) > 0 {
			bad++
			r.Holds(sit.name, false, strings.Join(faults, "; "), "reads well")
		}
	}
	path := st.rig.Path("texts.txt")
	if err := os.WriteFile(path, []byte(all.String()), 0o600); err != nil {
		return fmt.Errorf("keep the texts: %w", err)
	}
	r.AtLeast("situations", float64(len(situations)), 20, "")
	r.Equal("of them badly told", int64(bad), 0)
	r.Note("all of them", path)
	return st.stop()
}

// troubled is a stage with a member that runs, events and dead letters.
func (s outages) troubled(ctx context.Context) (*stage, error) {
	st, err := s.stage(ctx, plan{rate: 100, items: 10, latency: "5ms"})
	if err != nil {
		return nil, err
	}
	if err := st.start(ctx, 1); err != nil {
		return nil, err
	}
	h := newHistory(20)
	if err := st.play(ctx, h); err != nil {
		return nil, err
	}
	poison := []rig.Raw{{Key: []byte("p0001"), Value: []byte("{")}, {Key: []byte("p0002"), Value: []byte("no JSON")}}
	if err := st.kafka.Produce(ctx, st.stream, poison); err != nil {
		return nil, err
	}
	return st, st.kafka.AwaitCaughtUp(ctx, st.config.Group, st.stream, time.Minute)
}

// The widest lines: of tables and lists, and of sentences, which a terminal may
// fold between words.
const (
	columns  = 120
	sentence = 160
)

// insides is what no answer may show: of Go, of the Kafka client, of our HTTP.
const insides = `goroutine \d|panic:|context deadline exceeded|context canceled|%!|<nil>|\bEOF\b|0x[0-9a-f]{6}|kerr\.|kgo\.|\*errors|` +
	`dial tcp|shard errors|\{"error"`

// judge says what is wrong with an answer. Paths of ours are taken for the
// sluice.yaml that a person has.
func judge(s situation, o rig.Outcome) []string {
	text := regexp.MustCompile(`/\S*\.yaml`).ReplaceAllString(o.Out+o.Err, "sluice.yaml")
	var faults []string
	if o.Code != s.code {
		faults = append(faults, fmt.Sprintf("exit %d instead of %d", o.Code, s.code))
	}
	for _, want := range s.names {
		if !strings.Contains(text, want) {
			faults = append(faults, fmt.Sprintf("does not name %q", want))
		}
	}
	if raw := regexp.MustCompile(insides).FindString(text); raw != "" {
		faults = append(faults, fmt.Sprintf("tells of our insides: %q", raw))
	}
	if !says(s, text) {
		faults = append(faults, "says nothing to type next")
	}
	safe := regexp.MustCompile(`(?i)\b(nothing|unchanged|not started|no topic|stays|stay|goes on|go on|keeps?|is lost|changes? no)\b`)
	if s.safe && !safe.MatchString(text) {
		faults = append(faults, "does not say what is safe or unchanged")
	}
	most := columns
	if o.Code != 0 {
		most = sentence
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, `{"level"`) { // of the log, for programs
			continue
		}
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > most {
			faults = append(faults, fmt.Sprintf("has a line of %d columns", n))
			break
		}
	}
	return faults
}

// says tells whether an answer says what to type next: a command, or what is
// changed about the one that was typed.
func says(s situation, text string) bool {
	if regexp.MustCompile(`\bsluice [a-z]+|run the same with --`).MatchString(strings.ReplaceAll(text, "sluice: ", "")) {
		return true
	}
	const wrongUsage = 2 // mended in the very line: with the right word, form or range
	return s.code == wrongUsage && regexp.MustCompile(`[Ww]rite it as|must be|; sluice.yaml has|has the partitions|now is`).MatchString(text)
}
