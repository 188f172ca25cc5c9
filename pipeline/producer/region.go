package producer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sluice/pipeline/event"
)

// ErrRegion is returned for an event whose region is not known, not told, or
// told in two ways that differ. Such an event goes nowhere.
var ErrRegion = errors.New("producer: region")

// topic is the live topic of the stream that an event belongs to.
func (p *Producer) topic(r event.Record) (string, error) {
	config := &p.buffer.config
	if len(config.Regions) == 0 {
		if p.placed {
			return "", fmt.Errorf("%w: the producer has one topic and no regions", ErrRegion)
		}
		return config.Topic, nil
	}
	told := ""
	if config.RegionField != "" {
		told = regionIn(r.Value, config.RegionField)
	}
	if p.placed {
		if told != "" && told != p.region {
			return "", fmt.Errorf("%w: %s says another than the caller", ErrRegion, config.RegionField)
		}
		told = p.region
	}
	topic, known := config.Regions[told]
	if !known {
		return "", fmt.Errorf("%w: must be one of %s, by %s", ErrRegion,
			strings.Join(slices.Sorted(maps.Keys(config.Regions)), ", "), rule(config.RegionField))
	}
	return topic, nil
}

func rule(field string) string {
	if field == "" {
		return "In"
	}
	return "In or the attribute " + field
}

// regionIn is what a record says of its user's region: an entity among its
// attributes, any other object in itself.
func regionIn(value []byte, field string) string {
	var root object
	if root.scan(value) != nil {
		return ""
	}
	if isEntity(&root) {
		attributes := root.value(root.find("attributes"))
		if attributes.Kind() != '{' || root.scan(attributes) != nil {
			return ""
		}
	}
	found := root.value(root.find(field))
	switch found.Kind() {
	case '"':
		said, err := text(found)
		if err != nil {
			return ""
		}
		return said
	case '0', 't', 'f':
		return string(found)
	default:
		return ""
	}
}
