package producer_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"sluice/pipeline/producer"
)

// drain reads an input to its end, each event as "n@line object" or
// "n@line! reason".
func drain(t *testing.T, in producer.Input) []string {
	t.Helper()
	var have []string
	for {
		line, err := in.Next()
		var bad *producer.LineError
		switch {
		case errors.Is(err, io.EOF):
			return have
		case errors.As(err, &bad):
			have = append(have, fmt.Sprintf("%d@%d! %v", bad.N, bad.Number, bad.Err))
		case err != nil:
			return append(have, "! "+err.Error())
		default:
			have = append(have, fmt.Sprintf("%d@%d %s", line.N, line.Number, line.Object))
		}
	}
}

func TestNDJSON(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", producer.MaxLine)
	for name, c := range map[string]struct {
		file string
		want []string
	}{
		"empty":             {"", nil},
		"blank lines":       {"\n  \n\r\n", nil},
		"one":               {`{"a":1}`, []string{`1@1 {"a":1}`}},
		"order":             {"{\"a\":1}\n{\"a\":2}\n", []string{`1@1 {"a":1}`, `2@2 {"a":2}`}},
		"carriage returns":  {"{\"a\":1}\r\n{\"a\":2}\r\n", []string{`1@1 {"a":1}`, `2@2 {"a":2}`}},
		"byte order mark":   {"\xef\xbb\xbf{\"a\":1}\n", []string{`1@1 {"a":1}`}},
		"blanks count":      {"{\"a\":1}\n\n {\"a\":2}\t\n", []string{`1@1 {"a":1}`, `3@3 {"a":2}`}},
		"longest":           {long + "\n{}", []string{"1@1 " + long, "2@2 {}"}},
		"longest with CRLF": {long + "\r\n{}", []string{"1@1 " + long, "2@2 {}"}},
		"one byte over":     {"{}\n" + long + "y\n{}", []string{"1@1 {}", "2@2! longer than 2097152 bytes", "3@3 {}"}},
		"far over":          {strings.Repeat(long, 3) + "\n{}", []string{"1@1! longer than 2097152 bytes", "2@2 {}"}},
		"over, at the end":  {long + "yz", []string{"1@1! longer than 2097152 bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			equal(t, "events", drain(t, producer.NDJSON(strings.NewReader(c.file))), c.want)
		})
	}
}

func TestLongLineKeepsItsBeginning(t *testing.T) {
	t.Parallel()
	in := producer.NDJSON(strings.NewReader("begin" + strings.Repeat("x", producer.MaxLine)))
	_, err := in.Next()
	var bad *producer.LineError
	if !errors.As(err, &bad) {
		t.Fatalf("have %v, want a LineError", err)
	}
	if !bad.Cut || len(bad.Raw) != 1024 || !bytes.HasPrefix(bad.Raw, []byte("beginxxx")) {
		t.Errorf("have cut %v, %d bytes; want the first 1024 of the line", bad.Cut, len(bad.Raw))
	}
	if want := "line 1: longer than 2097152 bytes"; bad.Error() != want {
		t.Errorf("have %q, want %q", bad, want)
	}
}

func TestBrokenFileEndsTheInput(t *testing.T) {
	t.Parallel()
	broken := func(text string) io.Reader {
		return io.MultiReader(strings.NewReader(text), failing{})
	}
	equal(t, "ndjson", drain(t, producer.NDJSON(broken("{}\n{"))), []string{"1@1 {}", "! read line 2: disk on fire"})
	in, err := producer.CSV(broken("u\n1\n\"2"), producer.Mapping{Columns: map[string]string{"user": "u"}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "csv", drain(t, in), []string{`1@2 {"user":"1","traits":{}}`, "! read line 3: disk on fire"})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

func TestCSV(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mapping, event string
		file           string
		want           []string
	}{
		"purchases": {"user=customer_id,timestamp=date", "purchase", "customer_id,date,quantity,value_usd\n1,1997-01-01,1,11.77\n", []string{
			`1@2 {"user":"1","event":"purchase","timestamp":852076800,"data":{"quantity":1,"value_usd":11.77}}`,
		}},
		"constant in the map": {"user=u,event=purchase", "", "u,x\n7,a", []string{`1@2 {"user":"7","event":"purchase","data":{"x":"a"}}`}},
		"event column":        {"user=u,event=what", "", "what,u\nbuy,7\nsell,8", []string{`1@2 {"user":"7","event":"buy","data":{}}`, `2@3 {"user":"8","event":"sell","data":{}}`}},
		"identify":            {"user=u", "", "u,email,plan\n7,a@b.c,pro", []string{`1@2 {"user":"7","traits":{"email":"a@b.c","plan":"pro"}}`}},
		"renamed fields":      {"user=u,amount=value usd", "e", "u,value usd\n7,3", []string{`1@2 {"user":"7","event":"e","data":{"amount":3}}`}},
		"email as the user":   {"email=mail", "e", "mail,n\nA@b.c,1", []string{`1@2 {"email":"A@b.c","event":"e","data":{"n":1}}`}},
		"email beside a user": {"user=u,email=mail", "", "u,mail\n1,a@b.c", []string{`1@2 {"user":"1","traits":{"email":"a@b.c"}}`}},
		"ids":                 {"user=u,id=i", "e", "u,i\n1,x9\n1,", []string{`1@2 {"user":"1","event":"e","id":"x9","data":{}}`, `2@3 {"user":"1","event":"e","data":{}}`}},
		"values": {"user=u", "e", "u,a,b,c,d,e,f,g\n1,-1.5e3,true,TRUE,007,,null,+1", []string{
			`1@2 {"user":"1","event":"e","data":{"a":-1.5e3,"b":true,"c":"TRUE","d":"007","e":"","f":"null","g":"+1"}}`,
		}},
		"more values": {"user=u", "e", "u,a,b,c,d,e\n1,1., 5,0x1F,1 2,-", []string{
			`1@2 {"user":"1","event":"e","data":{"a":"1.","b":" 5","c":"0x1F","d":"1 2","e":"-"}}`,
		}},
		"quoting": {"user=u", "e", "u,\"a,b\",c\n\"1\",\"x \"\"y\"\", z\",\"two\nlines\"\n2,,\n", []string{
			`1@2 {"user":"1","event":"e","data":{"a,b":"x \"y\", z","c":"two\nlines"}}`,
			`2@4 {"user":"2","event":"e","data":{"a,b":"","c":""}}`,
		}},
		"unicode":                {"user=Kunde", "køb", "\xef\xbb\xbfKunde,größe\r\nÅse 王,\"½\"\r\n", []string{`1@2 {"user":"Åse 王","event":"køb","data":{"größe":"½"}}`}},
		"blank lines":            {"user=u", "e", "\nu\n\n1\n\n2\n\n", []string{`1@4 {"user":"1","event":"e","data":{}}`, `2@6 {"user":"2","event":"e","data":{}}`}},
		"header alone":           {"user=u", "e", "u,v", nil},
		"too few fields":         {"user=u", "e", "u,v\n1\n2,x", []string{"1@2! the row has 1 fields, the header 2", `2@3 {"user":"2","event":"e","data":{"v":"x"}}`}},
		"bare quote":             {"user=u", "e", "u,v\n1,5\" disc\n2,x", []string{`1@2! a quote inside an unquoted field: quote the field and double the quote ("")`, `2@3 {"user":"2","event":"e","data":{"v":"x"}}`}},
		"after a quote":          {"user=u", "e", "u,v\n1,\"x\"y\n2,x", []string{"1@2! text after a field's closing quote: double quotes inside a field", `2@3 {"user":"2","event":"e","data":{"v":"x"}}`}},
		"unclosed costs a line":  {"user=u", "e", "u,v\n1,\"x\n2,y\n3,z\n", []string{"1@2! a quoted field that never closes", `2@3 {"user":"2","event":"e","data":{"v":"y"}}`, `3@4 {"user":"3","event":"e","data":{"v":"z"}}`}},
		"two unclosed":           {"user=u", "e", "u,v\n1,\"x\n2,\"y\n3,z", []string{"1@2! text after a field's closing quote: double quotes inside a field", "2@3! a quoted field that never closes", `3@4 {"user":"3","event":"e","data":{"v":"z"}}`}},
		"unclosed over the size": {"user=u", "e", "u,v\n1,\"x\n2," + strings.Repeat("y", producer.MaxLine-2) + "\n3,z", []string{"1@2! a quoted field that never closes within 2097152 bytes", `2@3 {"user":"2","event":"e","data":{"v":"` + strings.Repeat("y", producer.MaxLine-2) + `"}}`, `3@4 {"user":"3","event":"e","data":{"v":"z"}}`}},
		"long line":              {"user=u", "e", "u\n" + strings.Repeat("x", producer.MaxLine+1) + "\n2", []string{"1@2! longer than 2097152 bytes", `2@3 {"user":"2","event":"e","data":{}}`}},
		"bad date":               {"user=u,timestamp=t", "e", "u,t\n1,01/02/2024\n1,", []string{"1@2! timestamp: must be unix seconds, RFC 3339 or YYYY-MM-DD", `2@3 {"user":"1","event":"e","data":{}}`}},
		"not UTF-8":              {"user=u", "e", "u,v\n1,caf\xe9\n2,x", []string{"1@2! field 2 is not UTF-8", `2@3 {"user":"2","event":"e","data":{"v":"x"}}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mapping, err := producer.ParseMapping(c.mapping)
			if err != nil {
				t.Fatal(err)
			}
			mapping.Event = c.event
			in, err := producer.CSV(strings.NewReader(c.file), mapping)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "events", drain(t, in), c.want)
		})
	}
}

func TestMappingFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mapping, event, header string
		want                   []string
	}{
		"no user":           {"timestamp=date", "e", "id,date", []string{"nothing names the user; add user=COLUMN, one of id, date"}},
		"no such column":    {"user=usr", "e", "id,date", []string{"map: user=usr: no such column; the file has id, date"}},
		"all at once":       {"timestamp=d8", "e", "id,id,", []string{`"id" stands twice`, "column 3 has no name", "timestamp=d8: no such column", "nothing names the user"}},
		"one column twice":  {"user=id,id=id", "e", "id,date", []string{`column "id" is mapped to`}},
		"two of one name":   {"user=id,date=day", "e", "id,day,date", []string{`two columns would be called "date"`}},
		"event twice":       {"user=id,event=what", "e", "id,what", []string{"exclude each other"}},
		"event mistyped":    {"user=id,event=whom", "e", "id,what", []string{"map: event=whom: no such column"}},
		"empty file":        {"user=id", "e", "", []string{"the file is empty; its first line must name the columns"}},
		"header badly made": {"user=id", "e", `id,a"b`, []string{"read the header: a quote inside an unquoted field"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mapping, err := producer.ParseMapping(c.mapping)
			if err != nil {
				t.Fatal(err)
			}
			mapping.Event = c.event
			_, err = producer.CSV(strings.NewReader(c.header), mapping)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("have %v, want %q in it", err, want)
				}
			}
		})
	}
}

func TestParseMapping(t *testing.T) {
	t.Parallel()
	m, err := producer.ParseMapping(" user = customer_id ,timestamp=date")
	if err != nil || len(m.Columns) != 2 || m.Columns["user"] != "customer_id" || m.Columns["timestamp"] != "date" {
		t.Errorf("have %v, %v", m, err)
	}
	for _, text := range []string{"user", "=x", "user=", "user=a,user=b", "user=a,,x=b"} {
		if _, err := producer.ParseMapping(text); err == nil {
			t.Errorf("%q: have no error, want one", text)
		}
	}
}

// Every row of the real file is read, none is bad.
func TestCSVReadsTheWholeFile(t *testing.T) {
	t.Parallel()
	file, err := os.Open("../../scripts/data/cdnow.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	in, err := producer.CSV(file, producer.Mapping{Columns: map[string]string{"user": "customer_id", "timestamp": "date"}, Event: "purchase"})
	if err != nil {
		t.Fatal(err)
	}
	for want := 1; ; want++ {
		line, err := in.Next()
		if errors.Is(err, io.EOF) {
			if want != 69_660 {
				t.Errorf("have %d rows, want 69659", want-1)
			}
			return
		}
		if err != nil || line.N != want || line.Number != want+1 {
			t.Fatalf("row %d: have %d on line %d, %v", want, line.N, line.Number, err)
		}
	}
}

// FuzzCSV holds the row reader against encoding/csv: what that reads without
// an error is read alike, and nothing makes this one stop early or go on for ever.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"1,2", "\"a\",b\n", "\"a\"\"b\nc\",d\r\n,\n", "x,\"y\nz,w", "a\"b,c\n1,2"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, rows []byte) {
		in, err := producer.CSV(bytes.NewReader(append([]byte("u,v\n"), rows...)), producer.Mapping{Columns: map[string]string{"user": "u"}})
		if err != nil {
			t.Fatal(err)
		}
		have := drain(t, in)
		if most := bytes.Count(rows, []byte("\n")) + 1; len(have) > most {
			t.Fatalf("have %d rows from %d lines", len(have), most)
		}
		reader := csv.NewReader(bytes.NewReader(append([]byte("u,v\n"), rows...)))
		want, err := reader.ReadAll()
		if err != nil || bytes.Contains(rows, []byte("\r")) {
			return
		}
		if len(have) != len(want)-1 {
			t.Fatalf("have %d rows, want %d", len(have), len(want)-1)
		}
		for i, row := range want[1:] {
			_, object, converted := strings.Cut(have[i], " ")
			if !utf8.ValidString(row[0]) || !utf8.ValidString(row[1]) {
				converted = false
			}
			if wantObject := `{"user":` + quoted(row[0]) + `,"traits":{"v":`; converted && !strings.HasPrefix(object, wantObject) {
				t.Errorf("row %d: have %s, want it to begin with %s", i+1, object, wantObject)
			}
			if !converted && !strings.Contains(have[i], "! ") {
				t.Errorf("row %d: have %s, want a fault", i+1, have[i])
			}
			if converted && !strings.HasSuffix(object, ":"+row[1]+"}}") && !strings.HasSuffix(object, ":"+quoted(row[1])+"}}") {
				t.Errorf("row %d: have %s, want it to end with %q", i+1, object, row[1])
			}
		}
	})
}

// quoted is a JSON string, as the producer writes it.
func quoted(text string) string {
	quoted, _ := jsontext.AppendQuote(nil, text)
	return string(quoted)
}
