package producer_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

// printer stands in for Kafka, where an application has a *partition.Appender.
type printer struct{}

func (printer) Append(_ context.Context, r event.Record, done func(partition.Position, error)) {
	fmt.Printf("%s %s: %s\n", r.Topic, r.Key, r.Value)
	done(partition.Position{}, nil)
}

func (printer) Flush(context.Context) error { return nil }

// printing is a Producer on a printer.
func printing(change func(*producer.Config)) *producer.Producer {
	config := producer.DefaultConfig()
	config.Topic = "events-us"
	if change != nil {
		change(&config)
	}
	p, err := producer.New(printer{}, config)
	if err != nil {
		fmt.Println(err)
	}
	return p
}

// An application makes an appender and a Producer when it starts, and closes
// both when it ends, the Producer first.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	kafka := partition.DefaultConfig()
	kafka.Brokers = []string{"localhost:9092"}
	appender, err := partition.NewAppender(kafka, zap.NewNop())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer appender.Close()

	config := producer.DefaultConfig()
	config.Topic = "events-us"
	p, err := producer.New(appender, config)
	if err != nil {
		fmt.Println(err)
		return
	}
	who := producer.ID("42")
	if err := p.Identify(ctx, who, map[string]any{"email": "ada@example.com", "plan": "pro"}); err != nil {
		fmt.Println(err)
	}
	if err := p.Track(ctx, who, "purchase", map[string]any{"total": 12.5}); err != nil {
		fmt.Println(err)
	}
	if err := p.Close(ctx); err != nil {
		fmt.Println(err)
	}
}

func ExampleProducer_Identify() {
	p := printing(nil)
	type traits struct {
		Email string `json:"email"`
		Plan  string `json:"plan,omitempty"`
	}
	err := p.Identify(context.Background(), producer.ID("42"), traits{Email: "ada@example.com"}, producer.At(time.Unix(1613063089, 0)))
	fmt.Println(err)
	// An object is a person's company, course, account: whatever they share.
	err = p.Identify(context.Background(), producer.ObjectID("1", "acme"), map[string]any{"name": "Acme"})
	fmt.Println(err)
	// Output:
	// events-us 42: {"type":"person","action":"identify","identifiers":{"id":"42"},"timestamp":1613063089,"attributes":{"email":"ada@example.com"}}
	// <nil>
	// events-us 1:acme: {"type":"object","action":"identify","identifiers":{"object_type_id":"1","object_id":"acme"},"attributes":{"name":"Acme"}}
	// <nil>
}

func ExampleProducer_Track() {
	p := printing(nil)
	err := p.Track(context.Background(), producer.ID("42"), "purchase", map[string]any{"total": 12.5}, producer.EventID("order-20931"))
	fmt.Println(err)
	// A bad call is told at once, and nothing is sent.
	err = p.Track(context.Background(), producer.ID("42"), "", nil)
	fmt.Println(err, errors.Is(err, producer.ErrInvalid))
	// Output:
	// events-us 42: {"type":"person","action":"event","identifiers":{"id":"42"},"name":"purchase","id":"order-20931","attributes":{"total":12.5}}
	// <nil>
	// track: producer: invalid call: name: must not be empty true
}

func ExampleProducer_Async() {
	p := printing(nil)
	later := p.Async(func(o producer.Outcome) {
		if o.Err != nil {
			fmt.Printf("lost %s: %v\n", o.Value, o.Err)
		}
	})
	if err := later.Page(context.Background(), producer.Anonymous("visitor-7"), "/pricing", nil); err != nil {
		fmt.Println(err)
	}
	// Only now is it known that Kafka has them all.
	fmt.Println(p.Close(context.Background()))
	fmt.Printf("%+v\n", p.Counts())
	// Output:
	// events-us visitor-7: {"type":"person","action":"page","identifiers":{"anonymous_id":"visitor-7"},"name":"/pricing"}
	// <nil>
	// {Taken:1 Acknowledged:1 Failed:0 InHand:0 Dropped:0 Refused:0}
}

func ExampleProducer_In() {
	p := printing(func(c *producer.Config) {
		c.Topic = ""
		c.Regions = map[string]string{"us": "events-us", "eu": "events-eu"}
		c.RegionField = "region"
	})
	ctx, who := context.Background(), producer.ID("42")
	// By the user's attribute, or by the caller. There is no default.
	fmt.Println(p.Identify(ctx, who, map[string]any{"region": "eu"}))
	fmt.Println(p.In("eu").Delete(ctx, who))
	fmt.Println(p.Delete(ctx, who))
	// Output:
	// events-eu 42: {"type":"person","action":"identify","identifiers":{"id":"42"},"attributes":{"region":"eu"}}
	// <nil>
	// events-eu 42: {"type":"person","action":"delete","identifiers":{"id":"42"}}
	// <nil>
	// delete: producer: region: must be one of eu, us, by In or the attribute region
}

func ExampleProducer_AddRelationships() {
	p := printing(nil)
	err := p.AddRelationships(context.Background(), producer.ID("42"), []producer.Relationship{
		{With: producer.ObjectID("1", "acme"), Attributes: map[string]any{"role": "admin"}},
	})
	fmt.Println(err)
	// Output:
	// events-us 42: {"type":"person","action":"add_relationships","identifiers":{"id":"42"},"cio_relationships":[{"identifiers":{"object_type_id":"1","object_id":"acme"},"relationship_attributes":{"role":"admin"}}]}
	// <nil>
}

func ExampleProducer_Entity() {
	p := printing(nil)
	err := p.Entity(context.Background(), []byte(`{"type":"object","action":"identify_anonymous","identifiers":{"object_type_id":"1","object_id":"acme"},"cio_relationships":[{"identifiers":{"anonymous_id":"visitor-7"}}]}`))
	fmt.Println(err)
	// Output:
	// events-us 1:acme: {"type":"object","action":"identify_anonymous","identifiers":{"object_type_id":"1","object_id":"acme"},"cio_relationships":[{"identifiers":{"anonymous_id":"visitor-7"}}]}
	// <nil>
}

func ExampleProducer_Send() {
	p := printing(func(c *producer.Config) { c.Topic, c.Form = "signups", producer.Object })
	err := p.Send(context.Background(), "42", map[string]any{"kind": "signup", "user": 42})
	fmt.Println(err)
	// Output:
	// signups 42: {"kind":"signup","user":42}
	// <nil>
}
