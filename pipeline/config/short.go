package config

import "go.yaml.in/yaml/v4"

// shortened is a section for which one value may stand that says as much as
// some of its keys; brief tells whether it does, of what the keys hold. Keys that
// are required and not there are faults.
func shortened(short value, brief func() bool, keys ...key) value {
	return value{
		kind:  kindShort,
		keys:  keys,
		short: &short,
		read: func(d *decoder, n *yaml.Node, path string) bool {
			if resolve(n).Kind != yaml.MappingNode {
				return short.read(d, n, path)
			}
			before := len(d.faults.List)
			s := d.section(n, path)
			s.read(keys)
			s.done()
			s.require(keys)
			return len(d.faults.List) == before
		},
		shown: func() any {
			if brief() {
				return short.shown()
			}
			return held(keys)
		},
	}
}

// given is a value of what a file may leave out: *dst is nil until it could be
// read, and in, to which v is bound, afterwards.
func given[T any](dst **T, in *T, v value) value {
	read := v.read
	v.read = func(d *decoder, n *yaml.Node, path string) bool {
		fit := read(d, n, path)
		if fit {
			*dst = in
		}
		return fit
	}
	v.absent = func() bool { return *dst == nil }
	return v
}
