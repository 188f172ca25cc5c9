package simulator_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"sluice/sink/simulator"
)

// TestHistoryFormat is the agreement with everyone who reads the history. The
// bubble's clock begins at 2000-01-01.
func TestHistoryFormat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := start(t)
		must(t, sim, 207, "POST /api/v2/batch", `{"batch":[`+
			`{"type":"person","action":"event","identifiers":{"id":"5"},"name":"buy","id":"`+ulidA+`","attributes":{"_seq":1,"_n":7}},`+
			`{"type":"person","action":"event","identifiers":{"id":"5"},"attributes":{"_seq":"2","_n":8}},`+
			`{"type":"person","action":"event","identifiers":{"id":"5"},"name":"buy","id":"`+ulidA+`","attributes":{"_seq":1,"_n":7}}]}`)
		time.Sleep(time.Second)
		must(t, sim, 200, "PUT /api/v1/customers/A%22@b.c", `{"_seq":3,"_n":9}`)
		must(t, sim, 200, "POST /api/v1/customers/5/events", `{"name":"é <x>","id":"01hb4hbdktfwyzck01dmrswrfe","data":{"_seq":4,"_n":1e3}}`)
		must(t, sim, 400, "POST /api/v1/customers/5/events", `{`)
		entity(t, sim, `{"type":"object","action":"identify","identifiers":{"object_type_id":"1","object_id":"acme"}}`)
		configure(t, sim, `{"down":true}`)
		must(t, sim, 503, "POST /api/v1/merge_customers", `{"primary":{"id":"5"},"secondary":{"id":"6"}}`)

		const want = `{"time":946684800000000000,"workspace":"site","user":"5","id":"01HB4HBDKTFWYZCK01DMRSWRFD","_seq":1,"_n":7,"status":200,"attempt":1,"op":"track","effect":true,"name":"buy"}
{"time":946684800000000000,"workspace":"site","user":"5","id":"","_seq":2,"_n":8,"status":400,"attempt":1,"op":"track","effect":false,"name":""}
{"time":946684800000000000,"workspace":"site","user":"5","id":"01HB4HBDKTFWYZCK01DMRSWRFD","_seq":1,"_n":7,"status":200,"attempt":1,"op":"track","effect":false,"name":"buy"}
{"time":946684801000000000,"workspace":"site","user":"A\"@b.c","id":"","_seq":3,"_n":9,"status":200,"attempt":2,"op":"identify","effect":true,"name":""}
{"time":946684801000000000,"workspace":"site","user":"5","id":"01hb4hbdktfwyzck01dmrswrfe","_seq":4,"status":200,"attempt":3,"op":"track","effect":true,"name":"é <x>"}
{"time":946684801000000000,"workspace":"site","user":"5","id":"","status":400,"attempt":4,"op":"unreadable","effect":false,"name":""}
{"time":946684801000000000,"workspace":"site","user":"1:acme","id":"","status":200,"attempt":5,"op":"object_identify","effect":true,"name":""}
{"time":946684801000000000,"workspace":"site","user":"5","id":"","status":503,"attempt":6,"op":"merge","effect":false,"name":""}
`
		have := must(t, sim, 200, "GET /_sim/history", "")
		if have != want {
			t.Errorf("want:\n%s\nhave:\n%s", want, have)
		}
		checkLines(t, sim, have)
	})
}

// checkLines: what is written reads back as what History returns.
func checkLines(t *testing.T, sim *simulator.Simulator, text string) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(text))
	for _, want := range sim.History() {
		var have simulator.Arrival
		if !lines.Scan() {
			t.Fatal("want more lines")
		}
		if err := json.Unmarshal(lines.Bytes(), &have); err != nil || have != want {
			t.Errorf("want %+v, have %+v (%v)", want, have, err)
		}
	}
}

// TestHistoryIsUTF8: a path may hold any bytes, a line of JSON may not.
func TestHistoryIsUTF8(t *testing.T) {
	t.Parallel()
	sim := start(t)
	must(t, sim, 200, "PUT /api/v1/customers/a%FF%00", "{}")
	line := must(t, sim, 200, "GET /_sim/history", "")
	var a simulator.Arrival
	if err := json.Unmarshal([]byte(line), &a); err != nil || !utf8.ValidString(line) || a.User != "a\ufffd\x00" {
		t.Errorf("want one line of JSON in UTF-8, have %q (%v)", line, err)
	}
}

// TestHistorySince skips lines, also over the borders of what is kept together.
func TestHistorySince(t *testing.T) {
	t.Parallel()
	sim := start(t)
	const batches, size = 50, 100
	item := 0
	for range batches {
		var items []string
		for range size {
			item++
			items = append(items, fmt.Sprintf(`{"type":"person","action":"event","identifiers":{"id":"%d"},"name":"x","attributes":{"_n":%d}}`, item%7, item))
		}
		must(t, sim, 200, "POST /api/v2/batch", `{"batch":[`+strings.Join(items, ",")+`]}`)
	}
	for _, since := range []int{0, 1, 4095, 4096, 4097, batches*size - 1, batches * size, batches*size + 1} {
		next := int64(since)
		for line := range strings.Lines(must(t, sim, 200, fmt.Sprintf("GET /_sim/history?since=%d", since), "")) {
			var a simulator.Arrival
			if err := json.Unmarshal([]byte(line), &a); err != nil {
				t.Fatal(err)
			}
			next++
			if a.N != next || a.Attempt != (next-1)/size+1 {
				t.Fatalf("since %d: want line %d, have %+v", since, next, a)
			}
		}
		if want := int64(max(since, batches*size)); next != want {
			t.Errorf("since %d: want the lines up to %d, have up to %d", since, want, next)
		}
	}
	must(t, sim, 400, "GET /_sim/history?since=-1", "")
	must(t, sim, 400, "GET /_sim/history?since=x", "")
}
