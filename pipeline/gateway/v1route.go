package gateway

import (
	"net/http"
	"net/url"
	"strings"
)

// v1Place is what a path of Track API v1 names, whatever the method.
type v1Place uint8

const (
	v1Nowhere v1Place = iota
	v1Customer
	v1Devices
	v1Device
	v1Suppress
	v1Unsuppress
	v1CustomerEvents
	v1Events
	v1Merge
	v1Metrics
	v1Push
	v1Unsubscribe
	v1Form
	v1SegmentAdd
	v1SegmentRemove
	v1Region
)

// v1Endpoint returns the endpoint of a method and an escaped path, nil when v1
// has none. Args are the path's values, unescaped: "%2F" is a slash inside a
// value and "+" is a plus. A path is taken as it stands: it is never cleaned,
// an empty value is no value, and a slash too many names nothing.
func v1Endpoint(method, escapedPath string) (e *endpoint, args []string) {
	place, values := v1PlaceOf(escapedPath)
	if e = place.endpoint(method); e == nil {
		return nil, nil
	}
	for _, value := range values {
		arg, err := url.PathUnescape(value)
		if err != nil {
			return nil, nil
		}
		args = append(args, arg)
	}
	return e, args
}

// v1Allow lists the methods that an escaped path of v1 has, as the header Allow
// does; empty when v1 has no such path.
func v1Allow(escapedPath string) string {
	place, _ := v1PlaceOf(escapedPath)
	switch place {
	case v1Nowhere:
		return ""
	case v1Customer:
		return http.MethodPut + ", " + http.MethodDelete
	case v1Devices:
		return http.MethodPut
	case v1Device:
		return http.MethodDelete
	case v1Region:
		return http.MethodGet
	default:
		return http.MethodPost
	}
}

// v1PlaceOf reads an escaped path, and gives its values still escaped.
func v1PlaceOf(path string) (v1Place, []string) {
	rest, ok := strings.CutPrefix(path, "/api/v1/")
	if !ok {
		return v1RootPlace(path)
	}
	// No path has more than four segments; the fifth takes in what is too much.
	parts := strings.SplitN(rest, "/", 5)
	switch parts[0] {
	case "customers":
		return v1CustomerPlace(parts[1:])
	case "forms", "segments":
		if len(parts) == 3 && parts[1] != "" {
			return v1Collection(parts[0], parts[2]), parts[1:2]
		}
		return v1Nowhere, nil
	}
	switch rest {
	case "events":
		return v1Events, nil
	case "merge_customers":
		return v1Merge, nil
	case "metrics":
		return v1Metrics, nil
	case "push/events":
		return v1Push, nil
	case "accounts/region":
		return v1Region, nil
	default:
		return v1Nowhere, nil
	}
}

// v1RootPlace reads the paths that do not begin as the others do.
func v1RootPlace(path string) (v1Place, []string) {
	if path == "/push/events" {
		return v1Push, nil
	}
	id, ok := strings.CutPrefix(path, "/unsubscribe/")
	if !ok || id == "" || strings.Contains(id, "/") {
		return v1Nowhere, nil
	}
	return v1Unsubscribe, []string{id}
}

// v1CustomerPlace reads what follows customers/.
func v1CustomerPlace(parts []string) (v1Place, []string) {
	if len(parts) == 0 || parts[0] == "" {
		return v1Nowhere, nil
	}
	who := parts[:1]
	switch {
	case len(parts) == 1:
		return v1Customer, who
	case len(parts) == 3 && parts[1] == "devices" && parts[2] != "":
		return v1Device, []string{parts[0], parts[2]}
	case len(parts) != 2:
		return v1Nowhere, nil
	}
	switch parts[1] {
	case "events":
		return v1CustomerEvents, who
	case "devices":
		return v1Devices, who
	case "suppress":
		return v1Suppress, who
	case "unsuppress":
		return v1Unsuppress, who
	default:
		return v1Nowhere, nil
	}
}

func v1Collection(name, act string) v1Place {
	switch name + "/" + act {
	case "forms/submit":
		return v1Form
	case "segments/add_customers":
		return v1SegmentAdd
	case "segments/remove_customers":
		return v1SegmentRemove
	default:
		return v1Nowhere
	}
}
