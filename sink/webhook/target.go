package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/template"
)

// target is where requests go: one URL, or a template that makes one of each
// event.
type target struct {
	fixed   *url.URL           // nil when there is a template
	form    *template.Template // nil when the URL is fixed
	origin  string             // of a template: scheme://host, or scheme:// when anyHost
	anyHost bool               // the template makes the host too
	auth    string             // the Authorization header that credentials in a fixed URL stand for
}

// parseTarget returns errors that do not hold the URL: it may have secrets.
func parseTarget(raw string) (target, error) {
	if strings.Contains(raw, "{{") {
		return parseTemplate(raw)
	}
	u, err := parseURL(raw)
	if err != nil {
		return target{}, fmt.Errorf("url: %w", err)
	}
	t := target{fixed: u}
	if u.User != nil {
		password, _ := u.User.Password()
		t.auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
		u.User = nil
	}
	return t, nil
}

// parseTemplate takes the origin from the text before the first action: what
// an event fills in may choose the host only when the author says so by
// putting an action there.
func parseTemplate(raw string) (target, error) {
	form, err := newTemplate("url", raw)
	if err != nil {
		return target{}, err
	}
	escapeActions(form)
	literal, _, _ := strings.Cut(raw, "{{")
	scheme, rest, ok := strings.Cut(literal, "://")
	if !ok || (scheme != "https" && scheme != "http") {
		return target{}, errors.New("url: must begin with http:// or https://, outside any template")
	}
	host, _, whole := cutAny(rest, "/?#")
	if strings.Contains(host, "@") {
		return target{}, errors.New("url: a template must not hold credentials: set the Authorization header")
	}
	t := target{form: form, origin: scheme + "://", anyHost: !whole}
	if whole {
		t.origin += host
		if _, err := parseURL(t.origin); err != nil {
			return target{}, fmt.Errorf("url: %w", err)
		}
	}
	return t, nil
}

func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:], true
	}
	return s, "", false
}

// of returns the URL for one event of a template.
func (t target) of(fields *Fields) (*url.URL, error) {
	var b strings.Builder
	if t.form.Execute(&b, fields) != nil {
		return nil, errUnfit
	}
	u, err := parseURL(b.String())
	switch {
	case err != nil:
		return nil, err
	case u.User != nil,
		t.anyHost && u.Scheme+"://" != t.origin,
		!t.anyHost && u.Scheme+"://"+u.Host != t.origin:
		return nil, errors.New("what was filled in changes where the URL leads")
	}
	return u, nil
}

// parseURL leaves the URL out of its errors.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, errors.New("must be a valid http or https URL with a host")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}
