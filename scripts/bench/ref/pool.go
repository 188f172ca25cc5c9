package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// chain is the records of one key, in order; one of them at most is under way.
type chain struct {
	key   string
	items []*item
	fails int
}

type item struct {
	record *kgo.Record
	window *window
	done   bool
}

// window is a partition's records that were polled and are not committed yet.
type window struct{ items []*item }

// pool delivers chains with a fixed number of workers.
type pool struct {
	client *kgo.Client
	http   *http.Client
	routes map[string]string
	most   int // records in hand
	ready  chan *chain

	mu      sync.Mutex
	room    *sync.Cond
	chains  map[string]*chain  // guarded by mu, as is all below
	windows map[string]*window // by topic and partition
	pending int
}

func newPool(client *kgo.Client, routes map[string]string, l limits) *pool {
	p := &pool{
		client: client, routes: routes, most: l.pending,
		http:   &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: l.workers}},
		ready:  make(chan *chain, 1<<20),
		chains: map[string]*chain{}, windows: map[string]*window{},
	}
	p.room = sync.NewCond(&p.mu)
	return p
}

func (p *pool) awaitRoom() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.pending > p.most {
		p.room.Wait()
	}
}

// take adds polled records to their chains and readies the new ones.
func (p *pool) take(fetches kgo.Fetches) {
	var begun []*chain
	p.mu.Lock()
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		id := f.Topic + "/" + strconv.Itoa(int(f.Partition))
		w := p.windows[id]
		if w == nil {
			w = &window{}
			p.windows[id] = w
		}
		for _, r := range f.Records {
			it := &item{record: r, window: w}
			w.items = append(w.items, it)
			p.pending++
			key := f.Topic + "/" + string(r.Key)
			c := p.chains[key]
			if c == nil {
				c = &chain{key: key}
				p.chains[key] = c
				begun = append(begun, c)
			}
			c.items = append(c.items, it)
		}
	})
	p.mu.Unlock()
	for _, c := range begun {
		p.ready <- c
	}
}

func (p *pool) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-p.ready:
			it := p.head(c)
			if !p.deliver(ctx, it.record) {
				wait := min(5*time.Second, 100*time.Millisecond<<min(c.fails, 10))
				c.fails++
				time.AfterFunc(wait, func() { p.ready <- c }) // no worker waits for it
				continue
			}
			if p.settle(c, it) {
				p.ready <- c
			}
		}
	}
}

func (p *pool) head(c *chain) *item {
	p.mu.Lock()
	defer p.mu.Unlock()
	return c.items[0]
}

func (p *pool) deliver(ctx context.Context, r *kgo.Record) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.routes[r.Topic], bytes.NewReader(r.Value))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.http.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode/100 == 2
}

// settle passes a delivered record and tells whether its chain has more.
func (p *pool) settle(c *chain, it *item) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.fails = 0
	it.done = true
	p.pending--
	c.items = c.items[1:]
	more := len(c.items) > 0
	if !more {
		delete(p.chains, c.key)
	}
	w, n := it.window, 0
	for n < len(w.items) && w.items[n].done {
		n++
	}
	if n > 0 {
		p.client.MarkCommitRecords(w.items[n-1].record)
		w.items = w.items[n:]
	}
	p.room.Signal()
	return more
}
