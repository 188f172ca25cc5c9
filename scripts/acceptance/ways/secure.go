package ways

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
	"sluice/scripts/kafka/authority"
)

// principal is the user of the secure broker that nothing is allowed at first.
const principal = "User:sluice"

// secured is a stage on the broker that asks who is there.
type secured struct {
	*stage
	access []rig.Access // what topics acls asks for, and what was allowed
}

// secure prepares a stream and allows the user what `sluice topics acls` lists,
// and nothing else.
func (w ways) secure(ctx context.Context, name string) (*secured, error) {
	kafka, err := w.rig.SecureKafka(ctx)
	if err != nil {
		return nil, err
	}
	folder := kafka.Printed["SECRETS"]
	st, err := w.prepare(ctx, kafka, name, map[string]string{
		"tls":  fmt.Sprintf("{ca: %q}", "file:"+filepath.Join(folder, "ca.pem")),
		"sasl": login("file:" + filepath.Join(folder, "sluice.password")),
	})
	if err != nil {
		return nil, err
	}
	s := &secured{stage: st}
	o, err := w.rig.Try(ctx, "topics", "acls", "--principal", principal, "-c", st.file, "-o", "json")
	if err != nil {
		return nil, err
	}
	var answer struct {
		ACLs []rig.Access `json:"acls"`
	}
	if err := rig.LastObject(o.Out, &answer); err != nil {
		return nil, err
	}
	s.access = answer.ACLs
	for _, a := range s.access {
		if err := kafka.Allow(ctx, principal, a); err != nil {
			return nil, err
		}
	}
	return s, st.apply(ctx)
}

func login(password string) string {
	return fmt.Sprintf("{mechanism: SCRAM-SHA-512, username: sluice, password: %q}", password)
}

// scram goes the whole way over SCRAM and TLS, allowed what topics acls lists.
func (w ways) scram(ctx context.Context, r *suite.Result) error {
	const events = 2_000
	s, err := w.secure(ctx, "scram")
	if err != nil {
		return err
	}
	member, err := w.rig.Run(s.config, "")
	if err != nil {
		return err
	}
	if err := member.Ready(ctx); err != nil {
		return err
	}
	file, err := w.rig.WriteLines("scram", rig.NewLines(200, 5), events)
	if err != nil {
		return err
	}
	produced, err := w.rig.Produce(ctx, s.file, s.stream, file)
	if err != nil {
		return err
	}
	if err := s.kafka.AwaitCaughtUp(ctx, s.config.Group, s.stream, time.Minute); err != nil {
		return err
	}
	v, err := w.rig.Check(ctx, file, s.sim.URL, "-c", s.file)
	if err != nil {
		return err
	}
	r.AtLeast("ACLs of topics acls", float64(len(s.access)), 4, "")
	r.Equal("produced", produced.Succeeded, events)
	r.Equal("delivered", v.Delivered, events)
	r.Equal("lost", v.Lost, 0)
	r.Equal("duplicates", v.Duplicates, 0)
	r.Equal("order breaks", v.OrderBreaks, 0)
	return member.Stop(40 * time.Second)
}

// refusal is one way in which a secure broker and we do not come together.
type refusal struct {
	name   string
	change func(*rig.Config) // of the stage's own configuration
	forbid rig.Access        // an ACL that is taken away meanwhile; none when empty
	words  []string          // of the diagnosis
}

func (s *secured) refusals() ([]refusal, error) {
	folder := s.kafka.Printed["SECRETS"]
	stranger, err := authority.New("another authority")
	if err != nil {
		return nil, fmt.Errorf("make another authority: %w", err)
	}
	wrong := map[string][]byte{"wrong.password": []byte(apiKey), "stranger.pem": stranger.PEM}
	for name, content := range wrong {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
	}
	file := func(name string) string { return "file:" + filepath.Join(folder, name) }
	return []refusal{
		{name: "wrong password", words: []string{"password is wrong", "kafka.sasl"}, change: func(c *rig.Config) { c.Kafka["sasl"] = login(file("wrong.password")) }},
		{name: "expired certificate", words: []string{"expired", "renew"}, change: func(c *rig.Config) { c.Brokers = s.kafka.Printed["EXPIRED"] }},
		{name: "wrong CA", words: []string{"authority that is not trusted", "kafka.tls.ca"}, change: func(c *rig.Config) { c.Kafka["tls"] = fmt.Sprintf("{ca: %q}", file("stranger.pem")) }},
		{name: "no ACL on the topic", words: []string{"topic", "ACL", "Write"}, forbid: rig.Access{Resource: "topic", Name: s.stream, Operation: "Write"}},
	}, nil
}

// diagnoses has every way go wrong: each command that meets it ends at once
// with one line that says what is wrong and what to do, and run keeps saying so.
func (w ways) diagnoses(ctx context.Context, r *suite.Result) error {
	s, err := w.secure(ctx, "refused")
	if err != nil {
		return err
	}
	refusals, err := s.refusals()
	if err != nil {
		return err
	}
	file, err := w.rig.WriteLines("refused", rig.NewLines(2, 6), 3)
	if err != nil {
		return err
	}
	for _, c := range refusals {
		if err := s.refuse(ctx, r, c, file); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return s.refuseGroup(ctx, r)
}

// refuse plays one way on produce and, where the whole broker is out of reach,
// on run.
func (s *secured) refuse(ctx context.Context, r *suite.Result, c refusal, input string) error {
	config := s.config
	config.Kafka = maps.Clone(config.Kafka)
	if c.change != nil {
		c.change(&config)
	} else if err := s.kafka.Forbid(ctx, principal, c.forbid); err != nil {
		return err
	}
	file, err := config.Write(s.rig, "off", "off")
	if err != nil {
		return err
	}
	began := time.Now()
	o, err := s.rig.Try(ctx, "produce", s.stream, input, "-c", file)
	if err != nil {
		return err
	}
	said := strings.TrimSpace(o.Err)
	have, ok := "code 1, one line", o.Code == 1 && diagnosed(said, c.words)
	if !ok {
		have = fmt.Sprintf("code %d, %s", o.Code, said)
	}
	r.Holds(c.name, ok, have, fmt.Sprintf("with %q", c.words))
	r.AtMost(c.name+" told in", time.Since(began).Seconds(), 15, " s")
	if c.change == nil {
		return s.kafka.Allow(ctx, principal, c.forbid)
	}
	return s.lament(ctx, r, c.name, config, c.words)
}

// refuseGroup takes the group's ACL away from a member.
func (s *secured) refuseGroup(ctx context.Context, r *suite.Result) error {
	read := rig.Access{Resource: "group", Name: s.config.Group, Operation: "Read"}
	if err := s.kafka.Forbid(ctx, principal, read); err != nil {
		return err
	}
	if err := s.lament(ctx, r, "no ACL on the group", s.config, []string{"group", "ACL", "Read"}); err != nil {
		return err
	}
	return s.kafka.Allow(ctx, principal, read)
}

// lament runs a member that cannot work: it must not keep that to itself.
func (s *secured) lament(ctx context.Context, r *suite.Result, name string, config rig.Config, words []string) error {
	member, err := s.rig.Run(config, "")
	if err != nil {
		return err
	}
	defer member.Kill()
	told := func(context.Context) bool {
		log, err := os.ReadFile(member.Log)
		if err != nil {
			return false
		}
		for line := range strings.Lines(string(log)) {
			if diagnosed(strings.TrimSpace(line), words) {
				return true
			}
		}
		return false
	}
	err = rig.Await(ctx, 30*time.Second, "the member to say why", told)
	have := "logged"
	if err != nil {
		have = member.Tail(2)
	}
	r.Holds(name+", run", err == nil, have, fmt.Sprintf("with %q", words))
	return ctx.Err()
}

// diagnosed tells whether text is one line with all the words.
func diagnosed(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return !strings.Contains(text, "\n")
}
