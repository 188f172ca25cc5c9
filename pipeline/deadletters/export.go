package deadletters

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"sluice/pipeline/event"
	"sluice/pipeline/producer"
)

// Why a letter is not among the lines of an export.
const (
	leftEmpty   = "no value"
	leftNoJSON  = "not a JSON object"
	leftCarries = "a call whose headers a line cannot say"
	leftKey     = "kept for another user than its content names"
)

// Exported is what came of an export.
type Exported struct {
	Written int     `json:"written"`
	Mend    int     `json:"mend"` // of those: produce refuses them before they are mended
	LeftOut []Count `json:"left_out"`
	Masked  bool    `json:"masked"`
}

// Copy says how letters are exported.
type Copy struct {
	Form    producer.Form // what the stream's destination takes
	Payload bool          // the events themselves; else their letters, masked
}

// Export writes the pending letters that a filter takes, one JSON object a
// line, each user's in order. With Payload a line is the event as produce reads
// it, with its id and timestamp where an entity has them, and a letter that no
// line can say is left out and counted. Without, a line is a letter's View.
func (b *Box) Export(ctx context.Context, f Filter, c Copy, w io.Writer) (Exported, error) {
	done, left := Exported{Masked: !c.Payload}, tally{}
	err := b.each(ctx, f, func(l Letter) error {
		if l.State != Pending {
			return nil
		}
		line, reason, fit := c.line(l)
		if reason != "" {
			left.add(reason)
			return nil
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("write the export: %w", err)
		}
		done.Written++
		if !fit {
			done.Mend++
		}
		return nil
	})
	done.LeftOut = left.sorted()
	return done, err
}

// line is a letter as a line, or the reason why it is none; fit says whether
// produce takes it as it is.
func (c Copy) line(l Letter) (line []byte, reason string, fit bool) {
	if !c.Payload {
		line, err := json.Marshal(l.View(false))
		if err != nil {
			return nil, leftNoJSON, false
		}
		return line, "", true
	}
	switch {
	case l.Record.Value == nil:
		return nil, leftEmpty, false
	case l.carries():
		return nil, leftCarries, false
	}
	var compact bytes.Buffer
	if json.Compact(&compact, c.entity(l)) != nil || compact.Len() == 0 || compact.Bytes()[0] != '{' {
		return nil, leftNoJSON, false
	}
	item, err := producer.NewConverter(c.Form, false).Convert(producer.Line{N: 1, Number: 1, Object: bytes.Clone(compact.Bytes())})
	if err == nil && !bytes.Equal(item.Record.Key, l.Record.Key) {
		return nil, leftKey, false
	}
	return compact.Bytes(), "", err == nil
}

// entity is the letter's value, with id and timestamp when it is an entity that
// can have them: a line has no other place for either.
func (c Copy) entity(l Letter) []byte {
	if c.Form != producer.Entity {
		return l.Record.Value
	}
	var e event.Event
	e.Load(l.redriven("", 1, ""), "")
	e.PrepareEntity()
	if e.Fault != nil {
		return l.Record.Value
	}
	return e.AppendEntity(nil)
}
