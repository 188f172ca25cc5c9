package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"sluice/pipeline/config"
)

// TestGeneratedPagesAreFresh: what is made of the keys is committed, for those
// who have not built the program.
func TestGeneratedPagesAreFresh(t *testing.T) {
	t.Parallel()
	schema, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]byte{
		"../../deploy/sluice.schema.json": schema,
		"../../deploy/CONFIG.md":          []byte(config.Reference()),
	} {
		if have, err := os.ReadFile(path); err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s is stale (%v): run go generate ./pipeline/config", path, err)
		}
	}
}

// compile makes a judge of the schema, which must itself fit its dialect.
func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("sluice.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("sluice.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// judge validates YAML as an editor would: braces of ${NAME} inside {…} must be
// quoted for it.
func judge(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	var decoded any
	if err := yaml.Load([]byte(text), &decoded); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	encoded, err := json.Marshal(decoded)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(document)
}

func TestSamplesFitTheSchema(t *testing.T) {
	t.Parallel()
	schema := compile(t)
	sample, err := os.ReadFile("../../deploy/sluice.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(sample), "\n")
	if want := "# yaml-language-server: $schema=sluice.schema.json"; first != want {
		t.Errorf("the sample must begin with %q for editors, have %q", want, first)
	}
	uncommented := strings.NewReplacer("# base_url", "base_url", "# instance", "instance", "# advertise", "advertise", "    # body", "    body").Replace(string(sample))
	for name, text := range map[string]string{
		"sample": string(sample), "sample with comments taken out": uncommented,
		"smallest": strings.NewReplacer("${SITE}", `"${SITE}"`, "${KEY}", `"${KEY}"`).Replace(smallest), "every key": everyKey, "every rule": ruled(everyRule, ", order: class, deferral: true"),
	} {
		if err := judge(t, schema, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaRefuses: what an editor should mark while somebody types.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	schema := compile(t)
	const tail = "\nstreams: {s: {workspace: a}}\n"
	workspace := func(keys string) string {
		return "workspaces: {a: {sink: customerio, region: us, site_id: s, api_key: k" + keys + "}}" + tail
	}
	if err := judge(t, schema, workspace("")); err != nil {
		t.Fatalf("the base of the cases must fit: %v", err)
	}
	for name, text := range map[string]string{
		"unknown key":           workspace("") + "kafak: {}\n",
		"unknown workspace key": workspace(", in_fligth: 3"),
		"key of the other sink": workspace(", url: http://x"),
		"no workspaces":         "streams: {s: {workspace: a}}\n",
		"empty workspaces":      "workspaces: {}" + tail,
		"no api key":            "workspaces: {a: {sink: customerio, region: us, site_id: s}}" + tail,
		"no sink":               "workspaces: {a: {region: us}}" + tail,
		"sink":                  "workspaces: {a: {sink: customer.io}}" + tail,
		"region":                "workspaces: {a: {sink: customerio, region: usa, site_id: s, api_key: k}}" + tail,
		"name":                  "workspaces: {a b: {sink: webhook, url: u}}" + tail,
		"duration":              workspace("") + "drain: 30\n",
		"duration unit":         workspace("") + "drain: 30 seconds\n",
		"rate":                  workspace(", budget: {requests: 80}"),
		"rate unit":             workspace(", budget: {requests: 80/week}"),
		"size":                  workspace("") + "kafka: {max_bytes: 64MIB}\n",
		"in flight":             workspace(", in_flight: 300"),
		"most in flight":        workspace(", max_in_flight: 300"),
		"operation":             workspace(", budget: {operations: {delet: 1/s}}"),
		"operation rate":        workspace(", budget: {operations: {delete: 5}}"),
		"operation cost":        workspace(", budget: {operations: {delete: {cost: -1}}}"),
		"operation key":         workspace(", budget: {operations: {delete: {rats: 1/s}}}"),
		"dedup":                 workspace(", dedup: {event_id: 300}"),
		"dedup word":            workspace(", dedup: {event_id: never}"),
		"rule key":              workspace(", rules: [{name: r, pririty: high}]"),
		"rule without name":     workspace(", rules: [{rate: 1/s}]"),
		"rule rate":             workspace(", rules: [{name: r, rate: 5}]"),
		"rule priority":         workspace(", rules: [{name: r, priority: top}]"),
		"rule weight":           workspace(", rules: [{name: r, weight: 0}]"),
		"rule floor":            workspace(", rules: [{name: r, floor: 0.05}]"),
		"rule spread":           workspace(", rules: [{name: r, spread: 3}]"),
		"rule spread key":       workspace(", rules: [{name: r, spread: {over: 3m, to: 4m}}]"),
		"rule moment":           workspace(", rules: [{name: r, at: {zone: UTC}}]"),
		"rule quiet":            workspace(", rules: [{name: r, quiet: {from: '22:00'}}]"),
		"rule match":            workspace(", rules: [{name: r, match: {data: {id: 1}}}]"),
		"order":                 strings.Replace(workspace(""), "{workspace: a}", "{workspace: a, order: user}", 1),
		"deferral":              strings.Replace(workspace(""), "{workspace: a}", "{workspace: a, deferral: often}", 1),
		"reach":                 workspace("") + "kafka: {reach: 5}\n",
		"boolean":               workspace(", allow_http: perhaps"),
		"brokers":               workspace("") + "kafka: {brokers: one}\n",
		"log level":             workspace("") + "log_level: loud\n",
		"no route":              strings.Replace(workspace(""), "{workspace: a}", "{topic: t}", 1),
		"both routes":           strings.Replace(workspace(""), "{workspace: a}", "{workspace: a, routes: [{partitions: 0-47, workspace: a}]}", 1),
		"half a route":          strings.Replace(workspace(""), "{workspace: a}", "{routes: [{partitions: 0-47}]}", 1),
		"range":                 strings.Replace(workspace(""), "{workspace: a}", "{routes: [{partitions: all, workspace: a}]}", 1),
	} {
		if err := judge(t, schema, text); err == nil {
			t.Errorf("%s: want it refused:\n%s", name, text)
		}
	}
}

// object is a JSON object of the schema.
type object = map[string]any

// TestEveryKeyOfTheSchemaIsRead builds a file with each key of the schema, by
// the example that the schema gives for it, and has it read: so the schema
// knows no key that the reader does not. The other way round the reader knows
// only what the schema's source names.
func TestEveryKeyOfTheSchemaIsRead(t *testing.T) {
	t.Parallel()
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var root object
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	forms := root["properties"].(object)["workspaces"].(object)["additionalProperties"].(object)["allOf"].([]any)
	keys := 0
	for _, form := range forms {
		then := form.(object)["then"].(object)
		for _, file := range variants(root, then) {
			keys += strings.Count(file, `"`)
			_, err := config.Parse(strings.NewReader(file), everythingSet, exampleFile)
			if err != nil {
				for line := range strings.Lines(err.Error()) {
					if strings.Contains(line, "not a known key") {
						t.Errorf("%s in\n%s", line, file)
					}
				}
			}
		}
	}
	if keys < 200 {
		t.Fatalf("the test saw too little of the schema: %d", keys)
	}
}

func everythingSet(string) (string, bool) { return "set", true }

func exampleFile(string) ([]byte, error) { return []byte("content"), nil }

// variants are files with every key of the schema: one with each of the keys
// of which only one may be given.
func variants(root, workspace object) []string {
	var files []string
	for _, left := range []string{"workspace", "routes"} {
		top := exampleOf(root, "").(object)
		top["workspaces"] = object{"NAME": exampleOf(workspace, "")}
		stream := root["properties"].(object)["streams"].(object)["additionalProperties"].(object)
		top["streams"] = object{"s": exampleOf(stream, left)}
		text, _ := json.Marshal(top)
		files = append(files, string(text))
	}
	return files
}

// exampleOf is a value for a schema, without the key left.
func exampleOf(schema object, left string) any {
	if examples, ok := schema["examples"].([]any); ok {
		return examples[0]
	}
	properties, ok := schema["properties"].(object)
	if !ok {
		return object{}
	}
	all := object{}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if name != left {
			all[name] = exampleOf(properties[name].(object), "")
		}
	}
	return all
}

// TestEveryKeyIsInTheSample: who starts from the sample sees everything.
func TestEveryKeyIsInTheSample(t *testing.T) {
	t.Parallel()
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	sample, err := os.ReadFile("../../deploy/sluice.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var root object
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	var missing []string
	var walk func(path string, schema object)
	walk = func(path string, schema object) {
		properties, _ := schema["properties"].(object)
		for name, one := range properties {
			if !strings.Contains(string(sample), name+":") {
				missing = append(missing, path+name)
			}
			walk(path+name+".", one.(object))
		}
		for _, key := range []string{"additionalProperties", "then", "items"} {
			if in, ok := schema[key].(object); ok {
				walk(path, in)
			}
		}
		for _, key := range []string{"allOf", "anyOf"} {
			for _, in := range asList(schema[key]) {
				walk(path, in.(object))
			}
		}
	}
	walk("", root)
	slices.Sort(missing)
	if missing = slices.Compact(missing); len(missing) > 0 {
		t.Errorf("deploy/sluice.example.yaml does not show %s", fmt.Sprint(missing))
	}
}

func asList(value any) []any {
	list, _ := value.([]any)
	return list
}
