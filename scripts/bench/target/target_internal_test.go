package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	one := `{"user":"u1","seq":7,"data":{"note":"} \" {"}}`
	cases := []struct {
		name, body string
		want       []int64
		bad        bool
	}{
		{"one", one, []int64{7}, false},
		{"batch", `{"batch":[` + one + `, {"type":"person","attributes":{"user":"u2","seq":12,"ns":5}}]}`, []int64{7, 12}, false},
		{"empty batch", `{"batch":[]}`, nil, false},
		{"no user", `{"seq":7}`, nil, true},
		{"no seq", `{"user":"u1"}`, nil, true},
		{"cut", `{"batch":[` + one, nil, true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			events, err := parse([]byte(tc.body), nil)
			if (err != nil) != tc.bad {
				t.Fatalf("bad: want %t, have %v", tc.bad, err)
			}
			var have []int64
			for _, e := range events {
				have = append(have, e.seq)
			}
			if !tc.bad && !slices.Equal(have, tc.want) {
				t.Errorf("want %v, have %v", tc.want, have)
			}
		})
	}
}

func TestServeCounts(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s := newServer()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	post := func(body io.Reader) int {
		resp, err := client.Post("http://"+l.Addr().String()+"/w/a/events", "application/json", body)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for _, seq := range []int{0, 1, 3, 2, 3} { // 2 is late, the last 3 a duplicate
		if code := post(bytes.NewBufferString(fmt.Sprintf(`{"user":"u1","seq":%d}`, seq))); code != http.StatusOK {
			t.Errorf("seq %d: want 200, have %d", seq, code)
		}
	}
	chunked := io.MultiReader(bytes.NewBufferString(`{"user":"u2",`), bytes.NewBufferString(`"seq":0}`)) // of unknown length
	if code := post(chunked); code != http.StatusOK {
		t.Errorf("chunked: want 200, have %d", code)
	}
	if code := post(bytes.NewBufferString(`nonsense`)); code != http.StatusBadRequest {
		t.Errorf("nonsense: want 400, have %d", code)
	}
	have := s.workspace("a").stats()
	if have.Accepted != 6 || have.Unique != 5 || have.Late != 1 || have.Duplicates != 1 || have.Malformed != 1 || have.Overlap != 0 {
		t.Errorf("have %+v", have)
	}
}

func TestDelays(t *testing.T) {
	t.Parallel()
	var d delays
	var all []int64
	for range 20_000 {
		ns := int64(1 + rand.ExpFloat64()*3e6)
		d.add(ns)
		all = append(all, ns)
	}
	slices.Sort(all)
	for _, q := range []float64{0.5, 0.99} {
		true := all[int(q*float64(len(all)))]
		have := d.quantile(q)
		if have < true || float64(have) > 1.07*float64(true) {
			t.Errorf("q %.2f: want %d or up to 7 %% more, have %d", q, true, have)
		}
	}
}
