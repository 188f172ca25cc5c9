// Floor is what the benchmark holds the gateway to: about the least that a way
// in by HTTP must do. A net/http handler reads the body and produces it, in as
// many records of equal size as it is asked for, and answers when all in-sync
// replicas have them. It is a bound, not a product: no credentials, no limits,
// nothing is decoded or checked, no ids.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	brokers := flag.String("brokers", "", "comma-separated")
	topic := flag.String("topic", "", "where records go")
	listen := flag.String("listen", "", "address")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, strings.Split(*brokers, ","), *topic, *listen)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

// run produces as the gateway does: to all in-sync replicas, idempotently, by
// key, compressed, in batches of two milliseconds.
func run(ctx context.Context, brokers []string, topic, listen string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(2*time.Millisecond), kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		return err
	}
	defer client.Close()
	server := &http.Server{Addr: listen, Handler: handler{client}, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type handler struct{ client *kgo.Client }

// ServeHTTP produces the body in X-Records records, each under the next of the
// keys that begin with X-Key.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	n, _ := strconv.Atoi(r.Header.Get("X-Records"))
	n = max(1, n)
	stem := r.Header.Get("X-Key")
	done := make(chan error, n)
	for i := range n {
		piece := body[len(body)*i/n : len(body)*(i+1)/n]
		h.client.Produce(r.Context(), &kgo.Record{Key: strconv.AppendInt([]byte(stem), int64(i), 10), Value: piece}, func(_ *kgo.Record, err error) { done <- err })
	}
	for range n {
		if err := <-done; err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = io.WriteString(w, "{}\n") // a client that has gone needs none
}
