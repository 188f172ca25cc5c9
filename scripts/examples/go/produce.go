// Sends a purchase of each USER, or of each line of standard input without one:
//
//	go run . BROKERS TOPIC [USER ...]
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/producer"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: produce BROKERS TOPIC [USER ...]")
		os.Exit(2)
	}
	if err := produce(context.Background(), os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func produce(ctx context.Context, brokers, topic string, users []string) error {
	kafka := partition.DefaultConfig()
	kafka.Brokers, kafka.ClientID = strings.Split(brokers, ","), "shop"
	appender, err := partition.NewAppender(kafka, zap.NewNop())
	if err != nil {
		return err
	}
	defer appender.Close()
	config := producer.DefaultConfig()
	config.Topic = topic
	p, err := producer.New(appender, config)
	if err != nil {
		return err
	}
	// Async fills batches, and Close says whether all of it is in Kafka. Without
	// it each call waits until its event is, and returns the error.
	later := p.Async(nil)
	purchase := func(user string) error {
		return later.Track(ctx, producer.ID(user), "purchase", map[string]any{"total": 12.5})
	}
	for _, user := range users {
		if err := purchase(user); err != nil {
			return err
		}
	}
	if len(users) == 0 {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			if lines.Text() == "" {
				continue
			}
			if err := purchase(lines.Text()); err != nil {
				return err
			}
		}
		if err := lines.Err(); err != nil {
			return err
		}
	}
	return p.Close(ctx)
}
