package rules_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"sluice/pipeline/event"
	"sluice/pipeline/rules"
)

// hook is a webhook as the gateway stores it: any bytes, and the headers that
// travel with them.
func hook(t *testing.T, body string, fields ...event.Header) *event.Event {
	t.Helper()
	carried, err := event.Carry("POST", fields)
	if err != nil {
		t.Fatal(err)
	}
	e := new(event.Event)
	e.Load(record(body, append([]event.Header{header("plan", "gold")}, carried...)...), "cluster")
	e.PrepareBytes()
	return e
}

// What a webhook's sender says of it stands in the body or in a header.
func TestMatchWebhook(t *testing.T) {
	t.Parallel()
	github := hook(t, `{"action":"opened","issue":{"labels":[{"name":"bug"}]},"name":7,"event":"issue"}`,
		header("X-GitHub-Event", "issues"), header("Plan", "free"))
	form := hook(t, "event=sent&to=%2B49", header("Content-Type", "application/x-www-form-urlencoded"))
	broken := hook(t, `{"data":{"plan":"pro","x":`)
	list := hook(t, ` [{"email":"a@b.example","event":"open"},{"event":"click"}]`)
	repeated := hook(t, "", header("X-Kind", "first"), header("X-Kind", "last"))
	for name, test := range map[string]struct {
		e     *event.Event
		match rules.Match
		want  bool
	}{
		"header in any case":          {github, where("header.x-github-event", "issues"), true},
		"header as it is written":     {github, where("header.X-GitHub-Event", "iss*"), true},
		"another header":              {github, where("header.X-GitHub-Delivery", "*"), false},
		"the record's own goes first": {github, where("header.plan", "gold"), true},
		"of another case is not it":   {github, where("header.Plan", "free"), true},
		"the last of several":         {repeated, where("header.x-kind", "last"), true},
		"header there":                {github, rules.Match{Exists: []string{"header.X-GitHub-Event"}}, true},
		"header missing":              {form, rules.Match{Missing: []string{"header.X-GitHub-Event"}}, true},
		"path":                        {github, where("issue.labels.0.name", "bug"), true},
		"name":                        {github, where("event", "issue"), true},
		"user":                        {form, where("user", "42"), true},
		"stream":                      {form, where("stream", "messages"), true},
		"op":                          {form, where("op", "send"), true},
		"content type":                {form, where("header.Content-Type", "*form-urlencoded"), true},
		"a form has no name":          {form, where("event", "*"), false},
		"a form has no paths":         {form, rules.Match{Missing: []string{"event", "to", "0"}}, true},
		"a list by index":             {list, where("1.event", "click"), true},
		"a list has no name":          {list, where("event", "*"), false},
		"no body":                     {repeated, rules.Match{Missing: []string{"event", "a.b"}}, true},
		"as far as broken JSON reads": {broken, where("data.plan", "pro"), true},
		"method":                      {form, where("header.http-method", "POST"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := made(t, rules.Rule{Name: "it", Match: test.match}).Judge(test.e, place(), produced())
			if have := v.Rule == "it"; have != test.want || v.Fault != nil {
				t.Errorf("want %v, have %+v", test.want, v)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	sent := entity(purchase, header("source", "shop"), header("empty", ""), header("sluice-secret", "x"))
	identify := entity(`{"type":"person","identifiers":{"id":"1"},"action":"identify","name":"stray","attributes":{"plan":"pro","data":{"deep":"x"},"deep":"y"}}`)
	form := entity(`{"form_id":"f-1","body":{"data":{"email":"a@b.example"}}}`, header("op", "form_submit"))
	clay := object(`{"event":"lead","data":{"score":4.20,"big":12345678901234567890},"name":7,"we.ird":"dot","@id":"at","a*b":"star","":"none","c\u00e9":"caf\u00e9","list":[[1,2],[3]]}`)
	anybody := object(`{}`)
	anybody.Key = nil
	for name, test := range map[string]struct {
		e     *event.Event
		match rules.Match
		want  bool
	}{
		"stream":                          {sent, where("stream", "messages"), true},
		"another stream":                  {sent, where("stream", "events"), false},
		"name":                            {sent, where("event", "purchase"), true},
		"one of several names":            {sent, where("event", "refund", "purchase"), true},
		"none of several names":           {sent, where("event", "refund", "order"), false},
		"beginning":                       {sent, where("event", "pur*"), true},
		"end":                             {sent, where("event", "*chase"), true},
		"both ends":                       {sent, where("event", "p*r*e"), true},
		"ends must not share a letter":    {sent, where("event", "purchas*se"), false},
		"parts come in order":             {sent, where("event", "*ha*ur*"), false},
		"any":                             {sent, where("event", "*"), true},
		"case matters":                    {sent, where("event", "Purchase"), false},
		"an identify has no name":         {identify, where("event", "*"), false},
		"name elsewhere":                  {clay, where("event", "lead"), true},
		"op":                              {sent, where("op", "event"), true},
		"op as libraries say it":          {sent, where("op", "track"), true},
		"op by pattern":                   {identify, where("op", "iden*"), true},
		"another op":                      {identify, where("op", "track", "page"), false},
		"op by header":                    {form, where("op", "form_submit"), true},
		"user":                            {sent, where("user", "42"), true},
		"another user":                    {sent, where("user", "4*3"), false},
		"no user":                         {anybody, where("user", "*"), false},
		"header":                          {sent, where("header.source", "shop"), true},
		"empty header":                    {sent, where("header.empty", ""), true},
		"no such header":                  {sent, where("header.Source", "*"), false},
		"number":                          {sent, where("attributes.campaign_id", "42"), true},
		"under attributes":                {sent, where("campaign_id", "42"), true},
		"data of the short form":          {sent, where("data.campaign_id", "42"), true},
		"traits of the short form":        {identify, where("traits.plan", "pro"), true},
		"data of its own goes first":      {identify, where("data.deep", "x"), true},
		"number by pattern":               {sent, where("total", "129.*"), true},
		"a number is its text":            {clay, where("data.score", "4.2"), false},
		"a number as it stands":           {clay, where("data.score", "4.20"), true},
		"a large number":                  {clay, where("data.big", "12345678901234567890"), true},
		"false":                           {sent, where("first", "false"), true},
		"null is no text":                 {sent, where("coupon", "*", "null"), false},
		"an object is no text":            {sent, where("identifiers", "*"), false},
		"index":                           {sent, where("tags.1", "spring"), true},
		"index and name":                  {sent, where("data.items.1.sku", "T-2"), true},
		"index beyond":                    {sent, where("tags.2", "*"), false},
		"index of an index":               {clay, where("list.0.1", "2"), true},
		"below a text":                    {sent, where("currency.x", "*"), false},
		"root field":                      {sent, where("type", "person"), true},
		"below a root field":              {sent, where("identifiers.id", "user-*"), true},
		"argument of an operation":        {form, where("body.data.email", "a@*"), true},
		"odd letters":                     {clay, where("@id", "at"), true},
		"a star in a name is itself":      {clay, where("a*b", "star"), true},
		"letters beyond ASCII":            {clay, where("cé", "café"), true},
		"data elsewhere is data":          {clay, where("data.score", "4.20"), true},
		"no attributes elsewhere":         {clay, where("score", "*"), false},
		"exists":                          {sent, rules.Match{Exists: []string{"tags", "user"}}, true},
		"null does not exist":             {sent, rules.Match{Exists: []string{"coupon"}}, false},
		"missing":                         {sent, rules.Match{Missing: []string{"coupon", "header.x", "nowhere"}}, true},
		"not missing":                     {sent, rules.Match{Missing: []string{"tags"}}, false},
		"a name is missing":               {identify, rules.Match{Missing: []string{"event"}}, true},
		"all conditions":                  {sent, rules.Match{Where: map[string][]string{"event": {"purchase"}, "data.first": {"false"}}, Exists: []string{"total"}}, true},
		"one condition fails":             {sent, rules.Match{Where: map[string][]string{"event": {"purchase"}, "data.first": {"true"}}}, false},
		"no condition takes by header":    {sent, rules.Match{}, false},
		"key and its field":               {sent, rules.Match{Where: map[string][]string{"data.total": {"129.95"}}, Exists: []string{"data.total"}}, true},
		"missing key, another one stands": {sent, rules.Match{Where: map[string][]string{"data.total": {"129.95"}}, Missing: []string{"data.totals"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := made(t, rules.Rule{Name: "it", Match: test.match}).Judge(test.e, place(), produced())
			if have := v.Rule == "it" && v.Class == 1; have != test.want || (!have && (v.Rule != "" || v.Class != 0)) {
				t.Errorf("want %v, have %+v", test.want, v)
			}
		})
	}
}

func TestFirstMatchDecides(t *testing.T) {
	t.Parallel()
	s := made(t,
		rules.Rule{Name: "by-header"},
		rules.Rule{Name: "orders", Match: where("event", "order_*")},
		rules.Rule{Name: "paid", Match: where("event", "order_paid")},
		rules.Rule{Name: "named", Match: where("event", "purchase", "refund")},
		rules.Rule{Name: "rest", Match: where("stream", "messages")},
	)
	named := func(name string) *event.Event {
		return entity(strings.Replace(purchase, `"purchase"`, strconv.Quote(name), 1))
	}
	with := func(class string) *event.Event { return entity(purchase, header("class", class)) }
	for name, test := range map[string]struct {
		e       *event.Event
		want    string
		unknown bool
	}{
		"an earlier pattern goes before a name": {named("order_paid"), "orders", false},
		"name":                                  {named("refund"), "named", false},
		"name with an escape":                   {entity(strings.Replace(purchase, `"purchase"`, `"ref\u0075nd"`, 1)), "named", false},
		"no name":                               {named("login"), "rest", false},
		"header":                                {with("by-header"), "by-header", false},
		"header goes before a match":            {with("paid"), "paid", false},
		"unknown header":                        {with("nobody"), "named", true},
		"the default class by header":           {with("default"), "", false},
	} {
		v := s.Judge(test.e, place(), produced())
		if v.Rule != test.want || v.Unknown != test.unknown || (v.Class == 0) != (v.Rule == "") {
			t.Errorf("%s: want %q, unknown %v; have %+v", name, test.want, test.unknown, v)
		}
		if classes := s.Classes(); v.Rule != "" && classes[v.Class].Name != v.Rule {
			t.Errorf("%s: class %d is %q", name, v.Class, classes[v.Class].Name)
		}
	}
}

// More paths than a lookup remembers are read as well.
func TestMatchOfManyPaths(t *testing.T) {
	t.Parallel()
	var list []rules.Rule
	for i := range rules.MaxRules {
		list = append(list, rules.Rule{Name: "r" + strconv.Itoa(i), Match: where("f"+strconv.Itoa(i), "yes")})
	}
	s := made(t, list...)
	for i := range rules.MaxRules {
		v := s.Judge(object(`{"f`+strconv.Itoa(i)+`":"yes"}`), place(), produced())
		if want := "r" + strconv.Itoa(i); v.Rule != want || v.Class != i+1 {
			t.Errorf("want %s, have %+v", want, v)
		}
	}
}

// FuzzPath reads a value by a path of any two names, and must find what the
// standard library finds.
func FuzzPath(f *testing.F) {
	f.Add("data", "campaign_id", "42")
	f.Add("a*b", "@this", `\`)
	f.Add("#", "0", "é\x00")
	f.Add("!x", "{y}|z", "null")
	f.Add(":1", "a?", "")
	f.Fuzz(func(t *testing.T, outer, inner, text string) {
		key := outer + "." + inner
		match := where(key, text)
		s, err := rules.New(rules.Config{Rules: []rules.Rule{{Name: "it", Match: match}}})
		if err != nil || strings.HasPrefix(key, "header.") || strings.Contains(text, "*") || strings.Count(key, ".") != 1 {
			return
		}
		value, err := json.Marshal(map[string]any{"a": 1, outer: map[string]any{"b": 2, inner: text}})
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]any
		if err := json.Unmarshal(value, &back); err != nil {
			t.Fatal(err)
		}
		below, _ := back[outer].(map[string]any)
		e := object(string(value))
		if e.Fault != nil {
			return
		}
		want := below[inner] == any(text)
		if have := s.Judge(e, place(), produced()).Rule == "it"; have != want {
			t.Fatalf("path %q in %s: want %v, have %v", key, value, want, have)
		}
	})
}
