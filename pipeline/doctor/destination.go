package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sluice/pipeline/config"
	"sluice/sink"
	"sluice/sink/customerio"
	"sluice/sink/webhook"
)

// certificateWarns is how long before its end a certificate should have been
// renewed.
const certificateWarns = 14 * 24 * time.Hour

// examineWorkspace asks a destination what changes nothing there. A new API is
// one case here.
func examineWorkspace(ctx context.Context, w config.Workspace) []Finding {
	switch w.Kind {
	case config.Customerio:
		return examineCustomerio(ctx, w.Name, w.Customerio)
	case config.Webhook:
		return examineWebhook(ctx, w.Name, w.Webhook)
	}
	return nil
}

func examineCustomerio(ctx context.Context, name string, cfg customerio.Config) []Finding {
	account, err := customerio.AskAccount(ctx, cfg)
	found := judgeReply(name, cfg.Host(), account.Reply)
	f := Finding{Check: Credentials, Subject: name, State: OK, What: "accepted; the account is in " + account.Region}
	switch {
	case account.Reply.Status == 0:
		return found // whoever was not reached says nothing of credentials
	case errors.Is(err, customerio.ErrCredentials):
		f.State, f.What = Failed, err.Error()
		f.Remedy = "take both from the workspace's Track API credentials (an App API key does not do), and see that the region is the account's"
	case err != nil:
		f.State, f.What = Warning, "could not be tried: "+err.Error()
		f.Remedy = "see that base_url leads to Customer.io's Track API"
	case account.Region != cfg.Region:
		f.State, f.What = Failed, fmt.Sprintf("accepted, but the account is in %s and the workspace says %s", account.Region, cfg.Region)
		f.Remedy = fmt.Sprintf("set region: %s if that is where the data may go, or take the credentials of an account in %s", account.Region, cfg.Region)
	}
	return append(found, f)
}

// examineWebhook asks the server itself, by OPTIONS *, without credentials: no
// endpoint is reached, as some act on whatever they are sent.
func examineWebhook(ctx context.Context, name string, cfg webhook.Config) []Finding {
	origin, err := cfg.Origin()
	if err != nil {
		return []Finding{{Check: Destination, Subject: name, State: Failed, What: err.Error(), Remedy: "mend url"}}
	}
	if origin == nil {
		return []Finding{{Check: Destination, Subject: name, State: OK, What: "each event makes its own host; there is none to ask beforehand"}}
	}
	host := origin.Host
	target := &url.URL{Scheme: origin.Scheme, Host: host, Opaque: "*"}
	if cfg.HTTP.Proxy != "" && origin.Scheme == "http" {
		target.Opaque, target.Path = "", "/" // an asterisk would ask the proxy
	}
	reply, err := sink.Inquire(ctx, cfg.HTTP, sink.Inquiry{
		Method: http.MethodOptions, URL: target, Header: http.Header{"User-Agent": {"sluice"}},
	})
	if err != nil {
		return []Finding{{Check: Destination, Subject: name, State: Failed, What: err.Error(), Remedy: "mend the workspace's settings"}}
	}
	return judgeReply(name, host, reply)
}

// judgeReply judges the way to a destination: its name, its certificate, its
// clock. Any status will do, as it comes from the other end.
func judgeReply(name, host string, r sink.Reply) []Finding {
	f := Finding{Check: Destination, Subject: name, State: OK}
	if r.Status == 0 {
		why := fmt.Sprint(r.Err)
		if lookup, ok := errors.AsType[*net.DNSError](r.Err); ok { // its text has a gap where it leaves the name out
			why = sink.CauseLookup.String() + ": " + lookup.Err
		}
		f.State, f.What, f.Remedy = Failed, host+" cannot be reached: "+why, wayRemedy(sink.CauseOf(r.Err))
		return []Finding{f}
	}
	said := []string{fmt.Sprintf("%s answers in %v", host, r.Took.Round(time.Millisecond))}
	if !r.Expires.IsZero() {
		said = append(said, "certificate until "+r.Expires.UTC().Format(time.DateOnly))
		if left := time.Until(r.Expires); left < certificateWarns {
			f.State = Warning
			f.Remedy = fmt.Sprintf("have it renewed: it ends in %d days, and nothing is delivered after that", int(left.Hours()/24))
		}
	}
	f.What = strings.Join(said, ", ")
	found := []Finding{f}
	if ahead, within, known := r.Skew(); known {
		found = append(found, judgeClock(name, ahead, within))
	}
	return found
}

func wayRemedy(cause sink.Cause) string {
	switch cause {
	case sink.CauseLookup:
		return "see that the host is spelled right and that this machine's DNS knows it"
	case sink.CauseTLS:
		return "see that the certificate is valid, names this host and comes from a known authority; root_ca names a private one"
	case sink.CauseConnect, sink.CauseTimeout:
		return "see that it is up, that the port is right and that no firewall stands between; proxy names a way out"
	case sink.CauseCut, sink.CauseBlocked, sink.CauseStopped, sink.CauseNone:
	}
	return "see that it speaks HTTP on this port"
}
