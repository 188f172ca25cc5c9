package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/config"
)

func operatorOf(t *testing.T, path string) (*operator, *observer.ObservedLogs) {
	t.Helper()
	sh := &shell{configPath: path, read: readSecret, lookup: func(string) (string, bool) { return testKey, true }}
	cfg, err := sh.config()
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.InfoLevel)
	return newOperator(cfg, zap.New(core)), logs
}

// delivery is a fake pipeline: it says that it began, and ends with its context.
func delivery(began chan<- bool) func(context.Context) error {
	return func(ctx context.Context) error {
		began <- ctx.Err() == nil
		<-ctx.Done()
		return nil
	}
}

func TestOperatorNeedsTheStateTopic(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 1, "purchases")
	o, _ := operatorOf(t, configFor(t, kafka.ListenAddrs()[0]))
	o.topicPatience = 10 * time.Millisecond
	began := make(chan bool, 1)
	err := o.run(t.Context(), delivery(began))
	if err == nil || !strings.Contains(err.Error(), "topic sluice.state: it does not exist; create it with sluice topics apply") {
		t.Errorf("have %v", err)
	}
	if <-began {
		t.Error("want nothing delivered, only what is held let go of")
	}
}

// Who may not read what operators decided would act against it.
func TestOperatorWaitsForTheRightToReadTheState(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.NewGuarded(t, 1, "purchases", "purchases.replay", "sluice.state")
	kafka.Allow(t, partition.Access{Resource: partition.ResourceTopic, Name: "sluice.state", Operation: partition.OperationDescribe})
	o, logs := operatorOf(t, configFor(t, kafka.ListenAddrs()[0]))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	began, ended := make(chan bool, 1), make(chan error, 1)
	refused := func() bool { return logs.FilterMessageSnippet("nothing is delivered until it may").Len() > 0 }
	go func() { ended <- o.run(ctx, delivery(began)) }()
	until(t, "the refusal to be told", refused)
	o.unread(false) // as if Kafka had been away between two tries
	select {
	case <-began:
		t.Fatal("want nothing delivered before the state may be read")
	case <-time.After(100 * time.Millisecond):
	}
	for _, topic := range []string{"sluice.state", "purchases.replay"} {
		kafka.Allow(t, partition.Access{Resource: partition.ResourceTopic, Name: topic, Operation: partition.OperationRead})
	}
	if !<-began {
		t.Error("want it to deliver once the state is known")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("have %v", err)
	}
}

// A Kafka that is away is waited for by who delivers, and said once.
func TestOperatorLetsEventsFlow(t *testing.T) {
	t.Parallel()
	o, logs := operatorOf(t, configFor(t, "127.0.0.1:1"))
	o.patience = 10 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	began, ended := make(chan bool, 1), make(chan error, 1)
	go func() { ended <- o.run(ctx, delivery(began)) }()
	if !<-began {
		t.Error("want it to deliver")
	}
	if o.cancelled("01JD5ZC3W8F9N3V0Y5B6Q7R8ST") {
		t.Error("nothing is known to be cancelled")
	}
	if logs.FilterMessageSnippet("delivering meanwhile; replays wait").Len() != 1 {
		t.Errorf("have %v", logs.All())
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("have %v", err)
	}
}

func TestOperatorEndsWithTheDelivery(t *testing.T) {
	t.Parallel()
	kafka := partitiontest.New(t, 1, "purchases", "purchases.replay", "sluice.state")
	o, _ := operatorOf(t, configFor(t, kafka.ListenAddrs()[0]))
	over := errors.New("over")
	if err := o.run(t.Context(), func(context.Context) error { return over }); !errors.Is(err, over) {
		t.Errorf("want %v, have %v", over, err)
	}
	if o.runner.Load() == nil {
		t.Error("want the state known before anything is delivered")
	}
	var cfg config.Config
	cfg.Kafka.Instance = "eu-a"
	a, b := newOperator(cfg, zap.NewNop()), newOperator(cfg, zap.NewNop())
	if x, y := a.holder(), b.holder(); x == y || !strings.HasPrefix(x, "eu-a-") {
		t.Errorf("want names of their own, have %s and %s", x, y)
	}
}
