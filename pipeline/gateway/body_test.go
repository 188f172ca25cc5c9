package gateway_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// sized is an entity of exactly size bytes.
func sized(size int) string {
	const head, tail = `{"type":"person","action":"event","identifiers":{"id":"42"},"name":"purchase","attributes":{"note":"`, `"}}`
	return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
}

// batchOf is a batch of exactly size bytes, of blanks where entities do not fill it.
func batchOf(size int) string {
	const head, tail = `{"batch":[`, `]}`
	items := make([]string, 0, 20)
	left := size - len(head) - len(tail)
	for left > 40_000 {
		items = append(items, sized(30_000))
		left -= 30_001
	}
	items = append(items, sized(200))
	body := head + strings.Join(items, ",")
	return body + strings.Repeat(" ", size-len(body)-len(tail)) + tail
}

// The smallest batch memory holds the batch that needs the most: as many of the
// smallest entities as there can be.
func TestFullestBatchHasRoom(t *testing.T) {
	t.Parallel()
	const least = `{"type":"person","action":"delete","identifiers":{"id":"1"}}`
	cfg := config()
	cfg.InFlightBytes = 4 << 20
	count := (500_000 - len(`{"batch":[]}`)) / (len(least) + 1)
	body := `{"batch":[` + strings.TrimSuffix(strings.Repeat(least+",", count), ",") + `]}`
	k := &kafka{}
	wantStatus(t, send(newGateway(t, cfg, k), request("POST", "/api/v2/batch", body)), 200)
	if have := len(k.taken()); have != count {
		t.Errorf("want %d records, have %d", count, have)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	g := newGateway(t, config(), &kafka{})
	for _, tc := range []struct {
		name, path, body string
		want             int
	}{
		{"largest entity", "/api/v2/entity", sized(32 << 10), 200},
		{"entity too large", "/api/v2/entity", sized(32<<10 + 1), 400},
		{"largest batch", "/api/v2/batch", batchOf(500_000), 200},
		{"batch too large", "/api/v2/batch", batchOf(500_001), 400},
		{"largest item", "/api/v2/batch", `{"batch":[` + sized(32<<10) + `]}`, 200},
		{"item too large", "/api/v2/batch", `{"batch":[` + sized(32<<10+1) + `,` + purchase + `]}`, 207},
		{"most items", "/api/v2/batch", `{"batch":[` + strings.Repeat("{},", 9_999) + `{}]}`, 207},
		{"too many items", "/api/v2/batch", `{"batch":[` + strings.Repeat("{},", 10_000) + `{}]}`, 400},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				r := request("POST", tc.path, tc.body)
				if chunked {
					r.ContentLength = -1
				}
				w := send(g, r)
				wantStatus(t, w, tc.want)
				if tc.want == 400 && !strings.HasPrefix(w.Body.String(), `{"errors":[{"reason":"invalid"`) {
					t.Errorf("want the shape of v2, have %s", w.Body)
				}
			})
		}
	}
}

func zipped(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGzip(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := newGateway(t, config(), k)
	whole := zipped(t, purchase)
	for _, tc := range []struct {
		name, encoding, body string
		want                 int
	}{
		{"gzip", "gzip", whole, 200},
		{"by its old name", "X-Gzip", whole, 200},
		{"as it is", "identity", purchase, 200},
		{"two members", "gzip", zipped(t, purchase[:20]) + zipped(t, purchase[20:]), 200},
		{"largest", "gzip", zipped(t, sized(32<<10)), 200},
		{"too large unpacked", "gzip", zipped(t, sized(32<<10+1)), 400},
		{"bomb", "gzip", zipped(t, strings.Repeat(" ", 10<<20)), 400},
		{"cut short", "gzip", whole[:len(whole)-4], 400},
		{"not gzip", "gzip", purchase, 400},
		{"empty", "gzip", "", 400},
		{"unknown", "br", whole, 415},
		{"twice", "gzip, gzip", whole, 415},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := request("POST", "/api/v2/entity", tc.body)
			r.Header.Set("Content-Encoding", tc.encoding)
			wantStatus(t, send(g, r), tc.want)
		})
	}
}

// A bomb is cut off where its bytes exceed the limit: what it would have become
// is never made.
func TestBombIsNotUnpacked(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.InFlightBytes = 8 << 20
	g := newGateway(t, cfg, &kafka{})
	reader, writer := io.Pipe()
	go func() {
		z := gzip.NewWriter(writer)
		_, err := io.Copy(z, endless{' '})
		writer.CloseWithError(err)
	}()
	r := request("POST", "/api/v2/batch", "")
	r.Body, r.ContentLength = reader, -1
	r.Header.Set("Content-Encoding", "gzip")
	wantStatus(t, send(g, r), 400)
	_ = reader.Close()
}

func TestBadJSON(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	g := newGateway(t, config(), k)
	entity := func(attributes string) string {
		return strings.TrimSuffix(purchase, "}") + `,"attributes":` + attributes + `}`
	}
	deep := func(levels int) string {
		return strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels)
	}
	for _, tc := range []struct {
		name, body string
		want       int
	}{
		{"deepest", entity(deep(63)), 200},
		{"too deep", entity(deep(64)), 400},
		{"brackets without end", `{"a":` + strings.Repeat("[", 30_000), 400},
		{"duplicate key", entity(`{"a":1,"a":2}`), 400},
		{"duplicate key by an escape", entity(`{"a":1,"\u0061":2}`), 400},
		{"duplicate root key", `{"type":"person",` + purchase[1:], 400},
		{"bad UTF-8", entity("{\"a\":\"\xff\"}"), 400},
		{"half a surrogate pair", entity(`{"a":"\ud800"}`), 400},
		{"two values", purchase + purchase, 400},
		{"cut short", purchase[:len(purchase)-1], 400},
		{"a comma too many", purchase[:len(purchase)-1] + ",}", 400},
		{"array", "[" + purchase + "]", 400},
		{"null", "null", 400},
		{"nothing", "", 400},
		{"blanks around", "\r\n\t " + purchase + "\n", 200},
		{"byte order mark", "\xef\xbb\xbf" + purchase, 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			wantStatus(t, send(g, request("POST", "/api/v2/entity", tc.body)), tc.want)
			want := tc.want
			if want == 400 && !strings.HasPrefix(tc.name, "cut") && !strings.Contains(tc.body, "[[[") {
				want = 0 // by its item, or whole
			}
			w := send(g, request("POST", "/api/v2/batch", `{"batch":[`+tc.body+`,`+purchase+`]}`))
			if want != 0 {
				wantStatus(t, w, want)
			} else if w.Code != 207 && w.Code != 400 {
				t.Errorf("batch: want 207 or 400, have %d: %s", w.Code, w.Body)
			}
		})
	}
}

// The memory of all requests is bounded: what would exceed it is refused with
// a time to come again, and there is room again when the others are done.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.InFlightBytes = 8 << 20
		k := &kafka{hang: true}
		g := newGateway(t, cfg, k)
		body := batchOf(500_000)
		var all sync.WaitGroup
		var mu sync.Mutex
		full := 0
		for range 20 {
			all.Go(func() {
				w := send(g, request("POST", "/api/v2/batch", body))
				if w.Code != 503 || w.Header().Get("Retry-After") == "" {
					t.Errorf("want 503 with Retry-After, have %d", w.Code)
				}
				mu.Lock()
				defer mu.Unlock()
				full++
			})
		}
		synctest.Wait()
		mu.Lock()
		// Each takes a little above a megabyte, twice its body: seven fit.
		if full < 12 || full > 14 {
			t.Errorf("want about 13 of 20 refused at once, have %d", full)
		}
		mu.Unlock()
		all.Wait()
		synctest.Wait() // for what was under way when its requests gave up
		k.set(func() { k.hang = false })
		wantStatus(t, send(g, request("POST", "/api/v2/batch", body)), 200)
	})
}

// A body that comes in drops takes its bytes of the memory, not the length that
// it states.
func TestStatedLengthCostsNothing(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.InFlightBytes = 8 << 20
	g := newGateway(t, cfg, &kafka{})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	first := make(chan struct{}, 50)
	for range 50 {
		all.Go(func() {
			r := request("POST", "/api/v2/batch", "").WithContext(ctx)
			r.Body, r.ContentLength = &drop{ctx.Done(), first, sync.Once{}}, 500_000
			send(g, r)
		})
	}
	for range 50 {
		<-first
	}
	wantStatus(t, send(g, request("POST", "/api/v2/entity", purchase)), 200)
	cancel()
	all.Wait()
}

// drop is a body of one byte that then waits for an end.
type drop struct {
	end   <-chan struct{}
	first chan<- struct{}
	once  sync.Once
}

func (d *drop) Read(b []byte) (int, error) {
	n := 0
	d.once.Do(func() { b[0], n = '{', 1 })
	if n > 0 {
		return n, nil
	}
	d.first <- struct{}{}
	<-d.end
	return 0, io.ErrUnexpectedEOF
}

func (*drop) Close() error { return nil }

// slow is a body that ends with the server's deadline.
type timedOut struct{}

func (timedOut) Read([]byte) (int, error) { return 0, context.DeadlineExceeded }

func TestBrokenBody(t *testing.T) {
	t.Parallel()
	k := &kafka{}
	r := httptest.NewRequest(http.MethodPost, "/api/v2/entity", timedOut{})
	r.Header.Set("Authorization", basic("site:key"))
	wantStatus(t, send(newGateway(t, config(), k), r), 400)
	if have := len(k.taken()); have != 0 {
		t.Errorf("want nothing appended, have %d records", have)
	}
}
