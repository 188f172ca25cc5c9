package guard

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/pipeline/event"
)

func TestDigestTellsValuesApart(t *testing.T) {
	t.Parallel()
	seed := maphash.MakeSeed()
	for name, tc := range map[string]struct {
		a, b string
		same bool
	}{
		"order":           {`{"a":1,"b":[true,null]}`, `{"b":[true,null],"a":1}`, true},
		"white space":     {`{"a":1,"b":"x"}`, " {\t\"a\" : 1\n, \"b\":\"x\" } ", true},
		"nested order":    {`{"a":{"x":1,"y":2}}`, `{"a":{"y":2,"x":1}}`, true},
		"array order":     {`[1,2]`, `[2,1]`, false},
		"a value":         {`{"a":1}`, `{"a":2}`, false},
		"a name":          {`{"a":1}`, `{"b":1}`, false},
		"values swapped":  {`{"a":1,"b":2}`, `{"a":2,"b":1}`, false},
		"one more":        {`{"a":1}`, `{"a":1,"b":null}`, false},
		"moved in":        {`{"a":{"b":1},"c":2}`, `{"a":{"b":1,"c":2}}`, false},
		"array for value": {`{"a":[1]}`, `{"a":1}`, false},
		"empty ones":      {`{"a":{}}`, `{"a":[]}`, false},
		"nested arrays":   {`[[1],[2]]`, `[[1,2]]`, false},
		"text for number": {`{"a":"1"}`, `{"a":1}`, false},
		"large numbers":   {`9007199254740993`, `9007199254740992`, false},
		"number's form":   {`1`, `1.0`, false},
		"escape":          {`"é"`, `"\u00e9"`, false},
		"quote inside":    {`["a\"",1]`, `["a\" ",1]`, false},
	} {
		a, okA := digest(seed, []byte(tc.a))
		b, okB := digest(seed, []byte(tc.b))
		if !okA || !okB || (a == b) != tc.same {
			t.Errorf("%s: want same %v, have %x (%v) and %x (%v)", name, tc.same, a, okA, b, okB)
		}
	}
	for _, text := range []string{"", " ", "{", `{"a"}`, `{"a":}`, `{"a":1`, `{a:1}`, `["a`, `"\`, `{} {}`, `1 2`, `[1:2]`, ":", ",", strings.Repeat("[", 1000)} {
		if sum, ok := digest(seed, []byte(text)); ok {
			t.Errorf("%q: want it refused, have %x", text, sum)
		}
	}
}

// shuffled writes a decoded value with its members in any order and white space
// anywhere.
func shuffled(b *bytes.Buffer, value any) {
	space := func() { b.WriteString([]string{"", " ", "\n", "\t "}[rand.N(4)]) }
	space()
	switch v := value.(type) {
	case map[string]any:
		names := slices.Collect(maps.Keys(v))
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		b.WriteByte('{')
		for i, name := range names {
			if i > 0 {
				b.WriteByte(',')
			}
			space()
			text, _ := json.Marshal(name)
			b.Write(text)
			space()
			b.WriteByte(':')
			shuffled(b, v[name])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			shuffled(b, item)
		}
		b.WriteByte(']')
	default:
		text, _ := json.Marshal(v)
		b.Write(text)
	}
	space()
}

// values draws JSON values of few names and words, so that many are alike.
func values(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kinds := 4
		if depth == 0 {
			kinds = 2
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return rapid.SampledFrom([]any{nil, true, false, "", "a", `"`, `\`, "{", "1"}).Draw(t, "word")
		case 1:
			return float64(rapid.IntRange(0, 2).Draw(t, "number"))
		case 2:
			return rapid.SliceOfN(values(depth-1), 0, 3).Draw(t, "array")
		default:
			return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", `"`, ""}), values(depth-1), 0, 3).Draw(t, "object")
		}
	})
}

// TestDigestIsOfTheMeaning: two values have one digest when and only when they
// say the same, in whatever order and with whatever space they are written.
func TestDigestIsOfTheMeaning(t *testing.T) {
	t.Parallel()
	seed := maphash.MakeSeed()
	plain := func(v any) string { text, _ := json.Marshal(v); return string(text) }
	rapid.Check(t, func(t *rapid.T) {
		a, b := values(3).Draw(t, "a"), values(3).Draw(t, "b")
		var again bytes.Buffer
		shuffled(&again, a)
		one, ok1 := digest(seed, []byte(plain(a)))
		same, ok2 := digest(seed, again.Bytes())
		other, ok3 := digest(seed, []byte(plain(b)))
		if !ok1 || !ok2 || !ok3 || one != same {
			t.Fatalf("%s and %s: %x (%v), %x (%v)", plain(a), again.String(), one, ok1, same, ok2)
		}
		if (one == other) != (plain(a) == plain(b)) {
			t.Fatalf("%s and %s: %x and %x", plain(a), plain(b), one, other)
		}
	})
}

// FuzzDigest: any bytes are read without a fault, what is JSON is read to its
// end, and all that the guard makes of an event can be made of it.
func FuzzDigest(f *testing.F) {
	for _, text := range []string{
		`{"type":"person","action":"identify","identifiers":{"id":"1"},"attributes":{"a":[1,{"b":"\u00e9"}]}}`,
		`{"type":"person","action":"merge","primary":{"id":"1"},"secondary":{"email":"A@b"}}`,
		`[1e5,"\\\"",{}]`, `{"a"`, `"`, "\x00", `{"a":1,}`, `[,]`,
	} {
		f.Add([]byte(text))
	}
	seed := maphash.MakeSeed()
	f.Fuzz(func(t *testing.T, value []byte) {
		sum, ok := digest(seed, value)
		if again, okAgain := digest(seed, value); sum != again || ok != okAgain {
			t.Fatalf("%q: %x (%v), then %x (%v)", value, sum, ok, again, okAgain)
		}
		var e event.Event
		e.Load(event.Record{Key: []byte("k"), Value: value}, "c")
		if e.PrepareEntity(); e.Fault != nil {
			return
		}
		if !ok {
			t.Fatalf("%q is an entity and has no digest", value)
		}
		identifyOf(seed, &e)
		contentOf(seed, &e)
		if e.Op == event.OpMerge {
			secondaryKey(seed, &e)
		}
	})
}

func TestSecondaryKey(t *testing.T) {
	t.Parallel()
	for secondary, want := range map[string]string{
		`{"id":"42"}`:              "42",
		` { "id" : 42 } `:          "42",
		`{"email":"Ann@Shop.com"}`: "ann@shop.com",
		`{"cio_id":"a3"}`:          "cio_a3",
		`{"id":"4\u0032"}`:         "",
	} {
		var e event.Event
		e.Load(event.Record{Key: []byte("1"), Value: []byte(`{"type":"person","action":"merge","primary":{"id":"1"},"secondary":` + secondary + `}`)}, "c")
		if e.PrepareEntity(); e.Fault != nil {
			t.Fatalf("%s: %v", secondary, e.Fault)
		}
		key, ok := secondaryKey(maphash.MakeSeed(), &e)
		if ok != (want != "") || ok && string(key) != want {
			t.Errorf("%s: want %q, have %q, %v", secondary, want, key, ok)
		}
	}
}
