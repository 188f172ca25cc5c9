package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/scripts/acceptance/rig"
	"sluice/scripts/acceptance/suite"
	"sluice/scripts/sdk"
)

// library plays all that a client library has at the gateway and looks at what
// its caller saw, and at what stands behind the pipeline in the end.
func (g gateway) library(l sdk.Library) func(context.Context, *suite.Result) error {
	return func(ctx context.Context, r *suite.Result) error {
		if missing := l.Missing(ctx); missing != "" {
			r.Skip(missing)
			return nil
		}
		dir, err := l.Install(ctx, g.rig.Root)
		if err != nil {
			return err
		}
		st, err := g.stage(ctx, l.Name, plan{tls: true})
		if err != nil {
			return err
		}
		member, err := st.run(ctx, "gateway,deliver")
		if err != nil {
			return err
		}
		who := st.caller(l)
		settle := func(ctx context.Context) error {
			dead, err := st.settled(ctx, 20*time.Second)
			if dead > 0 {
				err = fmt.Errorf("%d events were set aside", dead)
			}
			return err
		}
		seen, err := l.PlayAll(ctx, dir, who, settle)
		if err != nil {
			return err
		}
		r.Equal("calls that succeeded", int64(seen.Succeeded), int64(len(seen.Calls)))
		r.Holds("methods left out", len(seen.Unplayed) == 0, told(seen.Unplayed, "none"), "none")
		r.Holds("refusals", len(seen.Misjudged) == 0, told(seen.Misjudged, fmt.Sprintf("%d as its own errors", seen.Refusals)), "401, 400, 207 as its own")
		wrong, err := l.Judge(ctx, st.sim, shop, who)
		if err != nil {
			return err
		}
		r.Holds("at the destination", len(wrong) == 0, told(wrong, "people, events, devices as sent"), "as sent")
		return st.end(member)
	}
}

// caller plays under the stage's credentials.
func (st *stage) caller(l sdk.Library) sdk.Caller {
	site, key, _ := strings.Cut(rig.Credentials(shop), ":")
	who := sdk.Caller{URL: st.door.URL(), Site: site, Key: key, Prefix: l.Name, Number: 90001, ULID: "01HB4HBDKTFWYZCK01DMRSWRFD"}
	if l.TLS {
		who.URL, who.CA = st.door.URLTLS(), st.ca
	}
	return who
}

// librariesAway has each library call once while Kafka is not there.
func (g gateway) librariesAway(ctx context.Context, r *suite.Result) error {
	st, err := g.stage(ctx, "libraries", plan{tls: true, settings: map[string]string{"append_timeout": "1s"}})
	if err != nil {
		return err
	}
	member, err := st.run(ctx, "gateway")
	if err != nil {
		return err
	}
	// One that is frozen answers no more than one that is gone, and is back at once.
	if err := st.kafka.Freeze(); err != nil {
		return err
	}
	played := 0
	for _, l := range []sdk.Library{sdk.Node(), sdk.Python()} {
		if missing := l.Missing(ctx); missing != "" {
			r.Note(l.Name, missing)
			continue
		}
		wrong, failed := st.away(ctx, l)
		err = errors.Join(err, failed)
		played++
		r.Holds(l.Name, len(wrong) == 0, told(wrong, "503 as its own error"), "503 as its own")
	}
	if played == 0 {
		r.Skip("no library can run here")
	}
	if err := errors.Join(err, st.kafka.Thaw()); err != nil {
		return err
	}
	return st.end(member)
}

// away plays what a library's caller sees when the gateway cannot take a call.
func (st *stage) away(ctx context.Context, l sdk.Library) (wrong []string, err error) {
	dir, err := l.Install(ctx, st.rig.Root)
	if err != nil {
		return nil, err
	}
	calls, err := l.Play(ctx, dir, sdk.Away, st.caller(l))
	if err != nil {
		return nil, err
	}
	return l.Misjudged(sdk.Away, calls), nil
}

// told is what is wrong, or what to say when nothing is.
func told(wrong []string, well string) string {
	if len(wrong) == 0 {
		return well
	}
	return strings.Join(wrong, "; ")
}
