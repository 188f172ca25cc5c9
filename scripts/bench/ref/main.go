// Ref is what the benchmark compares with: about the least that a program must
// do to deliver records to an HTTP endpoint, one a request, in order for each
// key, with a bounded number in flight. It is a bound, not a product: chains of
// records per key, contiguous commits, net/http; no budget, no drain, no dead
// letters, no hand-over.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	brokers := flag.String("brokers", "", "comma-separated")
	group := flag.String("group", "", "consumer group")
	routes := flag.String("routes", "", "topic=url, comma-separated")
	workers := flag.Int("workers", 256, "requests in flight at most")
	pending := flag.Int("pending", 20_000, "records in hand at most")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, strings.Split(*brokers, ","), *group, parseRoutes(*routes), limits{*workers, *pending})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ref:", err)
		os.Exit(1)
	}
}

type limits struct{ workers, pending int }

func parseRoutes(text string) map[string]string {
	routes := map[string]string{}
	for route := range strings.SplitSeq(text, ",") {
		if topic, url, ok := strings.Cut(route, "="); ok {
			routes[topic] = url
		}
	}
	return routes
}

func run(ctx context.Context, brokers []string, group string, routes map[string]string, l limits) error {
	topics := make([]string, 0, len(routes))
	for topic := range routes {
		topics = append(topics, topic)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AutoCommitMarks(), kgo.AutoCommitInterval(time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	p := newPool(client, routes, l)
	for range l.workers {
		go p.work(ctx)
	}
	for ctx.Err() == nil {
		p.awaitRoom()
		p.take(client.PollRecords(ctx, 2000))
	}
	return nil
}
