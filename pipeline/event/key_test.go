package event_test

import (
	"strings"
	"testing"

	"sluice/pipeline/event"
)

func TestEntityKey(t *testing.T) {
	t.Parallel()
	person := func(identifiers string) string {
		return `{"type":"person","action":"event","name":"n","identifiers":` + identifiers + `}`
	}
	object := func(identifiers string) string {
		return `{"type":"object","action":"delete","identifiers":` + identifiers + `}`
	}
	for value, want := range map[string]string{
		person(`{"id":"User 42"}`):                          "User 42",
		person(`{"id":42}`):                                 "42",
		person(`{"id":"\u00e9\"/"}`):                        `é"/`,
		person(`{"email":"Ann@B.Example"}`):                 "ann@b.example",
		person(`{"email":"ÅSA@b.example"}`):                 "åsa@b.example",
		person(`{"cio_id":"a1"}`):                           "cio_a1",
		person(`{"phone":"+31612345678"}`):                  "+31612345678",
		person(`{"anonymous_id":"Anon-1"}`):                 "Anon-1",
		object(`{"object_type_id":"1","object_id":"Acme"}`): "1:Acme",
		object(`{"object_id":7,"object_type_id":1}`):        "1:7",
		object(`{"cio_object_id":"ob1"}`):                   "cio_object:ob1",
		`{"type":"person","action":"merge","secondary":{"id":"2"},"primary":{"email":"A@b.example"}}`:                      "a@b.example",
		`{"type":"delivery","action":"event","identifiers":{"id":"D1"},"name":"opened","attributes":{"device_token":"t"}}`: "D1",
	} {
		have, err := event.EntityKey([]byte(value))
		if err != nil || string(have) != want {
			t.Errorf("%s: want %q, have %q, %v", value, want, have, err)
		}
	}
}

func TestEntityKeyFaults(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"":   event.ReasonNotJSON,
		"[]": event.ReasonNotObject,
		"{}": event.ReasonMissingField,
		`{"type":"person","action":"event","identifiers":{"id":"hunter2","email":"x"},"name":"n"}`: event.ReasonBadIdentifiers,
	} {
		key, err := event.EntityKey([]byte(value))
		if err == nil || key != nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: want an error with %s and no payload, have %q, %v", value, want, key, err)
		}
	}
}

// A key is the caller's: it must not change with the entity it came from.
func TestEntityKeyIsACopy(t *testing.T) {
	t.Parallel()
	entity := []byte(purchase)
	key, err := event.EntityKey(entity)
	if err != nil {
		t.Fatal(err)
	}
	clear(entity)
	if string(key) != "user-0000048213" {
		t.Errorf("have %q", key)
	}
}

func TestKeysOfParts(t *testing.T) {
	t.Parallel()
	for want, have := range map[string][]byte{
		"User": event.KeyOfID("User"), "a@b": event.KeyOfEmail("A@B"), "cio_A": event.KeyOfCioID("A"), "+1": event.KeyOfPhone("+1"),
		"An": event.KeyOfAnonymous("An"), "1:Ac": event.KeyOfObject("1", "Ac"), "cio_object:O": event.KeyOfCioObject("O"), "D": event.KeyOfDelivery("D"),
	} {
		if string(have) != want {
			t.Errorf("want %q, have %q", want, have)
		}
	}
}
