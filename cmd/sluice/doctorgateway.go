package main

import (
	"crypto/tls"
	"fmt"
	"time"

	"sluice/pipeline/config"
	"sluice/pipeline/doctor"
)

// soon is how long before its end a certificate is worth a warning: those that
// renew themselves do so earlier.
const soon = 14 * 24 * time.Hour

// certificateFindings says until when the gateway's certificate is good.
func certificateFindings(cfg config.Config, now time.Time) []doctor.Finding {
	g := cfg.Gateway
	if g == nil || g.Cert == "" {
		return nil
	}
	f := doctor.Finding{Check: doctor.Settings, Subject: g.Cert, State: doctor.OK}
	pair, err := tls.LoadX509KeyPair(g.Cert, g.Key)
	if err != nil { // it was there when the configuration was read
		f.State, f.What, f.Remedy = doctor.Failed, fmt.Sprintf("gateway.tls: %v", err), "name a certificate and its key that this process may read"
		return []doctor.Finding{f}
	}
	from, until := pair.Leaf.NotBefore, pair.Leaf.NotAfter
	f.What = "the gateway's certificate is good until " + until.UTC().Format(time.DateTime)
	const renew = "renew it: clients refuse one that is not valid, and the gateway follows the file without a restart"
	switch {
	case now.After(until):
		f.State, f.What, f.Remedy = doctor.Failed, "the gateway's certificate expired on "+until.UTC().Format(time.DateTime), renew
	case now.Before(from):
		f.State, f.What, f.Remedy = doctor.Failed, "the gateway's certificate is not valid before "+from.UTC().Format(time.DateTime), "wait, or mend the clock"
	case now.Add(soon).After(until):
		f.State, f.Remedy = doctor.Warning, renew
	}
	return []doctor.Finding{f}
}
