package producer

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// identifier returns a string as it stands, and a whole number as a string.
func identifier(name string, value jsontext.Value) ([]byte, error) {
	switch value.Kind() {
	case '"':
		if string(value) == `""` {
			return nil, fmt.Errorf("%s: must not be empty", name)
		}
		return value, nil
	case '0':
		for _, c := range value {
			if c < '0' || c > '9' {
				return nil, fmt.Errorf("%s: must be a string or a whole number", name)
			}
		}
		return append(append([]byte{'"'}, value...), '"'), nil
	default:
		return nil, fmt.Errorf("%s: must be a string or a whole number", name)
	}
}

// words reads a member that must be a string with something in it, or absent.
func words(name string, value jsontext.Value) (string, error) {
	if value == nil {
		return "", nil
	}
	word, err := text(value)
	if err != nil {
		return "", fmt.Errorf("%s: must be a string", name)
	}
	if word == "" {
		return "", fmt.Errorf("%s: must not be empty", name)
	}
	return word, nil
}

// text unquotes a JSON string.
func text(value jsontext.Value) (string, error) {
	if value.Kind() != '"' {
		return "", errors.New("not a string")
	}
	unquoted, err := jsontext.AppendUnquote(nil, value)
	return string(unquoted), err
}
