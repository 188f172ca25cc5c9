package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/kafka/authority"
)

// The workspaces of a stage: a simulated Customer.io, and a backend.
const (
	shop    = "shop"
	backend = "backend"
)

// stage is what a check plays on: a door, a stream to a simulator and, when
// there are webhooks, one to a backend.
type stage struct {
	rig     *rig.Rig
	kafka   *rig.Kafka
	sim     *rig.Simulator
	backend *destination // nil without webhooks
	door    *rig.Door
	config  rig.Config
	events  string // stream to the simulator
	hooks   string // stream to the backend
	ca      string // file with the authority of the door's certificate; empty without TLS
}

// plan is what a check wants beside the usual.
type plan struct {
	tls      bool
	webhooks []rig.Webhook // their stream is filled in
	rate     int           // of the backend, requests a second
	settings map[string]string
}

// stage sets everything up but the members.
func (g gateway) stage(ctx context.Context, name string, p plan) (*stage, error) {
	kafka, err := g.rig.Kafka(ctx, 1)
	if err != nil {
		return nil, err
	}
	sim, err := g.rig.Simulate(ctx, []string{shop}, "--key", "site:key")
	if err != nil {
		return nil, err
	}
	door, err := rig.NewDoor()
	if err != nil {
		return nil, err
	}
	st := &stage{rig: g.rig, kafka: kafka, sim: sim, door: door, events: g.rig.Name(name), hooks: g.rig.Name(name + "-hooks")}
	st.config = rig.Config{
		Brokers: kafka.Brokers, Group: g.rig.Name("group"), Door: door,
		Workspaces: []rig.Workspace{{Name: shop, BaseURL: sim.URL, Settings: map[string]string{"budget": "{requests: unlimited, events: unlimited}"}}},
		Streams:    []rig.Stream{{Name: st.events, Workspace: shop, Partitions: 12, Copies: 1}},
	}
	door.Credentials[rig.Credentials(shop)], door.Credentials["site:key"] = st.events, st.events
	for _, endpoint := range []string{"metrics", "push_events", "unsubscribe"} {
		door.Open[endpoint] = st.events
	}
	door.Settings = p.settings
	if len(p.webhooks) > 0 {
		if err := st.receive(p); err != nil {
			return nil, err
		}
	}
	if p.tls {
		if err := st.certify(); err != nil {
			return nil, err
		}
	}
	return st, st.apply(ctx)
}

// receive gives the stage a backend and a stream to it.
func (st *stage) receive(p plan) error {
	var err error
	if st.backend, err = listen(); err != nil {
		return err
	}
	st.config.Workspaces = append(st.config.Workspaces, rig.Workspace{
		Name: backend, URL: st.backend.url, Settings: map[string]string{"budget": fmt.Sprintf("{requests: %d/s}", p.rate), "passthrough": "true"},
	})
	st.config.Streams = append(st.config.Streams, rig.Stream{Name: st.hooks, Workspace: backend, Partitions: 12, Copies: 1})
	for _, w := range p.webhooks {
		settings := map[string]string{"stream": st.hooks}
		maps.Copy(settings, w.Settings)
		st.door.Webhooks = append(st.door.Webhooks, rig.Webhook{Name: w.Name, Settings: settings})
	}
	return nil
}

// certify gives the door a listener for TLS.
func (st *stage) certify() error {
	ca, err := authority.New("gateway of the acceptance suite")
	if err != nil {
		return err
	}
	leaf, err := ca.Issue(authority.Request{Name: "gateway", Hosts: []string{"127.0.0.1"}})
	if err != nil {
		return err
	}
	if st.door.ListenTLS, err = rig.FreeAddr(); err != nil {
		return err
	}
	stem := st.rig.Path(st.rig.Name("door"))
	st.ca, st.door.Cert, st.door.Key = stem+"-ca.pem", stem+".pem", stem+".key"
	return errors.Join(os.WriteFile(st.ca, ca.PEM, 0o600), os.WriteFile(st.door.Cert, leaf.Cert, 0o600), os.WriteFile(st.door.Key, leaf.Key, 0o600))
}

// apply makes the topics, on one node.
func (st *stage) apply(ctx context.Context) error {
	file, err := st.config.Write(st.rig, "off", "off")
	if err != nil {
		return err
	}
	o, err := st.rig.Try(ctx, "topics", "apply", "--force", "-c", file)
	if err == nil && o.Code != 0 {
		err = fmt.Errorf("topics apply ended with code %d: %s", o.Code, o.Err)
	}
	return err
}

// run starts a member of some roles and waits until it can be used.
func (st *stage) run(ctx context.Context, roles string) (*rig.Member, error) {
	member, err := st.rig.RunAs(st.config, roles, "")
	if err != nil {
		return nil, err
	}
	if slices.Contains(strings.Split(roles, ","), "gateway") {
		if err := st.door.Await(ctx, member); err != nil {
			return member, err
		}
	}
	return member, member.Ready(ctx)
}

// settled waits until all that the streams hold has been delivered or set
// aside, and tells how many were set aside.
func (st *stage) settled(ctx context.Context, limit time.Duration) (dead int64, err error) {
	for _, s := range st.config.Streams {
		if err := st.kafka.AwaitCaughtUp(ctx, st.config.Group, s.Name, limit); err != nil {
			return 0, err
		}
		letters, err := st.kafka.Count(ctx, s.Name+".dead")
		if err != nil {
			return 0, err
		}
		dead += letters
	}
	return dead, nil
}

// end stops members and the backend.
func (st *stage) end(members ...*rig.Member) error {
	var errs []error
	for _, m := range members {
		errs = append(errs, m.Stop(40*time.Second))
	}
	if st.backend != nil {
		errs = append(errs, st.backend.close())
	}
	return errors.Join(append(errs, st.sim.Stop(10*time.Second))...)
}

// freeListener listens on a port that the system picks.
func freeListener() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// post makes an authenticated request with a JSON body.
func post(ctx context.Context, url, body string) (*http.Request, error) {
	return send(ctx, http.MethodPost, url, body)
}

func send(ctx context.Context, method, url, body string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	site, key, _ := strings.Cut(rig.Credentials(shop), ":")
	req.SetBasicAuth(site, key)
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}
