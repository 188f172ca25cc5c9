package gateway

import (
	"hash/crc32"
	"net/http"
)

// v1RefuseMerge words a fault as v1 does for a merge: {"meta":{"error":"…"}}.
func v1RefuseMerge(f fault) reply { return metaError(http.StatusBadRequest, f.message) }

// v1Taken is the end of every decoder: the items, or the refusal of the call.
func v1Taken(items []item, f *fault) ([]item, reply) {
	if f != nil {
		return nil, refuseMeta(*f)
	}
	return items, reply{}
}

func v1Required(field string) *fault {
	return &fault{reason: reasonRequired, field: field, message: field + " is required"}
}

// v1Invalid is the fault of a field that is not what it must be.
func v1Invalid(field, must string) *fault {
	return &fault{reason: reasonInvalid, field: field, message: field + " " + must}
}

// v1AnswerRegion answers GET /api/v1/accounts/region for the caller's stream.
// A caller whose users live in several regions has no region, and neither has
// a stream that leads elsewhere than to Customer.io. The number of the
// environment is not known here: it is one that stays the same for the stream.
func v1AnswerRegion(c *call) ([]item, reply) {
	url := "https://track.customer.io"
	switch c.stream.Region {
	case "us":
	case "eu":
		url = "https://track-eu.customer.io"
	default:
		return nil, refuseMeta(fault{reason: reasonInvalid, field: "region", message: "these credentials have no one region"})
	}
	return nil, reply{status: http.StatusOK, body: encoded(map[string]any{
		"url": url, "region": c.stream.Region, "environment_id": crc32.ChecksumIEEE([]byte(c.stream.Name)) >> 1,
	})}
}
