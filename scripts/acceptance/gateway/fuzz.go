package gateway

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

// fuzzed is what must be under the fuzzer, each with its target.
func fuzzed() map[string]string {
	return map[string]string{
		"batch decoder":          "FuzzBatch",
		"both alphabets":         "FuzzBasicPair",
		"escaped paths":          "FuzzV1Path",
		"v1 to v2":               "FuzzV1Decode",
		"webhook signatures":     "FuzzSignature",
		"places in webhook JSON": "FuzzPlace",
	}
}

// fuzz runs every fuzz target of the gateway for a while.
func (g gateway) fuzz(ctx context.Context, r *suite.Result) error {
	// Inputs, not seconds: on a machine that is busy two seconds may be none.
	howLong := "3000x"
	if g.rig.Long {
		howLong = "60s"
	}
	out, err := rig.Command(ctx, g.rig.Root, nil, "scripts/fuzz", howLong, "./pipeline/gateway")
	if err != nil && rig.ExitCode(err) != 1 {
		return err
	}
	ran := targets(out)
	for _, what := range slices.Sorted(maps.Keys(fuzzed())) {
		target := fuzzed()[what]
		i := slices.IndexFunc(ran, func(t fuzzTarget) bool { return t.name == target })
		have := "no target"
		if i >= 0 {
			have = ran[i].state + " after " + cmp.Or(ran[i].execs, "0") + " inputs"
		}
		r.Holds(what, i >= 0 && ran[i].state == "ok" && ran[i].execs != "", target+" "+have, "nothing found")
	}
	found := int64(0)
	for _, t := range ran {
		if t.state != "ok" {
			found++
		}
	}
	r.Equal("targets with a finding", found, 0)
	r.Note("targets in all", fmt.Sprint(len(ran)))
	return nil
}

// fuzzTarget is a fuzz target that ran.
type fuzzTarget struct{ state, name, execs string }

// targets reads what scripts/fuzz printed.
func targets(out string) []fuzzTarget {
	var all []fuzzTarget
	for _, m := range regexp.MustCompile(`(?m)^(ok|FOUND)\s+\S+\s+(Fuzz\w+)(?:[ \t]+execs: (\d+))?`).FindAllStringSubmatch(out, -1) {
		all = append(all, fuzzTarget{m[1], m[2], m[3]})
	}
	return all
}
