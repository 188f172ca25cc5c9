package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice/partition"
	"sluice/pipeline/config"
	"sluice/pipeline/tiers"
)

// kafka is one examination of the cluster.
type kafka struct {
	admin   *partition.Admin
	cfg     config.Config
	options Options
	found   []Finding
}

func (k *kafka) say(f Finding) { k.found = append(k.found, f) }

// cluster asks who the brokers are, and tells whether there is any sense in
// asking them more.
func (k *kafka) cluster(ctx context.Context) bool {
	cluster, err := k.admin.Cluster(ctx)
	if err != nil {
		f := Finding{
			Check: Kafka, Subject: strings.Join(k.cfg.Kafka.Brokers, ","), State: Failed, What: unanswered(err),
			Remedy: "see that kafka.brokers names the right ones and that they are up",
		}
		if what, remedy := partition.Diagnose(err); what != "" {
			f.What, f.Remedy = what, remedy
		}
		f.Remedy += "; topics, access and records were not looked at"
		k.say(f)
		return false
	}
	var versions []string
	for _, b := range cluster.Brokers {
		subject := fmt.Sprintf("broker %d at %s", b.Node, b.Address)
		switch {
		case b.Err != nil:
			k.say(Finding{
				Check: Kafka, Subject: subject, State: Failed, What: unanswered(b.Err),
				Remedy: "see that it is up, and that its advertised.listeners name an address that this machine reaches",
			})
		case b.Old:
			k.say(Finding{
				Check: Kafka, Subject: subject, State: Failed, What: "is Kafka " + b.Version + ", older than 2.4",
				Remedy: "upgrade it: static members and changes of single settings are missing",
			})
		default:
			if !slices.Contains(versions, b.Version) {
				versions = append(versions, b.Version)
			}
		}
	}
	if len(versions) > 0 {
		brokers := "1 broker"
		if n := len(cluster.Brokers); n != 1 {
			brokers = fmt.Sprintf("%d brokers", n)
		}
		k.say(Finding{
			Check: Kafka, Subject: "cluster " + cluster.ID, State: OK,
			What: fmt.Sprintf("%s, Kafka %s", brokers, strings.Join(versions, " and ")),
		})
	}
	return len(versions) > 0
}

// unanswered says how a broker could not be asked.
func unanswered(err error) string {
	if how := partition.Contact(err); how != "" {
		return "does not answer: " + how
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "does not answer in time"
	}
	return "does not answer: " + err.Error()
}

// clock says nothing when the cluster does not tell its time: destinations
// tell theirs too.
func (k *kafka) clock(ctx context.Context) {
	at, within, err := k.admin.Clock(ctx)
	if err == nil {
		k.say(judgeClock("Kafka's controller", time.Until(at), within))
	}
}

// topics is topics check.
func (k *kafka) topics(ctx context.Context) {
	have, err := k.admin.Topics(ctx, tiers.Topics(k.cfg)...)
	var plan partition.Plan
	if err == nil {
		plan, err = k.admin.Plan(ctx, tiers.Specs(k.cfg, have), k.options.Force)
	}
	if err != nil {
		k.say(Finding{
			Check: Topics, Subject: "all", State: Warning, What: "could not be compared: " + err.Error(),
			Remedy: "sluice topics acls --roles operate lists what this needs",
		})
		return
	}
	for _, t := range plan.Topics {
		if t.Action() != partition.Keep {
			k.say(judgeTopic(t))
		}
	}
	if n := plan.Count(partition.Keep); n > 0 {
		k.say(Finding{Check: Topics, Subject: fmt.Sprintf("%d of %d", n, len(plan.Topics)), State: OK, What: "as they should be"})
	}
}

func judgeTopic(t partition.TopicPlan) Finding {
	f := Finding{Check: Topics, Subject: t.Topic, State: Warning, Remedy: "run sluice topics apply; sluice topics plan shows what it does"}
	var differ, notes []string
	for _, s := range t.Steps {
		switch s.Action {
		case partition.Refuse, partition.Report:
			notes = append(notes, s.Property+": "+s.Note)
		case partition.Change:
		case partition.Create, partition.Keep:
			continue
		}
		if s.Have == s.Want { // both too little
			differ = append(differ, fmt.Sprintf("%s is %s", s.Property, s.Have))
		} else {
			differ = append(differ, fmt.Sprintf("%s is %s, should be %s", s.Property, or(s.Have, "not set"), s.Want))
		}
	}
	f.What = strings.Join(differ, "; ")
	switch t.Action() {
	case partition.Refuse:
		f.State = Failed
	case partition.Create:
		f.State, f.What = Failed, "does not exist"
	case partition.Change, partition.Report, partition.Keep:
	}
	if len(notes) > 0 {
		f.Remedy = strings.Join(notes, "; ")
	}
	return f
}

func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}

// access asks the brokers what the configured principal may do.
func (k *kafka) access(ctx context.Context) {
	for _, role := range k.options.Roles {
		wanted := tiers.Wanted(k.cfg, role)
		denied, err := k.admin.Denied(ctx, wanted)
		switch {
		case err != nil:
			k.say(Finding{
				Check: Access, Subject: string(role), State: Warning, What: "could not be learnt: " + err.Error(),
				Remedy: "see that the brokers answer, and run doctor again",
			})
		case len(denied) > 0:
			lacks := make([]string, len(denied))
			for i, d := range denied {
				lacks[i] = d.String()
			}
			k.say(Finding{
				Check: Access, Subject: string(role), State: Failed, What: "not allowed: " + strings.Join(lacks, ", "),
				Remedy: fmt.Sprintf("grant it; sluice topics acls --roles %s --principal User:NAME prints the commands", role),
			})
		default:
			k.say(Finding{Check: Access, Subject: string(role), State: OK, What: fmt.Sprintf("all %d things that it needs are allowed", len(wanted))})
		}
	}
}
