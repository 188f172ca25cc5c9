package gateway

import "net/http"

// The sizes that the Track API publishes, in bytes where not said otherwise,
// and the ones that follow from how a record is delivered.
const (
	v1MaxIDBytes      = 150
	v1MaxAttributes   = 300 // attributes of one identify, form or relationship
	v1MaxNameBytes    = 150
	v1MaxValueBytes   = 1000
	v1MaxRelatedBytes = 100_000 // a relationship's attributes together
	v1MaxEventName    = 100
	v1MaxEventData    = 100_000
	v1MaxSegmentIDs   = 1000 // ids of one call
	v1MaxEntityBytes  = 32 << 10

	// v1MaxPersonBody holds 300 attributes of the largest size, and what is
	// made of it still fits into one call out.
	v1MaxPersonBody = 480_000
	// v1MaxEventBody holds an event with all the data it may have.
	v1MaxEventBody = 128 << 10
	v1MaxSmallBody = 32 << 10
	// v1MaxSegmentBody holds 1000 ids of the largest size, with what is not
	// ASCII escaped as one library does.
	v1MaxSegmentBody = 480_000
)

// endpoint is what a place does at a method, nil when it has no such method.
func (p v1Place) endpoint(method string) *endpoint {
	switch method {
	case http.MethodPost:
		return p.posted()
	case http.MethodPut:
		switch p {
		case v1Customer:
			return v1Call("identify", v1MaxPersonBody, v1Identify)
		case v1Devices:
			return v1Call("add_device", v1MaxSmallBody, v1AddDevice)
		default:
			return nil
		}
	case http.MethodDelete:
		switch p {
		case v1Customer:
			return v1Call("delete", v1MaxSmallBody, v1Delete)
		case v1Device:
			return v1Call("delete_device", v1MaxSmallBody, v1DeleteDevice)
		default:
			return nil
		}
	case http.MethodGet:
		if p == v1Region {
			return v1Call("region", v1MaxSmallBody, v1AnswerRegion)
		}
	}
	return nil
}

func (p v1Place) posted() *endpoint {
	switch p {
	case v1Suppress:
		return v1Call("suppress", v1MaxSmallBody, v1SuppressPerson)
	case v1Unsuppress:
		return v1Call("unsuppress", v1MaxSmallBody, v1UnsuppressPerson)
	case v1CustomerEvents:
		return v1Call("track", v1MaxEventBody, v1CustomerEvent)
	case v1Events:
		return v1Call("track_anonymous", v1MaxEventBody, v1AnonymousEvent)
	case v1Merge:
		e := v1Call("merge", v1MaxSmallBody, v1MergeCustomers)
		e.refuse = v1RefuseMerge
		return e
	case v1Metrics:
		return v1OpenCall("metrics", v1ReportMetric)
	case v1Push:
		return v1OpenCall("push_events", v1ReportPush)
	case v1Unsubscribe:
		return v1OpenCall("unsubscribe", v1UnsubscribeDelivery)
	case v1Form:
		e := v1Call("form", v1MaxPersonBody, v1SubmitForm)
		e.ok = reply{status: http.StatusNoContent}
		return e
	case v1SegmentAdd:
		return v1Call("segment_add", v1MaxSegmentBody, v1AddToSegment)
	case v1SegmentRemove:
		return v1Call("segment_remove", v1MaxSegmentBody, v1RemoveFromSegment)
	default:
		return nil
	}
}

func v1Call(name string, maxBody int, decode func(*call) ([]item, reply)) *endpoint {
	return &endpoint{name: name, maxBody: maxBody, decode: decode, ok: okReply()}
}

// v1OpenCall is an endpoint that needs no credentials on the real API.
func v1OpenCall(name string, decode func(*call) ([]item, reply)) *endpoint {
	e := v1Call(name, v1MaxSmallBody, decode)
	e.open = true
	return e
}
