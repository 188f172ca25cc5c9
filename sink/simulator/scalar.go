package simulator

import (
	"encoding/json"
	"fmt"
)

// scalar is a JSON string, number or boolean as its text, so that true, 429,
// 0.01, "1%" and "60s" all go the way of the flags.
type scalar string

// UnmarshalJSON takes a string, a number or a boolean.
func (t *scalar) UnmarshalJSON(raw []byte) error {
	var text string
	switch {
	case isString(raw):
		if err := json.Unmarshal(raw, &text); err != nil {
			return fmt.Errorf("read text: %w", err)
		}
	case isObject(raw), isArray(raw):
		return fmt.Errorf("have %.20s, must be a string, a number or a boolean", raw)
	default:
		text = string(raw)
	}
	*t = scalar(text)
	return nil
}

// scalars takes one scalar or a list of them. An empty one is none.
type scalars []scalar

// UnmarshalJSON takes a scalar or an array of scalars.
func (l *scalars) UnmarshalJSON(raw []byte) error {
	list := []scalar{}
	if isArray(raw) {
		if err := json.Unmarshal(raw, &list); err != nil {
			return fmt.Errorf("read list: %w", err)
		}
	} else {
		var one scalar
		if err := one.UnmarshalJSON(raw); err != nil {
			return err
		}
		list = append(list, one)
	}
	*l = scalars{}
	for _, t := range list {
		if t != "" && t != "null" {
			*l = append(*l, t)
		}
	}
	return nil
}
