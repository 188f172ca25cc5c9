package checker

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"

	"sluice/pipeline/producer"
)

// Expected is one event of the input.
type Expected struct {
	N    int    // its number, from 1, as produce --seq wrote it
	User string // whose order it belongs to: the record's key
	ID   string // its own id, "" when it has none
}

// Expect reads an input as produce does: what cannot be converted was never
// produced, and is not expected. The sequence reads the input, so it is used
// once.
func Expect(in producer.Input, form producer.Form) iter.Seq2[Expected, error] {
	return func(yield func(Expected, error) bool) {
		converter := producer.NewConverter(form, true)
		for {
			line, err := in.Next()
			if bad := (*producer.LineError)(nil); errors.As(err, &bad) {
				continue
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Expected{}, err)
				return
			}
			item, err := converter.Convert(line)
			if err != nil {
				continue
			}
			if !yield(Expected{N: item.N, User: string(item.Record.Key), ID: item.ID}, nil) {
				return
			}
		}
	}
}

// maxEvents bounds an event's number, and so the memory that it asks for.
const maxEvents = 1 << 30

const (
	known uint8 = 1 << iota
	takenOnce
	effectOnce
	effectTwice
)

// events is the input, each event at its number.
type events struct {
	states []uint8
	seqs   []uint32 // place among the user's events, from 1
	owners []uint32 // number of the user, below users
	ids    map[digest]uint32
	count  int
	users  uint32
	seed   [2]maphash.Seed
}

// digest stands for a string: 128 bits, so that a million users or ids take
// one small map and no two of them meet.
type digest [2]uint64

func (e *events) digest(text string) digest {
	return digest{maphash.String(e.seed[0], text), maphash.String(e.seed[1], text)}
}

func load(input iter.Seq2[Expected, error]) (*events, error) {
	e := &events{ids: map[digest]uint32{}, seed: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	users := map[digest]uint32{}
	var counts []uint32
	for one, err := range input {
		if err != nil {
			return nil, err
		}
		if one.N < 1 || one.N > maxEvents {
			return nil, fmt.Errorf("event number %d is not within 1 and %d", one.N, maxEvents)
		}
		e.grow(one.N)
		if e.states[one.N] != 0 {
			return nil, fmt.Errorf("two events have the number %d", one.N)
		}
		name := e.digest(one.User)
		owner, seen := users[name]
		if !seen {
			owner = e.users
			e.users++
			users[name], counts = owner, append(counts, 0)
		}
		counts[owner]++
		e.states[one.N], e.owners[one.N], e.seqs[one.N] = known, owner, counts[owner]
		e.count++
		if one.ID == "" {
			continue
		}
		if id := e.digest(one.ID); e.ids[id] == 0 {
			e.ids[id] = uint32(one.N)
		}
	}
	return e, nil
}

func (e *events) grow(n int) {
	for len(e.states) <= n {
		e.states, e.seqs, e.owners = append(e.states, 0), append(e.seqs, 0), append(e.owners, 0)
	}
}

// match finds an arrival's event.
func (e *events) match(a Arrival) (n uint32, found bool) {
	if a.N != 0 {
		found = a.N > 0 && a.N < int64(len(e.states)) && e.states[a.N] != 0
		return uint32(max(0, min(a.N, maxEvents))), found
	}
	if a.ID != "" {
		n = e.ids[e.digest(a.ID)]
	}
	return n, n != 0
}
