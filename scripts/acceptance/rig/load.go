package rig

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Load sends requests at a steady rate whatever becomes of them: an answer that
// is late holds up no other request, and its lateness is all counted.
type Load struct {
	Rate   int // requests a second
	N      int // requests in all, at most
	Hands  int // requests under way at most; a request that finds none free counts its wait
	Client *http.Client
	// Make makes the nth request, from 0 on. It is called from many goroutines.
	Make func(ctx context.Context, n int) (*http.Request, error)
	// Until, once closed, ends it before N requests; nil: never.
	Until <-chan struct{}
}

// Shot is one request and its answer.
type Shot struct {
	N          int
	Due        time.Time     // when the rate wanted it sent
	Took       time.Duration // from Due until the whole answer was read
	Status     int           // 0: no answer
	RetryAfter string        // of the answer
	Body       string        // of the answer, up to 4 KiB
	Err        error         // why there is no answer
}

// Shots are in the order of their numbers.
type Shots []Shot

// LoadClient keeps that many connections open to one host and follows no
// redirect.
func LoadClient(conns int) *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Run sends them all and returns those that were sent when the last is
// answered; an error means that a request could not be made, or that ctx ended.
func (l Load) Run(ctx context.Context) (Shots, error) {
	shots := make(Shots, l.N)
	due := make(chan int, l.N)
	began := time.Now()
	at := func(n int) time.Time { return began.Add(time.Duration(n) * time.Second / time.Duration(l.Rate)) }
	var hands sync.WaitGroup
	var once sync.Once
	var wrong error
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for range l.Hands {
		hands.Go(func() {
			for n := range due {
				shot, err := l.fire(ctx, n, at(n))
				if err != nil {
					once.Do(func() { wrong = err })
					stop()
					return
				}
				shots[n] = shot
			}
		})
	}
	sent, ended := l.tick(ctx, at, due)
	close(due)
	hands.Wait()
	if wrong != nil {
		return shots[:sent], wrong
	}
	return shots[:sent], ended
}

// tick gives each request out when it is due, and tells how many it gave.
func (l Load) tick(ctx context.Context, at func(int) time.Time, due chan<- int) (int, error) {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for n := range l.N {
		wait.Reset(time.Until(at(n)))
		select {
		case <-ctx.Done():
			return n, fmt.Errorf("after %d of %d requests: %w", n, l.N, ctx.Err())
		case <-l.Until:
			return n, nil
		case <-wait.C:
		}
		due <- n // it has room for all
	}
	return l.N, nil
}

func (l Load) fire(ctx context.Context, n int, due time.Time) (Shot, error) {
	shot := Shot{N: n, Due: due}
	req, err := l.Make(ctx, n)
	if err != nil {
		return shot, fmt.Errorf("make request %d: %w", n, err)
	}
	resp, err := l.Client.Do(req)
	if err != nil {
		shot.Err, shot.Took = err, time.Since(due)
		return shot, ctx.Err()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	shot.Took, shot.Body = time.Since(due), string(body)
	// An answer that breaks off is none: its sender cannot know what it says.
	if shot.Err = err; err == nil {
		shot.Status, shot.RetryAfter = resp.StatusCode, resp.Header.Get("Retry-After")
	}
	return shot, ctx.Err()
}

// Quantile is the time within which that share (0 to 1) of the requests was
// answered; one without an answer took for ever.
func (s Shots) Quantile(share float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	took := make([]time.Duration, len(s))
	for i, shot := range s {
		if took[i] = shot.Took; shot.Status == 0 {
			took[i] = math.MaxInt64
		}
	}
	slices.Sort(took)
	return took[max(0, min(len(took), int(math.Ceil(share*float64(len(took)))))-1)]
}

// Count is how many were answered with a status.
func (s Shots) Count(status int) int64 {
	var n int64
	for _, shot := range s {
		if shot.Status == status {
			n++
		}
	}
	return n
}

// String tells the statuses and the usual quantiles, for a report.
func (s Shots) String() string {
	statuses := map[int]int{}
	for _, shot := range s {
		statuses[shot.Status]++
	}
	parts := []string{fmt.Sprintf("%d requests %v", len(s), statuses)}
	for _, q := range []struct {
		name  string
		share float64
	}{{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"max", 1}} {
		took := "no answer"
		if d := s.Quantile(q.share); d < math.MaxInt64 {
			took = d.Round(10 * time.Microsecond).String()
		}
		parts = append(parts, q.name+" "+took)
	}
	return strings.Join(parts, ", ")
}
