package replay

import "time"

// progress is what the state keeps of one shard of a job. It is written after
// the copies that it counts are acknowledged.
type progress struct {
	Next    int64   `json:"next"` // the first source offset that is not dealt with
	Copied  int64   `json:"copied"`
	Skipped Skipped `json:"skipped"`
	Done    bool    `json:"done"`
	// Ends is where the partitions of the replay topic ended at the latest when
	// this was written: copies of source offsets from Next on stand behind it. A
	// shard of which nothing has been copied yet has none for a moment.
	Ends map[int32]int64 `json:"ends,omitempty"`
	// Last is, by partition of the replay topic, the offset after the last copy.
	Last    map[int32]int64 `json:"last,omitempty"`
	Rate    float64         `json:"rate,omitempty"`    // copies a second, lately
	Waiting string          `json:"waiting,omitempty"` // what the copier waits for
	At      time.Time       `json:"at"`
}
