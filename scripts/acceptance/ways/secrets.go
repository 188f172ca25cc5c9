package ways

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// The secrets of the files here, with the characters that encoders change. No
// output may hold one in any form; the site id is a name, but not with its key.
const (
	siteID   = "site-4f1c9be2"
	apiKey   = "k3y-Zq+8/vT=="   //nolint:gosec // made up, to be looked for
	token    = "t0ken-9d&b1 <x>" //nolint:gosec // likewise
	password = "p4ss-%w0rd\"7!"
)

func secretEnv() []string {
	return []string{"WAYS_SITE=" + siteID, "WAYS_KEY=" + apiKey, "WAYS_TOKEN=" + token, "WAYS_PASSWORD=" + password}
}

// forms are how a secret may look in an output, each with what it is.
func forms() map[string]string {
	forms := map[string]string{}
	for name, secret := range map[string]string{
		"api_key": apiKey, "header": token, "password": password,
		"credentials": siteID + ":" + apiKey, "bearer": "Bearer " + token, "SASL PLAIN": "\x00sluice\x00" + password,
	} {
		quoted, _ := json.Marshal(secret) // a string always has a JSON form
		forms[secret] = name
		forms[strings.Trim(string(quoted), `"`)] = name + " in JSON"
		forms[strings.Trim(fmt.Sprintf("%q", secret), `"`)] = name + " quoted"
		forms[url.QueryEscape(secret)] = name + " in a query"
		forms[url.PathEscape(secret)] = name + " in a path"
		forms[base64.StdEncoding.EncodeToString([]byte(secret))] = name + " in base64"
		forms[base64.RawURLEncoding.EncodeToString([]byte(secret))] = name + " in base64 for URLs"
		forms[fmt.Sprintf("%x", secret)] = name + " in hexadecimal"
	}
	return forms
}

// leaks says which secrets a text holds.
func leaks(text string) []string {
	var found []string
	for form, name := range forms() {
		if strings.Contains(text, form) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// outputs collects what commands said, and what of it leaked.
type outputs struct {
	rig    *rig.Rig
	dir    string // where the commands run; what they write there is looked at too
	count  int
	bytes  int
	leaked map[string][]string // where → which
}

func (o *outputs) look(where, text string) {
	o.count++
	o.bytes += len(text)
	if found := leaks(text); len(found) > 0 {
		o.leaked[where] = found
	}
}

// try runs the binary to its end, whatever comes of it, and looks at all of it.
func (o *outputs) try(ctx context.Context, args ...string) error {
	binary, err := o.rig.Sluice()
	if err != nil {
		return err
	}
	outcome, err := rig.Try(ctx, rig.Call{Dir: o.dir, Env: secretEnv(), Args: append([]string{binary}, args...)})
	if err != nil {
		return err
	}
	o.look(strings.Join(args, " "), outcome.Out+"\n"+outcome.Err)
	return nil
}

// lookFiles looks at every file that commands left in the folder.
func (o *outputs) lookFiles() error {
	return fs.WalkDir(os.DirFS(o.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".yaml") {
			return err
		}
		text, err := os.ReadFile(filepath.Join(o.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		o.look("file "+name, string(text))
		return err
	})
}

// told is where which secrets leaked.
func (o *outputs) told() string {
	var b strings.Builder
	for _, where := range slices.Sorted(maps.Keys(o.leaked)) {
		fmt.Fprintf(&b, "%s: %s; ", where, strings.Join(o.leaked[where], ", "))
	}
	return strings.TrimSuffix(b.String(), "; ")
}

// secrets runs every command there is on files whose secrets are known, right
// and wrong ones, while the destination and the brokers take them and while they
// refuse them, as loudly as can be, and looks for the secrets everywhere.
func (w ways) secrets(ctx context.Context, r *suite.Result) error {
	p, err := w.secretPlay(ctx)
	if err != nil {
		return err
	}
	commands, err := p.commands(ctx, nil)
	if err != nil {
		return err
	}
	untried, err := p.everyCommand(ctx, commands)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{p.wrongPlaces, p.members, p.letters} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := p.lookFiles(); err != nil {
		return err
	}
	r.AtLeast("commands", float64(len(commands)), 20, "")
	r.Holds("not tried", len(untried) == 0, strings.Join(untried, ", "), "none")
	r.AtLeast("outputs", float64(p.count), 150, "")
	r.AtLeast("of them read", float64(p.bytes>>10), 100, " KiB")
	r.Holds("secrets in them", len(p.leaked) == 0, p.told(), "none")
	return nil
}
