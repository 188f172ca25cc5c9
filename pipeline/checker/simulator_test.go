package checker_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"

	"sluice/pipeline/checker"
	"sluice/pipeline/producer"
	"sluice/sink/simulator"
)

// The checker understands what the simulator really writes: a file is
// converted as produce does it, sent in batches, and judged; then one event of
// it is sent once more.
func TestSimulatorsHistory(t *testing.T) {
	t.Parallel()
	sim, err := simulator.New(simulator.DefaultConfig(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, sim.ServeHTTP)
	var file strings.Builder
	for i := range 25 {
		_, _ = fmt.Fprintf(&file, `{"user":"u%d","event":"purchase","id":"01JDA%021d","data":{"i":%d}}`+"\n", i%4, i, i)
	}
	input := func() producer.Input { return producer.NDJSON(strings.NewReader(file.String())) }
	var entities [][]byte
	converter := producer.NewConverter(producer.Entity, true)
	for in := input(); ; {
		line, err := in.Next()
		if err != nil {
			break
		}
		item, err := converter.Convert(line)
		if err != nil {
			t.Fatal(err)
		}
		entities = append(entities, item.Record.Value)
	}
	for i := 0; i < len(entities); i += 10 {
		batch(t, url, entities[i:min(i+10, len(entities))])
	}
	batch(t, url, entities[7:8])

	arrivals, err := checker.Fetch(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	have, err := checker.Check(checker.Expect(input(), producer.Entity), arrivals, checker.Extra{})
	if err != nil {
		t.Fatal(err)
	}
	want := checker.Report{Read: 25, Delivered: 25, Duplicates: 1, Requests: 4, MaxSecond: have.MaxSecond, MaxTenth: have.MaxTenth, Seconds: have.Seconds}
	if have != want || have.Seconds <= 0 || have.MaxSecond < 1 || !have.OK() {
		t.Errorf("\nhave %+v\nwant %+v", have, want)
	}
}

func batch(t *testing.T, url string, entities [][]byte) {
	t.Helper()
	body := append([]byte(`{"batch":[`), bytes.Join(entities, []byte(","))...)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/v2/batch", bytes.NewReader(append(body, "]}"...)))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("site", "key")
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("have %s, want 200", response.Status)
	}
}
