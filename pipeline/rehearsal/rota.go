package rehearsal

import (
	"sluice/partition"
	"sluice/pipeline/rules"
)

// rota holds what is ready: classes take turns as the lanes' do, of a class the
// shards in turn, of a shard the lane whose head came first.
type rota struct {
	*partition.Turns
	lines [][]*line // that have ready lanes, by class, the next first
}

// line is the ready lanes of one class in one shard.
type line struct {
	class  uint8
	ready  heap[*lane] // by the place of the head
	listed bool
}

func newRota(classes []rules.Class) rota {
	all := make([]partition.Class, len(classes))
	for i, c := range classes {
		all[i] = partition.Class{Name: c.Name, Priority: int8(c.Priority), Weight: c.Weight, Floor: c.Floor, Limited: c.Rate > 0}
	}
	return rota{Turns: partition.NewTurns(all), lines: make([][]*line, len(classes))}
}

// add lists a line that has ready lanes.
func (r *rota) add(l *line) {
	if !l.listed && l.ready.len() > 0 {
		l.listed = true
		r.lines[l.class] = append(r.lines[l.class], l)
		r.Ready(l.class, true)
	}
}

// take takes the line off the rota whose turn it is; there must be more.
func (r *rota) take() *line {
	i := r.Next()
	l := r.lines[i][0]
	r.lines[i] = r.lines[i][1:]
	l.listed = false
	r.Ready(l.class, len(r.lines[i]) > 0)
	return l
}
