package chaos

import "fmt"

// Kind is a way for something to go wrong, or merely to change.
type Kind int8

// The kinds, in the order in which they are told.
const (
	Kill        Kind = iota // a member is killed (SIGKILL) and started again
	Freeze                  // a member stands still (SIGSTOP) and goes on
	Roll                    // every member is stopped and started again, one after the other
	ScaleUp                 // one member becomes four
	ScaleDown               // four members become two
	BrokerStop              // a broker is asked to end and started again
	BrokerKill              // a broker is killed and started again
	Leaders                 // every partition of the streams gets another leader
	Coordinator             // and what coordinates the group
	KafkaCut                // half of the members: connections to brokers are reset
	KafkaStall              // the same: they are silent
	KafkaSlow               // the same: they are late and narrow
	SinkCut                 // connections to a destination are reset
	SinkHang                // they are silent
	SinkSlow                // they are late and narrow
	SinkHalf                // its answers break off half-way
	Throttled               // it takes a quarter of the rate and answers 429 above it
	Errors                  // it answers half of the requests with 500
	Down                    // it answers 503
	Hanging                 // it takes requests and never answers
	Cutting                 // it closes connections, half of the times after the effect
	Users                   // one user in a hundred fails everywhere
	kinds
)

// String is the kind's name in timelines and tables.
func (k Kind) String() string {
	if k < 0 || k >= kinds {
		return fmt.Sprintf("kind %d", int8(k))
	}
	return [kinds]string{
		"kill", "freeze", "roll", "scale-up", "scale-down", "broker-stop", "broker-kill", "leaders", "coordinator",
		"kafka-cut", "kafka-stall", "kafka-slow", "sink-cut", "sink-hang", "sink-slow", "sink-half",
		"429", "500", "down", "hang", "cut", "users",
	}[k]
}

// Kinds are all of them.
func Kinds() []Kind {
	all := make([]Kind, kinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// track is what faults have in common that come one after the other; those of
// different tracks may overlap.
type track int8

const (
	fleetTrack track = iota
	freezeTrack
	brokerTrack
	leaderTrack
	kafkaTrack // links to Kafka
	sinkTrack  // links to the destination
	destinationTrack
	userTrack
	tracks
)

// String is the track's name in the table.
func (t track) String() string {
	return [tracks]string{"members", "freezes", "brokers", "leaders", "to kafka", "to sink", "sink", "users"}[t]
}

func (k Kind) track() track {
	switch k {
	case Freeze:
		return freezeTrack
	case BrokerStop, BrokerKill:
		return brokerTrack
	case Leaders, Coordinator:
		return leaderTrack
	case KafkaCut, KafkaStall, KafkaSlow:
		return kafkaTrack
	case SinkCut, SinkHang, SinkSlow, SinkHalf:
		return sinkTrack
	case Throttled, Errors, Down, Hanging, Cutting:
		return destinationTrack
	case Users:
		return userTrack
	case Kill, Roll, ScaleUp, ScaleDown, kinds:
	}
	return fleetTrack
}

// silences tells whether a fault of this kind may keep members from committing.
func (k Kind) silences() bool {
	switch k.track() {
	case brokerTrack, kafkaTrack:
		return true
	case leaderTrack:
		return k == Coordinator
	case fleetTrack, freezeTrack, sinkTrack, destinationTrack, userTrack, tracks:
	}
	return false
}
