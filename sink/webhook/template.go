package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"sluice/pipeline/event"
	"sluice/sink"
)

// Fields are what a template sees, in the language of text/template:
// {{.Event.plan}} is a field of the event's JSON, {{json .Event.plan}} writes
// it as JSON, quoted and escaped. A field that the event does not have makes
// the event a dead letter; {{index .Event "plan"}} is for one that may be
// absent. Numbers keep all their digits.
type Fields struct {
	ID    string         // the event's id, a ULID
	User  string         // the record's key; empty when there is no user
	Time  string         // the record's time, RFC 3339 with milliseconds, UTC
	Event map[string]any // the event's JSON, decoded
	Raw   string         // the event's JSON, byte for byte
}

// errUnfit hides why a template could not be filled: text/template's errors
// quote values, and those are payload.
var errUnfit = errors.New("a field is missing, or is not of the kind that the template needs")

// fieldsOf decodes a prepared event.
func fieldsOf(e *event.Event) (*Fields, error) {
	f := &Fields{
		ID: e.ID.String(), User: string(e.Key), Raw: string(e.Value),
		Time: e.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00"),
	}
	decoder := json.NewDecoder(bytes.NewReader(e.Value))
	decoder.UseNumber()
	if decoder.Decode(&f.Event) != nil {
		return nil, errUnfit
	}
	return f, nil
}

// newTemplate compiles a template and checks the fields that it names.
func newTemplate(name, text string) (*template.Template, error) {
	form, err := template.New(name).Option("missingkey=error").Funcs(template.FuncMap{
		"json":    toJSON,
		"segment": toSegment,
	}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if form.Tree == nil {
		return nil, fmt.Errorf("%s: template: must write something", name)
	}
	var unknown error
	visit(form.Root, true, func(n parse.Node, atRoot bool) {
		if field := rootField(n, atRoot); field != "" && !slices.Contains([]string{"ID", "User", "Time", "Event", "Raw"}, field) {
			unknown = fmt.Errorf("%s: template: there is no .%s (there are .ID, .User, .Time, .Event and .Raw)", name, field)
		}
	})
	return form, unknown
}

// rootField is the field of Fields that a node asks for, "" for other nodes.
func rootField(n parse.Node, atRoot bool) string {
	switch n := n.(type) {
	case *parse.FieldNode:
		if atRoot {
			return n.Ident[0]
		}
	case *parse.VariableNode:
		if len(n.Ident) > 1 && n.Ident[0] == "$" {
			return n.Ident[1]
		}
	}
	return ""
}

// visit calls fn for each node. AtRoot says whether the dot is Fields there.
func visit(n parse.Node, atRoot bool, fn func(n parse.Node, atRoot bool)) {
	branch := func(b *parse.BranchNode, inside bool) {
		visit(b.Pipe, atRoot, fn)
		visit(b.List, inside, fn)
		if b.ElseList != nil {
			visit(b.ElseList, atRoot, fn)
		}
	}
	fn(n, atRoot)
	switch n := n.(type) {
	case *parse.ListNode:
		for _, child := range n.Nodes {
			visit(child, atRoot, fn)
		}
	case *parse.ActionNode:
		visit(n.Pipe, atRoot, fn)
	case *parse.PipeNode:
		for _, command := range n.Cmds {
			visit(command, atRoot, fn)
		}
	case *parse.CommandNode:
		for _, arg := range n.Args {
			visit(arg, atRoot, fn)
		}
	case *parse.ChainNode:
		visit(n.Node, atRoot, fn)
	case *parse.IfNode:
		branch(&n.BranchNode, atRoot)
	case *parse.RangeNode:
		branch(&n.BranchNode, false)
	case *parse.WithNode:
		branch(&n.BranchNode, false)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			visit(n.Pipe, atRoot, fn)
		}
	}
}

// toJSON is the function json: a value as JSON, on one line.
func toJSON(value any) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		return "", errUnfit
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// toSegment encodes what a template fills into a URL. Anything but a plain
// value is refused, and so is what would make another path of it.
func toSegment(value any) (string, error) {
	switch value.(type) {
	case string, json.Number, bool, int:
	default:
		return "", errUnfit
	}
	text := fmt.Sprint(value)
	if !sink.FitsSegment(text) {
		return "", errUnfit
	}
	return string(sink.AppendSegment(nil, text)), nil
}

// escapeActions ends each pipeline that writes into the URL with segment, so
// that nobody has to remember it.
func escapeActions(form *template.Template) {
	for _, t := range form.Templates() {
		visit(t.Root, false, func(n parse.Node, _ bool) {
			action, ok := n.(*parse.ActionNode)
			if !ok || len(action.Pipe.Decl) > 0 {
				return
			}
			pipe := action.Pipe
			last := pipe.Cmds[len(pipe.Cmds)-1].Args[0]
			if id, ok := last.(*parse.IdentifierNode); ok && id.Ident == "segment" {
				return
			}
			call := parse.NewIdentifier("segment").SetPos(action.Pos).SetTree(t.Tree)
			pipe.Cmds = append(pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: action.Pos, Args: []parse.Node{call}})
		})
	}
}
