package event_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sluice/pipeline/event"
)

// carried lists what a record carries, name and value in turn.
func carried(e *event.Event) []string {
	var list []string
	for name, value := range e.Carried() {
		list = append(list, name, string(value))
	}
	return list
}

func TestCarry(t *testing.T) {
	t.Parallel()
	headers, err := event.Carry("PATCH", []event.Header{
		header("Content-Type", "text/plain"), header("X-CIO-Signature", "abc"), header("x-twice", "1"), header("X-Twice", "2"),
		header("X-Empty", ""), header("bad name", "x"), header("", "x"), header("X-Break", "a\r\nX-Evil: 1"), header("X-Tab", "a\tb"),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := record("any bytes \x00\xff", headers...)
	r.Headers = append(r.Headers, header("HTTP-Header-x", "other case"), header("id", ulidA))
	e := loaded(r)
	want := "[content-type text/plain x-cio-signature abc x-twice 1 x-twice 2 x-empty  x-tab a\tb]"
	if have := fmt.Sprint(carried(e)); have != want || e.CarriedMethod() != "PATCH" {
		t.Errorf("want %s, have %s by %q", want, have, e.CarriedMethod())
	}
	if e.PrepareBytes(); e.Fault != nil || e.ID.String() != ulidA || e.Op != event.OpSend || string(e.AppendEntity(nil)) != string(r.Value) {
		t.Errorf("prepared: %+v, id %v, op %v, %q", e.Fault, e.ID, e.Op, e.AppendEntity(nil))
	}
	dead := event.DeadLetter(e, death())
	dead.Topic = "events"
	if have := fmt.Sprint(carried(loaded(dead))); have != want {
		t.Errorf("a dead letter carries %s", have)
	}
	if e := loaded(record("{}")); e.CarriedMethod() != "" || len(carried(e)) != 0 {
		t.Errorf("another record came by %q with %v", e.CarriedMethod(), carried(e))
	}
}

func TestCarryIsBounded(t *testing.T) {
	t.Parallel()
	fields := func(n, size int) []event.Header {
		list := make([]event.Header, n)
		for i := range list {
			list[i] = header("x", strings.Repeat("v", size-1))
		}
		return list
	}
	for name, test := range map[string]struct {
		n, size int
		want    error
	}{
		"as many as may be":  {event.MaxCarried, 10, nil},
		"one too many":       {event.MaxCarried + 1, 10, event.ErrCarriesTooMuch},
		"as large as may be": {1, event.MaxCarriedBytes, nil},
		"one byte too much":  {1, event.MaxCarriedBytes + 1, event.ErrCarriesTooMuch},
		"too large together": {17, 1 << 10, event.ErrCarriesTooMuch},
	} {
		list := fields(test.n, test.size)
		made, err := event.Carry("POST", list)
		if !errors.Is(err, test.want) || (err == nil) != (len(made) == test.n+1) {
			t.Errorf("%s: %d headers, %v", name, len(made), err)
		}
		// Whoever writes to the topic by other means is held to the same.
		for i := range list {
			list[i].Key = event.HeaderHTTPPrefix + "x"
		}
		if have := len(carried(loaded(record("{}", list...)))) / 2; have > test.n || (have == test.n) != (test.want == nil) {
			t.Errorf("%s: %d headers are read", name, have)
		}
	}
}

func TestPrepareBytesKeepsAFault(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		key, value []byte
		want       string
	}{
		"tombstone": {[]byte("42"), nil, event.ReasonTombstone},
		"empty key": {[]byte{}, []byte("x"), event.ReasonEmptyKey},
		"empty":     {[]byte("42"), []byte{}, ""},
		"no user":   {nil, []byte("x"), ""},
	} {
		r := record("")
		r.Key, r.Value = test.key, test.value
		e := loaded(r)
		if e.PrepareBytes(); reason(e.Fault) != test.want || (e.Op == event.OpSend) != (test.want == "") || e.Size != len(e.AppendEntity(nil)) {
			t.Errorf("%s: %q, op %v, size %d", name, reason(e.Fault), e.Op, e.Size)
		}
	}
}

// FuzzCarried gives HTTP headers any bytes: what comes out could stand in a
// request, is bounded, and is what went in.
func FuzzCarried(f *testing.F) {
	f.Add("POST", "Content-Type", []byte("a/b"), "x-cio-signature", []byte("00ff"))
	f.Add("", "a b", []byte("x\r\ny"), "é", []byte{0xff})
	f.Add("PUT", "0", []byte("0"), "İ", []byte("0")) // its lower case is an ASCII letter
	f.Fuzz(func(t *testing.T, method, name1 string, value1 []byte, name2 string, value2 []byte) {
		fields := []event.Header{{Key: name1, Value: value1}, {Key: name2, Value: value2}}
		headers, err := event.Carry(method, fields)
		if err != nil {
			headers = nil
			for _, field := range fields {
				headers = append(headers, event.Header{Key: event.HeaderHTTPPrefix + field.Key, Value: field.Value})
			}
		}
		e := loaded(record("x", headers...))
		if err == nil && e.CarriedMethod() != method {
			t.Fatalf("method %q became %q", method, e.CarriedMethod())
		}
		size, h := 0, http.Header{}
		for name, value := range e.Carried() {
			size += len(name) + len(value)
			h.Add(name, string(value))
			if name != strings.ToLower(name) || strings.ContainsAny(name, " :\r\n") || strings.ContainsAny(string(value), "\r\n\x00") {
				t.Fatalf("%q: %q", name, value)
			}
			if !strings.EqualFold(name, name1) && !strings.EqualFold(name, name2) {
				t.Fatalf("%q was made up", name)
			}
		}
		if size > event.MaxCarriedBytes {
			t.Fatalf("%d bytes", size)
		}
		var wire strings.Builder
		if err := h.Write(&wire); err != nil || strings.Count(wire.String(), "\r\n") != len(carried(e))/2 {
			t.Fatalf("%q, %v", wire.String(), err)
		}
	})
}
