package config

import (
	"fmt"
	"strings"
)

// LookupFunc finds an environment variable, as os.LookupEnv does.
type LookupFunc func(name string) (value string, found bool)

// ReadFunc reads a secret's file. Its errors name the file, never its content.
// The files of kafka.tls and kafka.sasl are read again for every connection, so
// it must be safe for concurrent use and good for as long as the Config is.
type ReadFunc func(path string) ([]byte, error)

const (
	filePrefix    = "file:"
	maxSecretFile = 64 << 10
)

// value is the text of one scalar as it is meant: the environment's ${NAME}
// put in place, $$ read as one dollar sign, and a whole value of file:PATH
// replaced by that file without its last line break. The work is done on one
// scalar after the file was parsed, so nothing that comes from outside can add
// a key; and file: counts only when the file itself says it. Whatever comes
// from outside is taken for a secret.
func (d *decoder) value(raw string) (string, error) {
	path, fromFile := strings.CutPrefix(raw, filePrefix)
	if !fromFile {
		return d.expand(raw)
	}
	path, err := d.expand(path)
	if err != nil {
		return "", err
	}
	text, err := fileText(d.read, path)
	if err == nil {
		d.secrets = append(d.secrets, Secret(text))
	}
	return text, err
}

// fileText is what a file says, without its last line break.
func fileText(read ReadFunc, path string) (string, error) {
	content, err := read(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w; make it readable for this process, or give the value as ${NAME}", err)
	case len(content) > maxSecretFile:
		return "", fmt.Errorf("%s holds more than %d bytes; name the file that holds only this value", path, maxSecretFile)
	}
	text, _ := strings.CutSuffix(string(content), "\n")
	text, _ = strings.CutSuffix(text, "\r")
	return text, nil
}

// isReference tells whether the whole of a value comes from outside.
func isReference(raw string) bool {
	return strings.HasPrefix(raw, filePrefix) || reference.FindString(raw) == raw && raw != ""
}

// expand replaces ${NAME} and $$. A dollar sign before anything else stays, as
// passwords and templates have them.
func (d *decoder) expand(raw string) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(raw, "$")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		switch {
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			raw = after[1:]
		case strings.HasPrefix(after, "{"):
			name, rest, closed := strings.Cut(after[1:], "}")
			if !closed || !isVariable(name) {
				return "", fmt.Errorf("a ${ that no NAME} follows; write ${NAME} for a variable of the environment, or $$ for a dollar sign")
			}
			value, set := d.lookup(name)
			if !set {
				return "", fmt.Errorf("environment variable %s is not set; set it, or write $${%s} if the text itself is meant", name, name)
			}
			d.secrets = append(d.secrets, Secret(value))
			b.WriteString(value)
			raw = rest
		default:
			b.WriteByte('$')
			raw = after
		}
	}
}

func isVariable(name string) bool {
	for i, c := range name {
		letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
