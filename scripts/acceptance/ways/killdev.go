package ways

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
)

const devUsers = 40

// devRun is `sluice dev --data` on one folder, with a destination that outlives
// it.
type devRun struct {
	*stage
	addr string // of the embedded Kafka, the same each time
	data string
}

// killDev kills the embedded Kafka together with all that runs beside it while
// events are appended to it: what it acknowledged must be there, and arrive.
func (w ways) killDev(ctx context.Context, r *suite.Result) error {
	d, err := w.devRun(ctx)
	if err != nil {
		return err
	}
	kills := 3
	if w.rig.Long {
		kills = 12
	}
	var acks []rig.Ack
	next := int64(1)
	for i := range kills {
		var more []rig.Ack
		// Not always at the same moment of a write.
		if more, next, err = d.life(ctx, next, 1500*time.Millisecond+time.Duration(i*37)*time.Millisecond); err != nil {
			return fmt.Errorf("life %d: %w", i+1, err)
		}
		acks = append(acks, more...)
	}
	process, cluster, err := d.start(ctx)
	if err != nil {
		return err
	}
	defer cluster.Close()
	records, err := cluster.ReadAll(ctx, d.stream)
	if err != nil {
		return err
	}
	if err := cluster.AwaitCaughtUp(ctx, d.config.Group, d.stream, 2*time.Minute); err != nil {
		return err
	}
	arrivals, err := d.sim.History(ctx, 0)
	if err != nil {
		return err
	}
	r.AtLeast("acknowledged", float64(len(acks)), float64(500*kills), "")
	r.Equal("of them where it was said", stand(acks, records), int64(len(acks)))
	r.Equal("of them delivered", arrived(acks, arrivals), int64(len(acks)))
	tally := rig.NewTally()
	tally.Add(arrivals)
	r.Equal("double effects", tally.DoubleEffects, 0)
	r.Equal("order breaks", tally.OrderBreaks, 0)
	// What was in flight, and half a second of the rate, each time.
	r.AtMost("sent again", float64(tally.Duplicates), float64(kills*(15*100+1_000)), "")
	return process.Stop(40 * time.Second)
}

func (w ways) devRun(ctx context.Context) (*devRun, error) {
	addr, err := rig.FreeAddr()
	if err != nil {
		return nil, err
	}
	st, err := w.prepare(ctx, &rig.Kafka{Brokers: addr}, "dev", nil)
	return &devRun{stage: st, addr: addr, data: w.rig.Path(w.rig.Name("data"))}, err
}

// start starts the process and waits until its topic can be appended to.
func (d *devRun) start(ctx context.Context) (*rig.Process, *rig.Cluster, error) {
	binary, err := d.rig.Sluice()
	if err != nil {
		return nil, nil, err
	}
	process, err := d.rig.Start("dev", rig.Pipes{}, binary, "dev", "-c", d.file, "--data", d.data, "--allow-real", "--kafka", d.addr, "--simulator", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	cluster, err := rig.Connect(d.addr)
	if err != nil {
		return process, nil, err
	}
	err = rig.Await(ctx, 30*time.Second, "the embedded Kafka to answer", func(ctx context.Context) bool {
		asked, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		n, err := cluster.Partitions(asked, d.stream)
		return err == nil && n == partitions || !process.Running()
	})
	if err == nil && !process.Running() {
		err = errors.New("dev ended")
	}
	if err != nil {
		cluster.Close()
		return process, nil, fmt.Errorf("%w: %s", err, process.Tail(3))
	}
	return process, cluster, nil
}

// life starts the process, appends to it and kills it -9 in the middle of that.
func (d *devRun) life(ctx context.Context, first int64, span time.Duration) (acks []rig.Ack, next int64, err error) {
	process, cluster, err := d.start(ctx)
	if err != nil {
		return nil, first, err
	}
	defer cluster.Close()
	appending, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		var err error
		acks, next, err = cluster.Steady(appending, d.stream, first, purchase)
		ended <- err
	}()
	err = rig.Pause(ctx, span)
	process.Kill()
	stop()
	return acks, next, errors.Join(err, <-ended)
}

// purchase is the nth event, of a user whose events are numbered as well.
func purchase(n int64) rig.Raw {
	user := fmt.Sprintf("u%02d", n%devUsers)
	return rig.Raw{
		Key: []byte(user),
		Value: fmt.Appendf(nil, `{"type":"person","action":"event","identifiers":{"id":%q},"name":"purchase","attributes":{"_n":%d,"_seq":%d}}`,
			user, n, n/devUsers+1),
	}
}

// stand counts the acknowledged records that stand where it was said.
func stand(acks []rig.Ack, records []rig.Record) int64 {
	type position struct {
		partition int32
		offset    int64
	}
	at := make(map[position]int64, len(records))
	for _, record := range records {
		var event struct {
			Attributes struct {
				N int64 `json:"_n"`
			} `json:"attributes"`
		}
		if json.Unmarshal(record.Value, &event) == nil {
			at[position{record.Partition, record.Offset}] = event.Attributes.N
		}
	}
	n := int64(0)
	for _, ack := range acks {
		if at[position{ack.Partition, ack.Offset}] == ack.N {
			n++
		}
	}
	return n
}

// arrived counts the acknowledged records whose event was taken.
func arrived(acks []rig.Ack, arrivals []rig.Arrival) int64 {
	taken := map[int64]bool{}
	for _, a := range arrivals {
		if a.Accepted() {
			taken[a.N] = true
		}
	}
	n := int64(0)
	for _, ack := range acks {
		if taken[ack.N] {
			n++
		}
	}
	return n
}
