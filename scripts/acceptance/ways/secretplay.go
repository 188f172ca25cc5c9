package ways

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
)

// secretPlay is what the secrets are looked for in.
type secretPlay struct {
	*outputs
	kafka  *rig.Kafka
	topic  string
	input  string                    // a file of events, one of them unfit
	listen [2]string                 // metrics and actions
	files  map[string]string         // configurations by what is right or wrong with them
	sims   map[string]*rig.Simulator // one that takes the key, one that does not
}

func (w ways) secretPlay(ctx context.Context) (*secretPlay, error) {
	kafka, err := w.rig.Kafka(ctx, 1)
	if err != nil {
		return nil, err
	}
	p := &secretPlay{
		outputs: &outputs{rig: w.rig, dir: w.rig.Path(w.rig.Name("secrets")), leaked: map[string][]string{}},
		kafka:   kafka, topic: w.rig.Name("secrets"), files: map[string]string{}, sims: map[string]*rig.Simulator{},
	}
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	for i := range p.listen {
		if p.listen[i], err = rig.FreeAddr(); err != nil {
			return nil, err
		}
	}
	if p.sims["takes"], err = w.rig.Simulate(ctx, nil, "--key", siteID+":"+apiKey); err != nil {
		return nil, err
	}
	if p.sims["refuses"], err = w.rig.Simulate(ctx, nil, "--key", siteID+":another"); err != nil {
		return nil, err
	}
	return p, p.write()
}

// write writes the input and the configurations.
func (p *secretPlay) write() error {
	literal, _ := manyMistakes()
	for _, pair := range secretEnv() {
		name, value, _ := strings.Cut(pair, "=")
		literal = strings.ReplaceAll(literal, "${"+name+"}", strings.ReplaceAll(value, `"`, `\"`))
	}
	texts := map[string]string{
		"right":   p.config("takes", ""),
		"refused": p.config("refuses", ""),
		"sasl":    p.config("takes", "sasl: {mechanism: PLAIN, username: sluice, password: \"${WAYS_PASSWORD}\"}"),
		"down":    strings.Replace(p.config("takes", ""), p.kafka.Brokers, "127.0.0.1:1", 1),
		"wrong":   literal,
	}
	for name, text := range texts {
		p.files[name] = filepath.Join(p.dir, name+".yaml")
		if err := os.WriteFile(p.files[name], []byte(text), 0o600); err != nil {
			return fmt.Errorf("write a configuration: %w", err)
		}
	}
	p.input = filepath.Join(p.dir, "events.ndjson")
	events := `{"user":"1","event":"purchase","data":{"total":1}}` + "\n{unfit\n" + `{"user":"2","traits":{"plan":"a"}}` + "\n"
	if err := os.WriteFile(p.input, []byte(events), 0o600); err != nil {
		return fmt.Errorf("write the input: %w", err)
	}
	return nil
}

// config is a file with a workspace that a simulator plays and one whose
// endpoint is down.
func (p *secretPlay) config(simulator, kafka string) string {
	return fmt.Sprintf(`kafka:
  brokers: [%q]
  group: %s
  %s
listen: {metrics: %q, actions: %q}
workspaces:
  shop:
    sink: customerio
    region: us
    site_id: ${WAYS_SITE}
    api_key: ${WAYS_KEY}
    base_url: %q
  hook:
    sink: webhook
    url: http://127.0.0.1:1/events
    headers: {Authorization: "Bearer ${WAYS_TOKEN}"}
streams:
  %s: {workspace: shop, partitions: 4, replication: 1}
  %s-hook: {workspace: hook, partitions: 4, replication: 1}
`, p.kafka.Brokers, p.topic, kafka, p.listen[0], p.listen[1], p.sims[simulator].URL, p.topic, p.topic)
}

// commands asks the binary for every command that it has, as a shell's
// completion does. There is no configuration in the folder, so that no name of
// a stream looks like a command.
func (p *secretPlay) commands(ctx context.Context, above []string) ([]string, error) {
	binary, err := p.rig.Sluice()
	if err != nil {
		return nil, err
	}
	args := append(append([]string{binary, "__complete"}, above...), "")
	o, err := rig.Try(ctx, rig.Call{Dir: p.dir, Args: args})
	if err != nil {
		return nil, err
	}
	var commands []string
	for line := range strings.Lines(o.Out) {
		name, description, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || description == "" || name == "help" {
			continue
		}
		path := append(slices.Clone(above), name)
		below, err := p.commands(ctx, path)
		if err != nil {
			return nil, err
		}
		if len(below) == 0 {
			below = []string{strings.Join(path, " ")}
		}
		commands = append(commands, below...)
	}
	return commands, nil
}

// arguments are what each command is called with; those that serve until they
// are stopped are tried by members. A command that is not here fails the check.
func (p *secretPlay) arguments() map[string][]string {
	return map[string][]string{
		"check":             {"--input", p.input, "--sim", p.sims["takes"].URL},
		"completion":        {"bash"},
		"config check":      nil,
		"config docs":       nil,
		"config init":       {"--workspace", "a", "--region", "us", "--stream", "s", "--to", filepath.Join(p.dir, "init.yaml"), "--force"},
		"config schema":     nil,
		"config show":       nil,
		"dev":               {"--kafka", "nowhere"},
		"dead drop":         {p.topic, "--all", "--yes", "--why", "none is needed"},
		"dead export":       {p.topic},
		"dead ls":           {p.topic},
		"dead redrive":      {p.topic, "--all", "--yes"},
		"dead show":         {p.topic, "0/0", "--payload"},
		"doctor":            nil,
		"group describe":    nil,
		"group ls":          nil,
		"group reset":       {"--stream", p.topic, "--to", "start"},
		"health":            nil,
		"man":               {filepath.Join(p.dir, "man")},
		"produce":           {p.topic, p.input},
		"deferred cancel":   {p.topic, "--user", "1"},
		"deferred ls":       {p.topic},
		"deferred withdraw": {"R8ST"},

		"replay cancel":  {"R8ST"},
		"replay ls":      nil,
		"replay pause":   {"R8ST"},
		"replay plan":    {p.topic, "--since", "start"},
		"replay resume":  {"R8ST"},
		"replay start":   {p.topic, "--since", "start", "--to", "simulator"},
		"replay status":  {"R8ST"},
		"route":          {p.topic, "42"},
		"rules check":    {"--sample", p.input, "--stream", p.topic},
		"rules simulate": {p.input, "--stream", p.topic, "--svg", filepath.Join(p.dir, "rules.svg")},
		"run":            {"--roles", "nothing"},
		"send":           {p.input, "--workspace", "shop", "--give-up-after", "2s"},
		"shard resume":   {p.topic, "0", "--at", "start"},
		"simulate":       {"--listen", "nowhere", "--key", siteID + ":" + apiKey},
		"topics acls":    nil,
		"topics apply":   {"--force"},
		"topics check":   nil,
		"topics plan":    nil,
		"version":        nil,
	}
}

// everyCommand calls each command on each file, for a person and for a program,
// and returns those that it does not know how to call.
func (p *secretPlay) everyCommand(ctx context.Context, commands []string) (untried []string, err error) {
	arguments := p.arguments()
	for _, command := range commands {
		own, known := arguments[command]
		if !known {
			untried = append(untried, command)
			continue
		}
		for _, file := range []string{"right", "refused", "sasl", "down", "wrong"} {
			for _, form := range []string{"text", "json"} {
				args := append(strings.Fields(command), own...)
				if err := p.try(ctx, append(args, "-c", p.files[file], "-o", form, "--log-level", "debug")...); err != nil {
					return nil, err
				}
			}
		}
	}
	return untried, nil
}

// value is a key with a value on its line.
var value = regexp.MustCompile(`(?m)^( +[a-z_]+): .+$`)

// wrongPlaces puts a secret where each value of a file belongs.
func (p *secretPlay) wrongPlaces(ctx context.Context) error {
	for _, at := range value.FindAllStringSubmatchIndex(rightFile, -1) {
		file := filepath.Join(p.dir, p.rig.Name("place")+".yaml")
		text := rightFile[:at[3]] + ": ${WAYS_KEY}" + rightFile[at[1]:]
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write a configuration: %w", err)
		}
		for _, form := range []string{"text", "json"} {
			if err := p.try(ctx, "config", "check", "-c", file, "-o", form); err != nil {
				return err
			}
		}
	}
	return nil
}

// members runs what serves until it is stopped, asks its pages and reads its
// log: taken and refused by the destination, refused by the brokers.
func (p *secretPlay) members(ctx context.Context) error {
	raws := []rig.Raw{{Key: []byte("1"), Value: []byte("{unfit")}, {Key: []byte("2"), Value: []byte(`{"who":"2"}`)}}
	for _, topic := range []string{p.topic, p.topic + "-hook"} {
		if err := p.kafka.Produce(ctx, topic, raws); err != nil {
			return err
		}
	}
	for _, file := range []string{"right", "refused", "sasl"} {
		if err := p.serve(ctx, 5*time.Second, "run", "-c", p.files[file], "--log-level", "debug"); err != nil {
			return err
		}
	}
	return p.serve(ctx, 3*time.Second, "dev", "-c", p.files["right"], "--kafka", "127.0.0.1:0", "--simulator", "127.0.0.1:0", "--log-level", "debug")
}

func (p *secretPlay) serve(ctx context.Context, span time.Duration, args ...string) error {
	binary, err := p.rig.Sluice()
	if err != nil {
		return err
	}
	process, err := p.rig.Start(args[0], rig.Pipes{Env: secretEnv()}, binary, args...)
	if err != nil {
		return err
	}
	defer process.Kill()
	if err := rig.Pause(ctx, span); err != nil {
		return err
	}
	answered := 0
	for _, addr := range p.listen {
		for _, page := range []string{"/metrics", "/health", "/readyz", "/livez", "/", "/config", "/debug/pprof/cmdline"} {
			if _, body, err := rig.Get(ctx, "http://"+addr+page); err == nil {
				p.look(args[0]+" "+page, string(body))
				answered++
			}
		}
	}
	process.Kill()
	log, err := os.ReadFile(process.Log)
	if err == nil && (answered == 0 || len(log) == 0) {
		err = errors.New("it neither answered nor logged: " + process.Tail(3))
	}
	p.look(strings.Join(args, " "), string(log))
	return err
}

// letters looks at what stands in Kafka and at the simulators' logs.
func (p *secretPlay) letters(ctx context.Context) error {
	records, err := p.kafka.ReadAll(ctx, p.topic+".dead")
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return errors.New("no dead letter to look at")
	}
	for _, record := range records {
		p.look("a dead letter", fmt.Sprintf("%s %v", record.Value, record.Headers))
	}
	for name, sim := range p.sims {
		log, err := os.ReadFile(sim.Log)
		if err != nil {
			return fmt.Errorf("read the log of the simulator that %s: %w", name, err)
		}
		p.look("the simulator that "+name, string(log))
	}
	return nil
}
