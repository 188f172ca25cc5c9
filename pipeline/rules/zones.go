package rules

import (
	"strings"
	"sync"
	"time"
	// The rules of every zone, for machines and images without them. What the
	// machine has goes first, for it may be newer.
	_ "time/tzdata"

	"sluice/pipeline/event"
)

// Zone says where the user's clock stands: a zone of the IANA database, such as
// Europe/Berlin, or a fixed offset, such as +05:30.
type Zone struct {
	Field   string // where an event names its own, as in a match; empty: none does
	Default string // where an event names none, or none that is known; empty: UTC
}

// zone is a Zone made ready.
type zone struct {
	field    *field // nil: the fallback always
	fallback *time.Location
}

func (s *Set) compileZone(c *checker, z Zone) zone {
	made := zone{fallback: time.UTC}
	if z.Default != "" {
		if found := s.zones.find(z.Default); found != nil {
			made.fallback = found
		} else {
			c.fault("default", "%q is no time zone: write one of the IANA database, such as Europe/Berlin, or an offset, such as +05:30", z.Default)
		}
	}
	if z.Field != "" {
		made.field = s.fields.compile(c, "field", z.Field)
	}
	return made
}

// at is the zone of an event, and whether it had to name one that is known and
// did not.
func (z zone) at(known *zones, look *lookup, e *event.Event) (in *time.Location, unknown bool) {
	if z.field == nil {
		return z.fallback, false
	}
	if found := known.find(look.at(z.field, e).text); found != nil {
		return found, false
	}
	return z.fallback, true
}

// Bounds on what is remembered of names that events bring: there are some 600
// zones and any number of texts that are none.
const (
	mostZones    = 2048
	mostUnknown  = 1024
	maxZoneBytes = 48
)

// zones remembers the zones that were asked for, and the names that are none,
// for to load one reads a file. It is safe for concurrent use.
type zones struct {
	mu      sync.RWMutex // guards known and unknown
	known   map[string]*time.Location
	unknown map[string]struct{}
}

func newZones() *zones {
	return &zones{known: map[string]*time.Location{}, unknown: map[string]struct{}{}}
}

// find is the zone of that name, nil when there is none.
func (z *zones) find(name string) *time.Location {
	if len(name) == 0 || len(name) > maxZoneBytes {
		return nil
	}
	z.mu.RLock()
	found := z.known[name]
	_, unknown := z.unknown[name]
	z.mu.RUnlock()
	if found != nil || unknown {
		return found
	}
	// The name may be a part of an event's buffer, which is used again.
	text := strings.Clone(name)
	found = loadZone(text)
	z.mu.Lock()
	defer z.mu.Unlock()
	if found == nil {
		if len(z.unknown) >= mostUnknown {
			clear(z.unknown)
		}
		z.unknown[text] = struct{}{}
		return nil
	}
	if len(z.known) >= mostZones {
		clear(z.known)
	}
	z.known[text] = found
	return found
}

// loadZone reads a zone, nil when there is none of that name.
func loadZone(name string) *time.Location {
	if seconds, ok := parseOffset(name); ok {
		return time.FixedZone(name, seconds)
	}
	// Every IANA name begins with a capital. Others in the same folder are the
	// machine's own zone and copies that count leap seconds.
	if name[0] < 'A' || name[0] > 'Z' || name == "Local" {
		return nil
	}
	found, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return found
}

// parseOffset reads Z, +05:30, +0530 or +05, as seconds east of UTC, less than a
// day.
func parseOffset(name string) (int, bool) {
	if name == "Z" {
		return 0, true
	}
	if len(name) < 3 || (name[0] != '+' && name[0] != '-') {
		return 0, false
	}
	rest := strings.TrimPrefix(name[3:], ":")
	hours, ok := digits(name[1:3], 2, 2)
	minutes := 0
	if ok && len(name) > 3 {
		minutes, ok = digits(rest, 2, 2)
	}
	if !ok || hours > 15 || minutes > 59 {
		return 0, false
	}
	seconds := (hours*60 + minutes) * 60
	if name[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}
