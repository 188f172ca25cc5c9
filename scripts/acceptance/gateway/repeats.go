package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
	"sluice/scripts/sdk"
)

// repeats tells events that are meant twice from such as are sent twice.
func (g gateway) repeats(ctx context.Context, r *suite.Result) error {
	st, err := g.stage(ctx, "repeats", plan{tls: true})
	if err != nil {
		return err
	}
	member, err := st.run(ctx, "gateway,deliver")
	if err != nil {
		return err
	}
	if err := st.twice(ctx); err != nil {
		return err
	}
	retries := []retry{{sdk.Node(), lost}, {sdk.Node(), gone}, {sdk.Python(), gone}}
	for _, t := range retries {
		if missing := t.library.Missing(ctx); missing != "" {
			r.Note(t.name(), missing)
			continue
		}
		requests, err := st.retried(ctx, g.rig.Root, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name(), err)
		}
		r.Equal(t.name()+" tries", requests, 2)
	}
	if _, err := st.settled(ctx, 20*time.Second); err != nil {
		return err
	}
	took, err := st.effects(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"v1", "v2", "anonymous", "at once"} {
		r.Equal("genuine, "+name, took[name], 2)
	}
	for _, t := range retries {
		if t.library.Missing(ctx) == "" {
			r.Equal(t.name()+" effects", took["once "+t.name()+"-retried"], 1)
		}
	}
	return st.end(member)
}

// twice sends events that are the same to the byte and meant so: half a second
// apart, and at the same moment.
func (st *stage) twice(ctx context.Context) error {
	url := st.door.URL()
	apart := func(n int) (*http.Request, error) {
		return [3]func() (*http.Request, error){
			func() (*http.Request, error) {
				return post(ctx, url+"/api/v1/customers/u1/events", `{"name":"v1","data":{"price":1}}`)
			},
			func() (*http.Request, error) {
				return post(ctx, url+"/api/v2/entity", `{"type":"person","action":"event","identifiers":{"id":"u1"},"name":"v2"}`)
			},
			func() (*http.Request, error) {
				return post(ctx, url+"/api/v1/events", `{"name":"anonymous","anonymous_id":"a1"}`)
			},
		}[n]()
	}
	for i := range 2 {
		if i > 0 {
			if err := rig.Pause(ctx, 500*time.Millisecond); err != nil {
				return err
			}
		}
		for n := range 3 {
			if err := take(apart(n)); err != nil {
				return err
			}
		}
	}
	var both sync.WaitGroup
	var errs [2]error
	for i := range errs {
		both.Go(func() {
			errs[i] = take(post(ctx, url+"/api/v1/customers/u1/events", `{"name":"at once"}`))
		})
	}
	both.Wait()
	return errors.Join(errs[:]...)
}

// take sends a request that must be answered 200, and closes its connection as
// soon as it is: clients that keep none do, and were answered all the same.
func take(req *http.Request, err error) error {
	if err != nil {
		return err
	}
	resp, err := rig.LoadClient(1).Do(req)
	if err != nil {
		return fmt.Errorf("send an event: %w", err)
	}
	// Unread, which makes the client close the connection.
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("send an event: %s", resp.Status)
	}
	return nil
}

// retry is a library whose first exchange is spoilt.
type retry struct {
	library sdk.Library
	how     spoil
}

func (t retry) name() string { return t.library.Name + "-" + string(t.how) }

// retried has the library send one event through a spoiler, and tells how many
// requests it took.
func (st *stage) retried(ctx context.Context, root string, t retry) (requests int64, err error) {
	dir, err := t.library.Install(ctx, root)
	if err != nil {
		return 0, err
	}
	cert, key := "", ""
	if t.library.TLS {
		cert, key = st.door.Cert, st.door.Key
	}
	s, err := newSpoiler(st.door.Listen, t.how, cert, key)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	who := st.caller(t.library)
	who.URL, who.Prefix = s.url, t.name()
	calls, err := t.library.Play(ctx, dir, sdk.Retried, who)
	if err != nil {
		return s.requests.Load(), err
	}
	for _, c := range calls {
		if !c.OK {
			return s.requests.Load(), fmt.Errorf("its caller saw %s %d %s", c.Error, c.Status, c.Message)
		}
	}
	return s.requests.Load(), nil
}

// effects counts the events that took effect: by name, and by name and user.
func (st *stage) effects(ctx context.Context) (map[string]int64, error) {
	arrivals, err := st.sim.History(ctx, 0)
	took := map[string]int64{}
	for _, a := range arrivals {
		if a.Effect {
			took[a.Name]++
			took[a.Name+" "+a.User]++
		}
	}
	return took, err
}
