package tiers

import (
	"fmt"
	"slices"
	"strings"

	"sluice/partition"
	"sluice/pipeline/config"
)

// Role is what somebody does with the streams, and so what they must be
// allowed to do.
type Role string

// The roles. Whoever plays several needs what each of them needs.
const (
	Deliver Role = "deliver" // sluice run
	Produce Role = "produce" // sluice produce, and any other producer
	Apply   Role = "apply"   // sluice topics apply
	Operate Role = "operate" // sluice topics plan, doctor, shard resume, check, group, dead, replay, deferred
)

// Roles are all of them, in the order in which they are shown.
func Roles() []Role { return []Role{Deliver, Produce, Apply, Operate} }

// ParseRoles reads a comma-separated list of roles.
func ParseRoles(text string) ([]Role, error) {
	var roles []Role
	for word := range strings.SplitSeq(text, ",") {
		role := Role(strings.TrimSpace(word))
		if !slices.Contains(Roles(), role) {
			return nil, fmt.Errorf("%q is not a role; there is %s", string(role), strings.Join(names(Roles()), ", "))
		}
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles, nil
}

func names(roles []Role) []string {
	texts := make([]string, len(roles))
	for i, r := range roles {
		texts[i] = string(r)
	}
	return texts
}

// Grant is one thing that must be allowed, with the roles that need it.
type Grant struct {
	partition.Access
	Roles []Role `json:"roles"`
}

// Grants is the least that the roles need, each thing once: without any one of
// them some request of theirs is refused. What another operation implies
// (Read and Write imply Describe, AlterConfigs implies DescribeConfigs) is left
// out when that one is there.
func Grants(cfg config.Config, roles []Role) []Grant {
	var all []Grant
	for _, role := range roles {
		for _, access := range accesses(cfg, role) {
			at := slices.IndexFunc(all, func(g Grant) bool { return g.Access == access })
			if at < 0 {
				all = append(all, Grant{Access: access})
				at = len(all) - 1
			}
			all[at].Roles = append(all[at].Roles, role)
		}
	}
	granted := slices.Clone(all)
	return slices.DeleteFunc(all, func(g Grant) bool {
		return slices.ContainsFunc(granted, func(other Grant) bool { return implies(other.Access, g.Access) })
	})
}

// Wanted is what one role asks for, as Kafka is asked about it.
func Wanted(cfg config.Config, role Role) []partition.Access { return accesses(cfg, role) }

func implies(a, b partition.Access) bool {
	if a.Resource != b.Resource || a.Name != b.Name {
		return false
	}
	switch b.Operation {
	case partition.OperationDescribe:
		return a.Operation == partition.OperationRead || a.Operation == partition.OperationWrite
	case partition.OperationDescribeConfigs:
		return a.Operation == partition.OperationAlterConfigs
	}
	return false
}

func accesses(cfg config.Config, role Role) []partition.Access {
	var list []partition.Access
	on := func(topic string, operations ...string) {
		for _, op := range operations {
			list = append(list, partition.Access{Resource: partition.ResourceTopic, Name: topic, Operation: op})
		}
	}
	for _, s := range cfg.Streams {
		for _, t := range of(s) {
			topic := t.topic(s)
			switch role {
			case Deliver:
				on(topic, t.delivers.operations()...)
			case Produce:
				if topic == s.Topic {
					on(topic, partition.OperationWrite)
				}
			case Apply:
				on(topic, applied()...)
			case Operate:
				on(topic, append(t.operates.operations(), partition.OperationDescribeConfigs)...)
			}
		}
	}
	switch role {
	case Deliver:
		on(cfg.StateTopic, both().operations()...)
	case Operate:
		on(cfg.StateTopic, append(both().operations(), partition.OperationDescribeConfigs)...)
	case Apply:
		on(cfg.StateTopic, applied()...)
	case Produce:
	}
	if role == Deliver || role == Operate {
		list = append(list, partition.Access{Resource: partition.ResourceGroup, Name: cfg.Kafka.Group, Operation: partition.OperationRead})
	}
	return list
}

// applied is what making a topic and mending its settings takes.
func applied() []string {
	return []string{partition.OperationCreate, partition.OperationDescribe, partition.OperationAlterConfigs}
}

func (u use) operations() []string {
	var list []string
	if u.reads {
		list = append(list, partition.OperationRead)
	}
	if u.writes {
		list = append(list, partition.OperationWrite)
	}
	if len(list) == 0 {
		list = append(list, partition.OperationDescribe)
	}
	return list
}

// Commands are the grants as calls of Kafka's own kafka-acls, one for each
// resource, ready for a POSIX shell.
func Commands(grants []Grant, brokers []string, principal string) []string {
	type resource struct{ kind, name string }
	var order []resource
	operations := map[resource][]string{}
	for _, g := range grants {
		r := resource{g.Resource, g.Name}
		if _, seen := operations[r]; !seen {
			order = append(order, r)
		}
		operations[r] = append(operations[r], g.Operation)
	}
	commands := make([]string, len(order))
	for i, r := range order {
		var b strings.Builder
		fmt.Fprintf(&b, "kafka-acls --bootstrap-server %s --add --allow-principal %s", quoted(strings.Join(brokers, ",")), quoted(principal))
		for _, op := range operations[r] {
			b.WriteString(" --operation " + op)
		}
		fmt.Fprintf(&b, " --%s %s", r.kind, quoted(r.name))
		commands[i] = b.String()
	}
	return commands
}

// quoted leaves plain words as they are, for reading.
func quoted(word string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-:,@/=", c)
	}
	if word != "" && !strings.ContainsFunc(word, func(c rune) bool { return !plain(c) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
