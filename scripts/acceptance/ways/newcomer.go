package ways

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// The sections of the README that a newcomer follows.
const (
	tryIt        = "Try it"
	install      = "Install"
	ownKafka     = "Point it at your own Kafka and workspace"
	withoutKafka = "Without Kafka"
)

// newcomer follows the README in a fresh clone.
type newcomer struct {
	rig     *rig.Rig
	readme  readme
	tree    string
	env     []string
	swaps   *strings.Replacer // addresses that may be taken here, for free ones
	sim     string            // where the simulator of the README is here
	backend string            // what is in its webhook's place: https://HOST
	typed   []string          // commands, as the README has them
}

func (w ways) newcomer(ctx context.Context, env ...string) (*newcomer, error) {
	readme, err := readReadme(w.rig.Root)
	if err != nil {
		return nil, err
	}
	tree, err := w.rig.FreshClone(ctx)
	if err != nil {
		return nil, err
	}
	n := &newcomer{rig: w.rig, readme: readme, tree: tree, backend: "https://backend.example.com"}
	n.env = append(env, "CIO_US_SITE_ID=site", "CIO_US_API_KEY=key")
	port, err := freePorts()
	if err != nil {
		return nil, err
	}
	if n.sim, err = rig.FreeAddr(); err != nil {
		return nil, err
	}
	n.swaps = strings.NewReplacer(
		"localhost:9092", fmt.Sprint("localhost:", port), "PORT0=9092", fmt.Sprint("PORT0=", port), "127.0.0.1:8090", n.sim,
		"/var/lib/sluice", filepath.Join(tree, "lib"))
	return n, nil
}

// freePorts is the first of two ports that nothing listened on a moment ago,
// below those that clients are given.
func freePorts() (int, error) {
	for range 100 {
		port := 20_000 + rand.IntN(12_000)
		free := true
		for p := port; p < port+2; p++ {
			l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", p))
			free = free && err == nil
			if err == nil {
				_ = l.Close()
			}
		}
		if free {
			return port, nil
		}
	}
	return 0, errors.New("find two free ports: none in a hundred tries")
}

// types runs a command of that section word for word, but for the names that
// stand for something; one that the README does not have is an error.
func (n *newcomer) types(ctx context.Context, section, command string, names ...string) (rig.Outcome, error) {
	o, err := n.tries(ctx, section, command, names...)
	if err == nil && o.Code != 0 {
		err = fmt.Errorf("%s: ended with code %d: %.600s", command, o.Code, strings.TrimSpace(o.Err+" "+o.Out))
	}
	return o, err
}

// tries is types for a command that may end with bad news.
func (n *newcomer) tries(ctx context.Context, section, command string, names ...string) (rig.Outcome, error) {
	text, err := n.said(section, command, names...)
	if err != nil {
		return rig.Outcome{}, err
	}
	return n.bash(ctx, text)
}

// installed puts on the PATH what make build leaves behind.
const installed = "PATH=$PWD/.work/bin:$PATH; "

func (n *newcomer) bash(ctx context.Context, text string) (rig.Outcome, error) {
	return rig.Try(ctx, rig.Call{Dir: n.tree, Env: n.env, Args: []string{"bash", "-c", installed + text}})
}

// serves starts a command of that section that runs until it is stopped.
func (n *newcomer) serves(section, command string, more ...string) (*rig.Process, error) {
	text, err := n.said(section, command)
	if err != nil {
		return nil, err
	}
	text = fmt.Sprintf("cd %q && ", n.tree) + installed + "exec " + strings.Join(append([]string{text}, more...), " ")
	return n.rig.Start("newcomer", rig.Pipes{Env: n.env}, "bash", "-c", text)
}

func (n *newcomer) said(section, command string, names ...string) (string, error) {
	if !slices.Contains(n.readme.commands(section), command) {
		return "", fmt.Errorf("the README no longer says %q under %q: it says %q", command, section, n.readme.commands(section))
	}
	n.typed = append(n.typed, command)
	return n.swaps.Replace(strings.NewReplacer(names...).Replace(command)), nil
}

// untyped are the commands of a section that were not typed and that nothing
// else in CI does.
func (n *newcomer) untyped(section string) []string {
	return slices.DeleteFunc(n.readme.commands(section), func(command string) bool {
		elsewhere := []string{"make test", "make integration", "make acceptance", "make bench"}
		typed := func(longer string) bool { return longer == command || strings.HasPrefix(longer, command+" ") }
		return slices.ContainsFunc(n.typed, typed) || slices.Contains(elsewhere, command)
	})
}

// configure writes sluice.yaml as the README has it, for one broker, with the
// simulator in Customer.io's place, and its pages where nothing else listens.
func (n *newcomer) configure() error {
	blocks := slices.DeleteFunc(n.readme.blocks(ownKafka), func(b block) bool { return b.language != "yaml" })
	if len(blocks) == 0 {
		return fmt.Errorf("the README has no yaml under %q", ownKafka)
	}
	text := n.swaps.Replace(blocks[0].text)
	for old, replacement := range map[string]string{
		"{sink: customerio,":          "{sink: customerio, base_url: \"http://" + n.sim + "\",",
		"{workspace: ":                "{replication: 1, workspace: ",
		"https://backend.example.com": n.backend,
	} {
		if !strings.Contains(text, old) {
			return fmt.Errorf("the README's configuration has no %q", old)
		}
		text = strings.ReplaceAll(text, old, replacement)
	}
	pages, err := rig.FreeAddr()
	if err != nil {
		return err
	}
	text += "listen: {metrics: \"" + pages + "\", actions: \"127.0.0.1:0\"}\n"
	return os.WriteFile(filepath.Join(n.tree, "sluice.yaml"), []byte(text), 0o600)
}

// events writes a file with the README's own event, in the long and the short
// form, of many users, and returns how many.
func (n *newcomer) events(name string) (int, error) {
	var long string
	for _, b := range n.readme.blocks(ownKafka) {
		if b.language == "json" {
			long = strings.TrimSpace(b.text)
		}
	}
	if !strings.Contains(long, `"id":"42"`) {
		return 0, fmt.Errorf("the README has no event of user 42 as json under %q", ownKafka)
	}
	var b strings.Builder
	const each = 100
	for i := range each {
		id := strconv.Itoa(i)
		b.WriteString(strings.Replace(long, `"id":"42"`, `"id":"`+id+`"`, 1) + "\n")
		b.WriteString(`{"user":"` + id + `","event":"purchase","data":{"total":` + id + `}}` + "\n")
	}
	return 2 * each, os.WriteFile(filepath.Join(n.tree, name), []byte(b.String()), 0o600)
}

// checks judges what the simulator got with the README's own command.
func (n *newcomer) checks(ctx context.Context, r *suite.Result, file string, events int) error {
	text, err := n.said(ownKafka, "./sluice check")
	if err != nil {
		return err
	}
	text += " --seq -o json --input " + file + " --sim http://" + n.sim
	var v rig.Verdict
	err = rig.Await(ctx, time.Minute, "the events to arrive", func(ctx context.Context) bool {
		o, err := n.bash(ctx, text)
		return err == nil && rig.LastObject(o.Out, &v) == nil && v.Delivered == int64(events)
	})
	r.Equal("delivered", v.Delivered, int64(events))
	r.Equal("lost", v.Lost, 0)
	r.Equal("order breaks", v.OrderBreaks, 0)
	return err
}
