package pipeline_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"sluice/pipeline"
)

// strike lets something happen.
func (h *hunt) strike() {
	h.t.Helper()
	running := h.running()
	some := running[h.rnd.IntN(len(running))]
	switch h.rnd.IntN(24) {
	case 0, 1:
		h.tell("%s is killed", some.name)
		some.gone = true
		some.die()
		if len(running) == 1 || h.rnd.IntN(2) == 0 {
			h.start()
		}
	case 2:
		h.tell("%s stops", some.name)
		some.gone = true
		go some.stop()
		if len(running) == 1 || h.rnd.IntN(2) == 0 {
			h.start()
		}
	case 3:
		if len(running) < 4 {
			h.start()
		}
	case 4, 5:
		d := time.Duration(h.rnd.IntN(9000)) * time.Millisecond
		h.tell("%s is frozen for %v", some.name, d)
		some.wire.freeze()
		time.AfterFunc(d, some.wire.thaw)
	case 6:
		if h.refuse == nil {
			h.tell("the held topic refuses")
			h.refuse = h.kafka.Refuse(h.t, "a"+pipeline.HeldSuffix)
		} else {
			h.allow()
		}
	case 8:
		h.lose(1 + h.rnd.Int32N(3))
	case 7:
		h.dest.set(func() { h.dest.down = !h.dest.down; h.tell("the destination is down: %t", h.dest.down) })
	default:
		user := fmt.Sprint("u", h.rnd.IntN(huntUsers))
		h.dest.set(func() {
			if n := len(h.dest.failing); n > 6 || n > 2 && h.rnd.IntN(3) == 0 {
				user = slices.Sorted(maps.Keys(h.dest.failing))[h.rnd.IntN(n)]
				delete(h.dest.failing, user)
				h.tell("%s recovers", user)
				return
			}
			h.dest.failing[user] = true
			h.tell("%s fails", user)
		})
	}
}

func (h *hunt) allow() {
	if h.refuse != nil {
		h.tell("the held topic takes records again")
		h.refuse()
		h.refuse = nil
	}
}

// bury has the group forget a dead member once its session is over.
func (h *hunt) bury(name string) {
	time.Sleep(8 * time.Second)
	for _, m := range h.group().Members {
		if m.Client == name {
			h.kafka.Forget(h.t, m.ID)
		}
	}
}
