package rules

import (
	"fmt"
	"time"
)

// checker gathers faults, each with the path below which it was found.
type checker struct {
	path   string
	top    *checker
	faults []error
}

// below is a checker of what stands one step further down.
func (c *checker) below(format string, args ...any) *checker {
	top := c
	if c.top != nil {
		top = c.top
	}
	return &checker{path: join(c.path, fmt.Sprintf(format, args...)), top: top}
}

func join(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

// fault notes what is wrong at a name below the checker's path.
func (c *checker) fault(name, format string, args ...any) {
	top := c
	if c.top != nil {
		top = c.top
	}
	top.faults = append(top.faults, fmt.Errorf("%s: %s", join(c.path, name), fmt.Sprintf(format, args...)))
}

func (c *checker) must(ok bool, name, format string, args ...any) {
	if !ok {
		c.fault(name, format, args...)
	}
}

func (c *checker) name(name string, taken map[string]int) {
	_, twice := taken[name]
	switch {
	case name == "":
		c.fault("name", "is required: it is also the name of the class")
	case name == DefaultClass:
		c.fault("name", "%s is the class of what no rule matches: choose another", DefaultClass)
	case twice:
		c.fault("name", "%q stands twice in the workspace: choose another", name)
	case !printable(name) || len(name) > maxNameBytes:
		c.fault("name", "must be at most %d printable ASCII characters without spaces, have %q", maxNameBytes, name)
	}
}

func (c *checker) spread(name string, s Spread) {
	c.must(s.Over >= 0 && s.Over <= MaxAhead, name, "must be from 0 to %d days, have %s", MaxAhead/(24*time.Hour), s.Over)
	c.must(s.By <= Random, join(name, "by"), "must be even or random, have %d", s.By)
}

// printable tells whether a text is visible ASCII without spaces.
func printable(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
