package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"sluice/pipeline/event"
	"sluice/sink/budget"
)

// maxCost is above what any call is worth of another; more is a slip of the pen.
const maxCost = 1000

// operationNames are the operations that a workspace of that kind may be asked.
func operationNames(kind Kind) []string {
	if kind == Webhook {
		return []string{event.OpSend.String()}
	}
	var names []string
	for _, op := range event.Ops() {
		if op != event.OpSend {
			names = append(names, op.String())
		}
	}
	return names
}

// operation is the operation of that name.
func operation(name string) (event.Op, bool) {
	for _, op := range event.Ops() {
		if op.String() == name {
			return op, true
		}
	}
	return event.OpNone, false
}

func operationsExample(kind Kind) string {
	if kind == Webhook {
		return "{send: {cost: 2}}"
	}
	return "{delete: 10/s, merge: {rate: 1/10s, cost: 2}}"
}

// operations are names of operations, each with a rate, or with a rate, a cost
// or both.
func operations(dst *[]budget.Call, kind Kind) value {
	return value{
		kind: kindOperations,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			calls, ok := d.operations(n, path, operationNames(kind))
			if ok {
				*dst = calls
			}
			return ok
		},
		shown: func() any {
			if len(*dst) == 0 {
				return nil
			}
			all := make(map[string]any, len(*dst))
			for _, call := range *dst {
				all[call.Name] = shownCall(call)
			}
			return all
		},
		words: operationNames(kind),
	}
}

// shownCall writes one operation as short as it was written.
func shownCall(call budget.Call) any {
	if call.Cost == 0 {
		return FormatRate(call.Rate)
	}
	shown := map[string]any{"cost": call.Cost}
	if call.Rate > 0 {
		shown["rate"] = FormatRate(call.Rate)
	}
	return shown
}

// operations reads the mapping n, in the order of the operations whatever that
// of the file. An operation that does not fit is a fault, and left out.
func (d *decoder) operations(n *yaml.Node, path string, known []string) ([]budget.Call, bool) {
	in := d.section(n, path)
	var calls []budget.Call
	for _, f := range in.fields {
		name := f.key.Value
		op, ok := operation(name)
		if !ok || !slices.Contains(known, name) {
			continue // done says so
		}
		if one, given := in.take(name); given {
			if call, fit := d.operationBudget(one, in.join(name)); fit {
				call.Name, call.Bits = name, 1<<op
				calls = append(calls, call)
			}
		}
	}
	in.known = known
	in.done()
	slices.SortFunc(calls, func(a, b budget.Call) int { return cmp.Compare(a.Bits, b.Bits) })
	return calls, in.readable
}

// operationBudget reads a rate, or the keys rate and cost.
func (d *decoder) operationBudget(n *yaml.Node, path string) (budget.Call, bool) {
	var call budget.Call
	if resolve(n).Kind != yaml.MappingNode {
		return call, rate(&call.Rate).read(d, n, path)
	}
	s := d.section(n, path)
	s.read([]key{{name: "rate", value: rate(&call.Rate)}, {name: "cost", value: cost(&call.Cost)}})
	s.done()
	if !s.given("rate") && !s.given("cost") {
		d.fault(s.at, path, "says nothing", "write a rate, as 10/s, or {rate: 10/s, cost: 2}")
		return call, false
	}
	return call, len(s.misfits) == 0
}

func cost(dst *float64) value {
	return parsed(kindText, dst, parseCost, func(c float64) any { return c })
}

// parseCost reads what an attempt takes of a budget, where 1 is usual. The error
// says what to write instead.
func parseCost(text string) (float64, error) {
	wrong := fmt.Errorf("must be a number above 0 and at most %d; write it as 2 or 0.5", maxCost)
	text = strings.TrimSpace(text)
	if text == "" || strings.Trim(text, "0123456789.") != "" {
		return 0, wrong
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || number <= 0 || number > maxCost {
		return 0, wrong
	}
	return number, nil
}

// operationsSchema is a mapping of these operations.
func operationsSchema(words []string) schema {
	pattern := value{kind: kindRate}.schema(key{})
	number := either(schema{"type": "number", "exclusiveMinimum": 0, "maximum": maxCost}, schema{"type": "string", "pattern": fromOutside})
	both := schema{
		"type": "object", "additionalProperties": false, "minProperties": 1,
		"properties": schema{"rate": pattern, "cost": number},
	}
	return schema{"type": "object", "propertyNames": schema{"enum": words}, "additionalProperties": either(pattern, both)}
}
