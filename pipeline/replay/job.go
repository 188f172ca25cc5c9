package replay

import "time"

// State is where a job stands.
type State string

// The states of a job. The last three are final.
const (
	Running   State = "running"
	Paused    State = "paused"
	Done      State = "done"
	Cancelled State = "cancelled"
	Failed    State = "failed"
)

// Final tells whether nothing more happens in the state.
func (s State) Final() bool { return s == Done || s == Cancelled || s == Failed }

// Job is one replay. It is what the state keeps under replay/<id>.
type Job struct {
	ID        string    `json:"id"` // a ULID: ids are in order of creation
	Selection Selection `json:"selection"`
	Target    string    `json:"target,omitempty"` // stream whose replay tier takes the copies, when it is another
	Since     time.Time `json:"since,omitzero"`   // no selected record is older
	Ranges    []Range   `json:"ranges"`
	Selected  int64     `json:"selected"` // as planned
	State     State     `json:"state"`
	Reason    string    `json:"reason,omitempty"` // why it failed
	By        string    `json:"by"`
	Created   time.Time `json:"created"`
	Changed   time.Time `json:"changed"`
	Ended     time.Time `json:"ended,omitzero"`
	// Stood is, of a job that was cancelled, up to where each partition of the
	// replay tier was settled then; what was copied behind it is dropped.
	Stood map[int32]int64 `json:"stood,omitempty"`
}

// Range is what is read of one shard: From is included, To is not.
type Range struct {
	Partition int32  `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
	Workspace string `json:"workspace"` // where the copies go
	Selected  int64  `json:"selected"`  // as planned
}

// Skipped counts selected records that are not replayed, by reason.
type Skipped struct {
	Deleted    int64 `json:"deleted"`    // the user or object was deleted since
	Suppressed int64 `json:"suppressed"` // the user was suppressed since
	Merged     int64 `json:"merged"`     // the user was merged since
	Overtaken  int64 `json:"overtaken"`  // a destructive call that would undo what came since
	Faulty     int64 `json:"faulty"`     // no destination could take it
	TooLarge   int64 `json:"too_large"`  // the replay topic does not take it
}

// Total is how many they are together.
func (s Skipped) Total() int64 {
	return s.Deleted + s.Suppressed + s.Merged + s.Overtaken + s.Faulty + s.TooLarge
}

// ShardStatus is how far a job is with one shard.
type ShardStatus struct {
	Range
	Next    int64   `json:"next"` // the source offset to go on at
	Copied  int64   `json:"copied"`
	Settled int64   `json:"settled"`
	Skipped Skipped `json:"skipped"`
	Done    bool    `json:"done"`              // copied to the end
	Waiting string  `json:"waiting,omitempty"` // what the copier waits for
}

// Status is a job and how far it is.
type Status struct {
	Job
	Copied  int64         `json:"copied"`
	Settled int64         `json:"settled"` // of the copies: delivered or otherwise settled, not dropped; at least so many
	Left    int64         `json:"left"`    // still to be settled, as far as the plan tells
	Skipped Skipped       `json:"skipped"`
	Rate    float64       `json:"rate"`             // events a second, lately; 0: not known
	ETA     time.Duration `json:"eta"`              // until it is done at that rate; 0: not known
	Holder  string        `json:"holder,omitempty"` // the member that copies
	Waiting string        `json:"waiting,omitempty"`
	Shards  []ShardStatus `json:"shards"`
}
