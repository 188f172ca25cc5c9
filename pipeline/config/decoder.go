package config

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds what is read: a configuration of a thousand streams is a
// tenth of it.
const maxFile = 1 << 20

// decoder is the state of one Parse.
type decoder struct {
	lookup  LookupFunc
	read    ReadFunc
	faults  Error
	secrets []Secret
	places  map[string]position // path → where its value stands

	references map[string]string // path → value, when it is wholly ${NAME} or file:PATH
	examples   map[string]string // path → its key as a file may have it

	direct bool // streams may be absent: events come without Kafka

	misread  int             // faults that reading found, before judging
	merges   int             // << followed so far
	named    []string        // workspaces of the file, readable or not
	unjudged map[string]bool // streams whose routes cannot be read
}

type position struct{ line, column int }

func (d *decoder) fault(at position, path, what, remedy string) {
	d.faults.List = append(d.faults.List, Fault{Line: at.line, Column: at.column, Path: path, What: what, Remedy: remedy})
}

// faultAt notes a fault that judging found. Its path may not stand in the file
// itself: then it is placed at the nearest thing above that does. A path that
// could not even be read has its fault already.
func (d *decoder) faultAt(path, what, remedy string) {
	if slices.ContainsFunc(d.faults.List[:d.misread], func(f Fault) bool { return f.Path == path }) {
		return
	}
	if remedy == "" {
		remedy = d.exampleOf(path)
	}
	d.fault(d.placeOf(path), path, what, remedy)
}

// exampleOf is the remedy for a value that nobody has a better one for: how its
// key, or the nearest key above it, may be written.
func (d *decoder) exampleOf(path string) string {
	for at := path; at != ""; at = parent(at) {
		if example := d.examples[at]; example != "" {
			return "write it as " + example
		}
	}
	return "see deploy/sluice.example.yaml"
}

// has tells whether the file gives the key of that path, fit or not.
func (d *decoder) has(path string) bool {
	_, given := d.places[path]
	return given
}

func (d *decoder) placeOf(path string) position {
	for at := path; at != ""; at = parent(at) {
		if p, ok := d.places[at]; ok {
			return p
		}
	}
	return d.places[""]
}

// parent cuts the last key or index of a path.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// document returns the root of the one YAML document in r, or nothing and a
// fault.
func (d *decoder) document(r io.Reader) (*yaml.Node, bool) {
	if named, ok := r.(interface{ Name() string }); ok {
		d.faults.File = named.Name()
	}
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		d.fault(position{}, "", "cannot be read: "+err.Error(), "make it a file that this process may read")
		return nil, false
	case len(text) > maxFile:
		d.fault(position{}, "", fmt.Sprintf("is larger than %d bytes", maxFile), "is it the right file?")
		return nil, false
	}
	var root, second yaml.Node
	loader, err := yaml.NewLoader(strings.NewReader(shield(string(text))))
	if err == nil {
		err = loader.Load(&root)
	}
	switch {
	case errors.Is(err, io.EOF) || err == nil && isEmpty(&root):
		d.fault(position{1, 1}, "", "is empty", "start from deploy/sluice.example.yaml")
		return nil, false
	case err != nil:
		d.syntax(err)
		return nil, false
	}
	if err := loader.Load(&second); err == nil {
		d.fault(place(&second), "", "a second YAML document begins here and would be ignored", "keep one document a file")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
	}
	unshield(root.Content[0])
	return root.Content[0], true
}

// Inside {…} YAML takes the braces of an unquoted ${NAME} for its own. So they
// are letters of the private use area while YAML parses, one for one, which
// keeps every column.
const openBrace, closeBrace = "\uE000", "\uE001"

var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

func shield(text string) string {
	return reference.ReplaceAllString(text, "$$"+openBrace+"${1}"+closeBrace)
}

func unshield(n *yaml.Node) {
	n.Value = strings.NewReplacer(openBrace, "{", closeBrace, "}").Replace(n.Value)
	for _, child := range n.Content {
		unshield(child)
	}
}

func isEmpty(root *yaml.Node) bool {
	return len(root.Content) == 0 || root.Content[0].Kind == yaml.ScalarNode && root.Content[0].Tag == "!!null"
}

// syntax turns the parser's error into a fault. It takes over the place and a
// fixed phrase only: a message of the parser may quote the file, and with it a
// secret.
func (d *decoder) syntax(err error) {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		d.fault(position{}, "", "is not YAML", "compare it with deploy/sluice.example.yaml")
		return
	}
	what, remedy := load.Message, "compare the line with deploy/sluice.example.yaml"
	switch {
	case strings.HasPrefix(what, "unknown anchor"):
		what, remedy = "an alias (*name) has no anchor (&name)", "quote the value if it begins with *"
	case strings.HasPrefix(what, "found a tab character"):
		remedy = "indent with spaces, not tabs"
	case strings.HasPrefix(what, "found character that cannot start"):
		remedy = "indent with spaces, not tabs, and quote values that begin with @, ` or %"
	case strings.HasPrefix(what, "mapping values are not allowed"):
		remedy = "quote values that hold a colon and a space, and check the indentation"
	case strings.HasPrefix(what, "control characters"):
		what, remedy = "holds a control character", "save it as plain UTF-8 text"
	}
	d.fault(position{load.Mark.Line, load.Mark.Column}, "", "is not YAML: "+what, remedy)
}

// adopt takes over the joined faults of a package's Validate: each message is
// "path: what", and prefix is put before a path.
func (d *decoder) adopt(err error, prefix string) {
	if err == nil {
		return
	}
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		for _, one := range many.Unwrap() {
			d.adopt(one, prefix)
		}
		return
	}
	path, what, ok := strings.Cut(err.Error(), ": ")
	if !ok || strings.ContainsAny(path, " \"") {
		path, what = "", err.Error()
	}
	switch {
	case prefix == "" || strings.HasPrefix(path, prefix):
	case path == "":
		path = prefix
	default:
		path = prefix + "." + path
	}
	what, remedy, _ := strings.Cut(what, "; ")
	d.faultAt(path, what, remedy)
}
