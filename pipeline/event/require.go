package event

// requireString says what keeps raw, the JSON at path, from being a string
// with something in it.
func requireString(raw []byte, path string) *Fault {
	if absent(raw) {
		return missing(path)
	}
	if raw[0] != '"' {
		return badField(path, "a string")
	}
	if len(raw) == len(`""`) {
		return missing(path)
	}
	return nil
}

// lookup is the raw value of a member of a valid JSON object, nil when absent.
func lookup(object []byte, name string) []byte {
	w := walk(object)
	for key, value, ok := w.member(); ok; key, value, ok = w.member() {
		if string(text(object[key.from:key.to])) == name {
			return object[value.from:value.to]
		}
	}
	return nil
}

func missing(path string) *Fault {
	return &Fault{Reason: ReasonMissingField, Detail: path + " is required"}
}

func badField(path, want string) *Fault {
	return &Fault{Reason: ReasonBadField, Detail: path + " must be " + want}
}

func badIdentifiers(path string, kinds kindSet) *Fault {
	return &Fault{Reason: ReasonBadIdentifiers, Detail: path + " must be exactly " + kinds.String()}
}
