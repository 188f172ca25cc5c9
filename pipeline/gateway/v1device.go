package gateway

import "strconv"

// v1AddDevice reads PUT /api/v1/customers/{id}/devices. The device is v2's but
// for the name of its token.
func v1AddDevice(c *call) ([]item, reply) {
	who, f := v1PersonOf(c.args[0])
	if f != nil {
		return v1Taken(nil, f)
	}
	body, f := v1Object(c.body)
	if f != nil {
		return v1Taken(nil, f)
	}
	value := append(who.v1Entity("add_device", len(body)), `,"device":`...)
	value, f = v1AppendDevice(value, v1Field(body, "device"))
	if f != nil {
		return v1Taken(nil, f)
	}
	value = append(value, '}')
	if len(value) > v1MaxEntityBytes {
		return v1Taken(nil, v1Invalid("device", "is larger than "+strconv.Itoa(v1MaxEntityBytes)+" bytes with its person"))
	}
	return []item{{key: who.key(), value: value}}, reply{}
}

// v1AppendDevice appends a device with its id under the name of token, and
// everything else as it was written but for what says nothing: libraries send
// null attributes, and the time of the last use as a string.
func v1AppendDevice(dst, raw []byte) ([]byte, *fault) {
	if raw == nil {
		return nil, v1Required("device")
	}
	if raw[0] != '{' {
		return nil, v1Invalid("device", "must be an object")
	}
	from := len(dst)
	var id, platform []byte
	w := walkV1(raw)
	for m, ok := w.member(); ok; m, ok = w.member() {
		name, value := string(v1Text(m.name)), m.value
		switch name {
		case "token": // v1 has no such member, and v2's is the id
			continue
		case "id":
			id, name = value, "token"
		case "platform":
			platform = value
		case "last_used":
			var f *fault
			if value, f = v1Timestamp(v1NotBlank(value), "device.last_used"); f != nil {
				return nil, f
			}
		case "attributes":
			if value = v1Given(value); value != nil && value[0] != '{' {
				return nil, v1Invalid("device.attributes", "must be an object")
			}
		}
		if value == nil {
			continue
		}
		dst = append(v1Quote(append(dst, ','), name), ':')
		dst = append(dst, value...)
	}
	if _, f := v1String(id, "device.id"); f != nil {
		return nil, f
	}
	switch name, f := v1String(platform, "device.platform"); {
	case f != nil:
		return nil, f
	case name != "ios" && name != "android":
		return nil, v1Invalid("device.platform", "must be ios or android")
	}
	dst[from] = '{' // in place of the first comma: there is an id
	return append(dst, '}'), nil
}

// v1NotBlank is raw, or null for an empty string.
func v1NotBlank(raw []byte) []byte {
	if string(raw) == `""` {
		return nil
	}
	return raw
}

// v1DeleteDevice reads DELETE …/devices/{device_id}. Its body is not looked at.
func v1DeleteDevice(c *call) ([]item, reply) {
	who, f := v1PersonOf(c.args[0])
	if f == nil {
		f = v1PathValue("device_id", c.args[1])
	}
	if f != nil {
		return v1Taken(nil, f)
	}
	value := append(who.v1Entity("delete_device", len(c.args[1])), `,"device":{"token":`...)
	return []item{{key: who.key(), value: append(v1Quote(value, c.args[1]), `}}`...)}}, reply{}
}
