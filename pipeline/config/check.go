package config

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/sink"
)

// Bounds that no package below knows.
const (
	maxInFlight    = 256
	maxBatchItems  = 1000 // customerio refuses more
	maxPartitions  = 10_000
	maxTopicLength = 200 // Kafka takes 249; the names of the other tiers are longer than the live one's
	minRetention   = time.Hour
)

func regions() []string { return []string{"us", "eu"} }

// check judges what was read: each part by the package that uses it, and the
// parts against each other.
func (d *decoder) check(cfg Config) {
	d.adopt(cfg.Kafka.Validate(), "kafka")
	d.brokers(cfg.Kafka.Brokers)
	d.addresses(cfg)
	if cfg.Drain <= 0 {
		d.faultAt("drain", "must be above 0", "write it as 30s")
	}
	for _, w := range cfg.Workspaces {
		d.checkWorkspace(w)
		d.checkClasses(w, cfg)
	}
	topics := map[string]string{} // what each belongs to
	if !d.has(statePath) {        // a stream that takes the default's name is what to change
		topics[cfg.StateTopic] = "operator state"
	}
	for _, s := range cfg.Streams {
		d.checkStream(s)
		d.checkTopics(s, topics)
		if !d.unjudged[s.Name] {
			d.checkTargets(s, cfg)
			d.checkRanges(s)
			d.checkOrder(s, cfg)
		}
	}
	if d.has(statePath) {
		d.checkState(cfg.StateTopic, topics)
	}
	if cfg.Gateway != nil {
		d.checkGateway(cfg)
	}
}

func (d *decoder) brokers(brokers []string) {
	for i, b := range brokers {
		if b == "" || strings.ContainsAny(b, "/, ") {
			d.faultAt(fmt.Sprintf("kafka.brokers[%d]", i), "is not a broker's address", "write it as HOST:PORT, one an item")
		}
	}
}

func (d *decoder) addresses(cfg Config) {
	listeners := []listener{{"listen.metrics", cfg.Listen.Metrics}, {"listen.actions", cfg.Listen.Actions}}
	if g := cfg.Gateway; g != nil {
		listeners = append(listeners, listener{"gateway.listen", g.Listen})
		if g.Cert != "" {
			listeners = append(listeners, listener{"gateway.tls.listen", g.ListenTLS})
		}
	}
	for i, l := range listeners {
		if _, ok := d.address(l); !ok {
			continue
		}
		for _, other := range listeners[:i] {
			if _, port, _ := net.SplitHostPort(l.address); port != "0" && other.address == l.address {
				name := strings.TrimPrefix(other.path, "listen.")
				d.faultAt(l.path, "is the address of "+name+" too", "give the two different ports")
			}
		}
	}
	advertised := listener{"listen.advertise", cfg.Kafka.AdminAddr}
	if advertised.address == cfg.Listen.Actions {
		return
	}
	if host, ok := d.address(advertised); ok && host == "" {
		d.faultAt(advertised.path, "names no host that others could reach", "write it as HOST:PORT")
	}
}

// listener is one key that holds an address.
type listener struct{ path, address string }

// address returns the host of what is an address at all; off is none.
func (d *decoder) address(l listener) (host string, ok bool) {
	if l.address == "" {
		return "", false
	}
	host, port, err := net.SplitHostPort(l.address)
	if _, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil {
		d.faultAt(l.path, "is not an address", "write it as 127.0.0.1:9090, :9090 or off")
		return "", false
	}
	return host, true
}

func (d *decoder) checkWorkspace(w Workspace) {
	path := "workspaces." + w.Name
	located := slices.Contains(regions(), w.Region)
	if !located && w.Region != "" {
		d.faultAt(path+".region", "is not a region", regionRemedy(w.Region))
	}
	switch w.Kind {
	case Customerio:
		if !located { // no host can be judged against it
			w.Customerio.Region, w.Customerio.BaseURL = regions()[0], ""
		}
		d.adopt(w.Customerio.Validate(), path)
	case Webhook:
		d.adopt(w.Webhook.Validate(), path)
	}
	d.adopt(w.Breaker.Validate(), path)
	d.adopt(w.Retry.Validate(), path)
	d.adopt(w.Tries.Validate(), path)
	d.adopt(w.Dedup.Validate(), path)
	d.checkInFlight(w, path)
}

// checkInFlight judges how many attempts there may be at once.
func (d *decoder) checkInFlight(w Workspace, path string) {
	for _, bound := range []struct {
		key  string
		have int
	}{{"in_flight", w.InFlight}, {"max_in_flight", w.MaxInFlight}} {
		if bound.have < 1 || bound.have > maxInFlight {
			d.faultAt(path+"."+bound.key, fmt.Sprintf("must be 1 to %d, have %d", maxInFlight, bound.have), "")
			return
		}
	}
	conns, given := w.http().MaxConns, func(key string) bool { _, ok := d.places[path+"."+key]; return ok }
	switch {
	case w.InFlight > w.MaxInFlight && given("max_in_flight"):
		d.faultAt(path+".max_in_flight", fmt.Sprintf("is below in_flight, %d", w.InFlight), "raise it, or lower in_flight")
	case conns < 1 || w.MaxInFlight <= conns: // a fault of max_conns is told already
	case given("max_in_flight"):
		d.faultAt(path+".max_in_flight", fmt.Sprintf("is above max_conns, %d", conns), "an attempt needs a connection: raise max_conns too")
	default:
		d.faultAt(path+".in_flight", fmt.Sprintf("is above max_conns, %d", conns), "an attempt needs a connection: raise max_conns too")
	}
}

func (w Workspace) http() sink.HTTPConfig {
	if w.Kind == Webhook {
		return w.Webhook.HTTP
	}
	return w.Customerio.HTTP
}

func regionRemedy(text string) string {
	if word, ok := nearest(text, regions()); ok {
		return "write " + word
	}
	return "write " + strings.Join(regions(), " or ")
}

var topicForm = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

func fitTopic(name string) bool {
	return topicForm.MatchString(name) && name != "." && name != ".." && len(name) <= maxTopicLength
}

func (d *decoder) checkStream(s Stream) {
	path := "streams." + s.Name
	if !fitTopic(s.Topic) {
		d.faultAt(path+".topic", fmt.Sprintf("must be at most %d letters, digits, dots, _ and -", maxTopicLength), "rename it")
	}
	if s.Partitions < 1 || s.Partitions > maxPartitions {
		d.faultAt(path+".partitions", fmt.Sprintf("must be 1 to %d, have %d", maxPartitions, s.Partitions), "")
		d.unjudged[s.Name] = true
	}
	if s.Replication < 1 {
		d.faultAt(path+".replication", "must be at least 1", "3 is right for a cluster, 1 for a single broker")
	}
	if s.Retention < minRetention {
		d.faultAt(path+".retention", fmt.Sprintf("must be at least %v, have %v", minRetention, s.Retention), "Kafka is the only buffer: keep days, as 7d")
	}
	if s.Residency != "" && !slices.Contains(regions(), s.Residency) {
		d.faultAt(path+".residency", "is not a region", regionRemedy(s.Residency))
	}
}

// checkTopics refuses two streams, whichever of their tiers, on one topic, and a
// live topic with the name of another tier: nobody could tell what it is.
func (d *decoder) checkTopics(s Stream, topics map[string]string) {
	path := "streams." + s.Name + ".topic"
	for _, suffix := range tierSuffixes() {
		if strings.HasSuffix(s.Topic, suffix) {
			d.faultAt(path, fmt.Sprintf("topic %s ends in %s, as the topics of other tiers do", s.Topic, suffix), "set topic to a name without that ending")
			return
		}
	}
	for _, topic := range s.Topics() {
		if other, taken := topics[topic]; taken {
			d.faultAt(path, fmt.Sprintf("topic %s belongs to %s already", topic, other), "give each stream a topic of its own")
			return
		}
	}
	for _, topic := range s.Topics() {
		topics[topic] = "stream " + s.Name
	}
}

const statePath = "kafka.state_topic"

// checkState judges the topic of operator state, which no stream may use.
func (d *decoder) checkState(topic string, topics map[string]string) {
	if !fitTopic(topic) {
		d.faultAt(statePath, fmt.Sprintf("must be at most %d letters, digits, dots, _ and -", maxTopicLength), "rename it")
	} else if other, taken := topics[topic]; taken {
		d.faultAt(statePath, fmt.Sprintf("topic %s belongs to %s already", topic, other), "name one that no stream uses, as sluice.state")
	}
}

// checkTargets compares a stream's routes with the workspaces: they must exist
// and be where the stream's data must stay.
func (d *decoder) checkTargets(s Stream, cfg Config) {
	for i, r := range s.Routes {
		path := fmt.Sprintf("streams.%s.routes[%d].workspace", s.Name, i)
		if _, ok := d.places[path]; !ok {
			path = "streams." + s.Name + ".workspace"
		}
		w, known := cfg.Workspace(r.Workspace)
		switch {
		case !known && slices.Contains(d.named, r.Workspace): // its own fault is told already
		case !known:
			d.faultAt(path, "no workspace is named "+strconv.Quote(r.Workspace), d.workspaceRemedy(r.Workspace))
		case s.Residency == "" || w.Region == s.Residency:
		case w.Region == "":
			d.faultAt(path, fmt.Sprintf("the stream's data must stay in %s, but workspace %s names no region", s.Residency, w.Name), "add region: "+s.Residency+" to it if that is where it is")
		default:
			d.faultAt(path, fmt.Sprintf("the stream's data must stay in %s, but workspace %s is in %s", s.Residency, w.Name, w.Region), "route it to a workspace in "+s.Residency)
		}
	}
}

func (d *decoder) workspaceRemedy(name string) string {
	if word, ok := nearest(name, d.named); ok {
		return "write " + word
	}
	if len(d.named) == 0 {
		return "add it under workspaces"
	}
	return "add it under workspaces, or name one of " + strings.Join(d.named, ", ")
}

// checkRanges refuses routes that overlap, leave a partition out or name one
// that the topic does not have.
func (d *decoder) checkRanges(s Stream) {
	path := "streams." + s.Name
	type ranged struct {
		Route
		index int
	}
	all := make([]ranged, len(s.Routes))
	for i, r := range s.Routes {
		all[i] = ranged{r, i}
	}
	slices.SortStableFunc(all, func(a, b ranged) int { return int(a.From) - int(b.From) })
	next := int32(0) // the lowest partition without a route
	for _, r := range all {
		at := fmt.Sprintf("%s.routes[%d].partitions", path, r.index)
		switch {
		case r.To >= s.Partitions:
			d.faultAt(at, fmt.Sprintf("reaches partition %d, but the stream's last is %d", r.To, s.Partitions-1), "shorten the range, or raise partitions")
		case r.From < next:
			d.faultAt(at, "partitions "+span(r.From, min(r.To, next-1))+" have a route already", "let the ranges not overlap")
		case r.From > next:
			d.faultAt(path+".routes", "partitions "+span(next, r.From-1)+" go nowhere", "add a route for them")
		}
		next = max(next, r.To+1)
	}
	if next < s.Partitions {
		d.faultAt(path+".routes", "partitions "+span(next, s.Partitions-1)+" go nowhere", "add a route for them")
	}
}

func span(from, to int32) string {
	if from == to {
		return strconv.Itoa(int(from))
	}
	return fmt.Sprintf("%d-%d", from, to)
}
