package config

import (
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v4"
)

const (
	schemaDialect = "https://json-schema.org/draft/2020-12/schema"
	// fromOutside is a value that only the environment or a file knows: whatever
	// its key wants, it is taken.
	fromOutside = `^file:.|\$\{[A-Za-z_][A-Za-z0-9_]*\}`
	timeForm    = `^\s*([0-9]+d|([0-9]+d)?([0-9.]+(h|m|s|ms|us|µs|ns))+)\s*$`
)

// Schema is a JSON Schema (draft 2020-12) of the file, by which an editor
// completes and checks it. A file that Parse takes fits it, unless a sink is
// named by a variable; the other way round it judges keys, words, units
// and bounds, but not how values go together.
func Schema() ([]byte, error) {
	cfg := Default()
	root := objectSchema(cfg.keys())
	root["$schema"] = schemaDialect
	root["title"] = "sluice.yaml"
	root["description"] = "The configuration of sluice. ${NAME} stands for a variable of the environment, file:PATH for the content of a file."
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return append(text, '\n'), nil
}

type schema = map[string]any

func objectSchema(keys []key) schema {
	properties, required := schema{}, []string{}
	for _, k := range keys {
		properties[k.name] = k.schema()
		if k.required {
			required = append(required, k.name)
		}
	}
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func (k key) schema() schema {
	s := k.value.schema(k)
	s["description"] = k.meaning
	if k.example != "" && k.value.kind != kindNamed {
		s["examples"] = []any{exampleValue(k)}
	}
	if k.value.shown != nil && !k.value.secret && k.fallback == "" && !k.required {
		if shown := k.value.shown(); shown != nil {
			s["default"] = shown
		}
	}
	return s
}

// exampleValue is the example as a program reads it.
func exampleValue(k key) any {
	var value any
	if err := yaml.Load([]byte(k.example), &value); err != nil {
		return k.example
	}
	return value
}

func (v value) schema(k key) schema {
	switch v.kind {
	case kindText:
		return textSchema(k)
	case kindWhole:
		return either(bounded(schema{"type": "integer"}, k), schema{"type": "string", "pattern": fromOutside})
	case kindBoolean:
		return either(schema{"type": "boolean"}, schema{"type": "string", "pattern": fromOutside})
	case kindTime:
		return schema{"type": "string", "pattern": timeForm + `|` + fromOutside}
	case kindTimeOff:
		return schema{"type": "string", "pattern": `^\s*off\s*$|` + timeForm + `|` + fromOutside}
	case kindSize:
		return either(schema{"type": "integer", "minimum": 0}, schema{"type": "string", "pattern": `^\s*[0-9]+\s*(B|[kK]B|MB|GB|KiB|MiB|GiB)?\s*$|` + fromOutside})
	case kindRate:
		return schema{"type": "string", "pattern": `^\s*unlimited\s*$|^\s*[0-9.]+\s*/\s*[0-9.]*\s*(ms|s|sec|second|m|min|minute|h|hour|d|day)\s*$|` + fromOutside}
	case kindRange:
		return either(schema{"type": "integer", "minimum": 0}, schema{"type": "string", "pattern": `^\s*[0-9]+\s*(-\s*[0-9]+\s*)?$|` + fromOutside})
	case kindList:
		items := v.item.schema(k)
		if v.item.kind == kindSection {
			items = objectSchema(v.item.keys)
			oneOf(items, v.item.either)
		}
		return schema{"type": "array", "items": items}
	case kindPairs:
		return schema{"type": "object", "additionalProperties": schema{"type": []string{"string", "number", "boolean"}}}
	case kindSection:
		if v.switched {
			return either(schema{"type": "boolean"}, objectSchema(v.keys))
		}
		return objectSchema(v.keys)
	case kindNamed:
		return namedSchema(v.forms())
	case kindOperations:
		return operationsSchema(v.words)
	case kindPercent:
		return schema{"type": "string", "pattern": `^\s*[0-9.]+\s*%\s*$|` + fromOutside}
	case kindNumber:
		return either(schema{"type": "number", "exclusiveMinimum": 0}, schema{"type": "string", "pattern": fromOutside})
	case kindShort:
		return either(v.short.schema(key{}), objectSchema(v.keys))
	case kindConditions:
		return conditionsSchema()
	}
	return schema{}
}

// textSchema takes numbers too: an id or a port may be written without quotes.
func textSchema(k key) schema {
	if len(k.options) == 0 {
		return schema{"type": []string{"string", "number", "boolean"}}
	}
	return either(schema{"enum": k.options}, schema{"type": "string", "pattern": fromOutside})
}

func bounded(s schema, k key) schema {
	if k.low > 0 || k.top > 0 {
		s["minimum"] = k.low
	}
	if k.top > 0 {
		s["maximum"] = k.top
	}
	return s
}

func either(all ...schema) schema { return schema{"anyOf": all} }

// namedSchema is a mapping of the user's names to sections of these forms.
func namedSchema(forms []form) schema {
	var one schema
	if len(forms) == 1 {
		one = objectSchema(forms[0].keys)
	} else {
		one = chosenSchema(forms)
	}
	oneOf(one, forms[0].either)
	return schema{
		"type": "object", "minProperties": 1, "additionalProperties": one,
		"propertyNames": schema{"pattern": nameForm.String()},
	}
}

// oneOf demands exactly one of these keys of an object; of none there is no
// demand.
func oneOf(s schema, keys []string) {
	var choices []schema
	for _, key := range keys {
		choices = append(choices, schema{"required": []string{key}})
	}
	if len(choices) > 0 {
		s["oneOf"] = choices
	}
}

// chosenSchema leaves the choice of a form to one key, so that an editor
// completes and blames by that form alone.
func chosenSchema(forms []form) schema {
	by := forms[0].chosenBy
	var names []string
	var rules []schema
	for _, f := range forms {
		names = append(names, f.name)
		rules = append(rules, schema{
			"if": schema{
				"required":   []string{by},
				"properties": schema{by: schema{"const": f.name}},
			},
			"then": objectSchema(f.keys),
		})
	}
	return schema{
		"type": "object", "required": []string{by}, "allOf": rules,
		"properties": schema{by: schema{"enum": names, "description": forms[0].keys[0].meaning}},
	}
}
