package simulator

// Counts is what has come to one workspace, or to all. Every event is counted
// in exactly one of Effects, Repeats, Ignored, Degraded, Rejected and Failed.
type Counts struct {
	Requests int64 `json:"requests"` // HTTP requests to the API
	Events   int64 `json:"events"`   // lines of the history
	Effects  int64 `json:"effects"`  // carried out
	Repeats  int64 `json:"repeats"`  // accepted and dropped: the event's id was known
	Ignored  int64 `json:"ignored"`  // accepted and dropped: suppressed, unknown, or an id that is no ULID
	Degraded int64 `json:"degraded"` // accepted and lost: above the limit
	Rejected int64 `json:"rejected"` // at fault themselves
	Failed   int64 `json:"failed"`   // the whole request was refused, failed or cut off

	// Updates that were accepted and could not be made, as with an email that
	// another person has.
	FailedUpdates int64 `json:"failed_updates"`
}

func (c *Counts) add(d *Counts) {
	c.Requests += d.Requests
	c.Events += d.Events
	c.Effects += d.Effects
	c.Repeats += d.Repeats
	c.Ignored += d.Ignored
	c.Degraded += d.Degraded
	c.Rejected += d.Rejected
	c.Failed += d.Failed
	c.FailedUpdates += d.FailedUpdates
}

// WorkspaceStats is the state of one workspace.
type WorkspaceStats struct {
	Counts
	Answers map[int]int64 `json:"answers"` // requests by HTTP status; 0: no answer
	People  int           `json:"people"`  // with an identifier other than an anonymous one
	Objects int           `json:"objects"`
}

// Stats is the state of all workspaces, together and one by one by site ID.
type Stats struct {
	Region string `json:"region"`
	WorkspaceStats
	Workspaces map[string]WorkspaceStats `json:"workspaces"`
}

// Stats returns what has happened so far. It is safe for concurrent use.
func (s *Simulator) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := Stats{
		Region:         s.region,
		WorkspaceStats: WorkspaceStats{Answers: make(map[int]int64)},
		Workspaces:     make(map[string]WorkspaceStats, len(s.workspaces)),
	}
	for site, w := range s.workspaces {
		one := WorkspaceStats{Counts: w.counts, Answers: make(map[int]int64, len(w.answers)), People: w.people, Objects: w.objects}
		for status, n := range w.answers {
			one.Answers[status] = n
			stats.Answers[status] += n
		}
		stats.add(&w.counts)
		stats.People += w.people
		stats.Objects += w.objects
		stats.Workspaces[site] = one
	}
	return stats
}
