package simulator

// Parts of a call that v1 and v2 have in common.

// readMerge reads who is merged into whom: one identifier each.
func (c *call) readMerge(primary, secondary []byte) *flaw {
	c.op = opMerge
	var first, second *flaw
	c.user, first = personIdent(primary, "primary", byID, byEmail, byCio)
	c.other, second = personIdent(secondary, "secondary", byID, byEmail, byCio)
	return firstOf(first, second)
}

// readDevice reads a device; its token is called id in v1.
func (c *call) readDevice(raw []byte, tokenName string) *flaw {
	if isNull(raw) {
		return required("device")
	}
	if !isObject(raw) {
		return invalid("device", "device must be an object")
	}
	c.device = raw
	for name, value := range members(raw) {
		switch string(name) {
		case tokenName:
			c.token = string(text(value))
		case "platform":
			c.platform = string(text(value))
		}
	}
	switch {
	case c.token == "":
		return required("device." + tokenName)
	case c.op == opDeleteDevice:
		return nil
	case c.platform == "":
		return required("device.platform")
	case c.platform != "ios" && c.platform != "android":
		return invalid("device.platform", "platform must be ios or android")
	}
	return nil
}

// relationEnd is what the other ends of an entity's relationships are.
type relationEnd uint8

const (
	toObject relationEnd = iota
	toPerson
	toAnonymous
)

// readRelations checks an array of relationships and keeps it.
func (c *call) readRelations(raw []byte, end relationEnd) *flaw {
	const where = "cio_relationships"
	if isNull(raw) {
		return nil
	}
	if !isArray(raw) {
		return invalid(where, where+" must be an array")
	}
	for relation := range elements(raw) {
		if _, wrong := readRelationEnd(relation, end); wrong != nil {
			return wrong
		}
		attributes := field(relation, "relationship_attributes")
		if len(attributes) > maxObjectBytes {
			return invalid(where, "relationship is too large")
		}
		if wrong := checkAttributes(attributes, where+".relationship_attributes"); wrong != nil {
			return wrong
		}
	}
	c.relations = raw
	return nil
}

// readRelationEnd reads the identifiers of one relationship.
func readRelationEnd(relation []byte, end relationEnd) (ident, *flaw) {
	const where = "cio_relationships.identifiers"
	identifiers := field(relation, "identifiers")
	switch end {
	case toPerson:
		return personIdent(identifiers, where, byID, byEmail, byCio)
	case toAnonymous:
		return personIdent(identifiers, where, byAnonymous)
	case toObject:
	}
	return objectIdent(identifiers, where)
}

// relationEndOf is what an operation's relationships lead to.
func relationEndOf(o op) relationEnd {
	switch o {
	case opObjectIdentify, opObjectAddRelationships, opObjectDeleteRelationships:
		return toPerson
	case opObjectIdentifyAnonymous:
		return toAnonymous
	default:
		return toObject
	}
}

func mustHave(raw []byte, field string) *flaw {
	if isNull(raw) {
		return required(field)
	}
	return nil
}

func mustBeObject(raw []byte, field string) *flaw {
	if isNull(raw) || isObject(raw) {
		return nil
	}
	return invalid(field, field+" must be an object")
}

// objectOrNil returns raw when it is an object.
func objectOrNil(raw []byte) []byte {
	if isObject(raw) {
		return raw
	}
	return nil
}
