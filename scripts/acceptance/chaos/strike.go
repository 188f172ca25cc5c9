package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/scripts/acceptance/rig"
)

// spell is a fault as it came to be: when it struck, and when it was mended.
type spell struct {
	Fault
	from, to time.Time
}

// play lets a timeline happen from an instant on: the faults of a track one
// after the other, the tracks beside each other. One that takes longer than was
// thought delays those after it.
func (s *stage) play(ctx context.Context, began time.Time, faults []Fault) ([]spell, error) {
	var byTrack [tracks][]Fault
	for _, f := range faults {
		byTrack[f.Kind.track()] = append(byTrack[f.Kind.track()], f)
	}
	var spells [tracks][]spell
	group, ctx := errgroup.WithContext(ctx)
	for t, list := range byTrack {
		group.Go(func() error {
			for _, f := range list {
				if err := rig.Pause(ctx, time.Until(began.Add(f.At))); err != nil {
					return err
				}
				from := time.Now()
				s.log.line("strikes: %v", f)
				if err := s.strike(ctx, f); err != nil {
					return fmt.Errorf("%s at %v: %w", f.Kind, f.At, err)
				}
				spells[t] = append(spells[t], spell{f, from, time.Now()})
			}
			return nil
		})
	}
	err := group.Wait()
	var all []spell
	for _, list := range spells {
		all = append(all, list...)
	}
	return all, err
}

// strike lets one fault happen and returns when it is mended.
func (s *stage) strike(ctx context.Context, f Fault) error {
	switch f.Kind {
	case Kill, Freeze, Roll, ScaleUp, ScaleDown:
		return s.strikeMembers(ctx, f)
	case BrokerStop, BrokerKill:
		return s.strikeBroker(ctx, f)
	case Leaders:
		return s.move(ctx, func(ctx context.Context) error { return s.kafka.MoveLeaders(ctx, s.topics...) })
	case Coordinator:
		return s.move(ctx, s.kafka.MoveCoordinators)
	case KafkaCut, SinkCut:
		return s.strikeLink(ctx, f, rig.Trouble{Cut: true})
	case KafkaStall, SinkHang:
		return s.strikeLink(ctx, f, rig.Trouble{Stall: true})
	case KafkaSlow, SinkSlow:
		return s.strikeLink(ctx, f, rig.Trouble{Delay: f.Delay})
	case SinkHalf:
		return s.strikeLink(ctx, f, rig.Trouble{Half: true})
	case Throttled, Errors, Down, Hanging, Cutting, Users:
		return s.strikeDestination(ctx, f)
	case kinds:
	}
	return fmt.Errorf("nobody knows how to strike with %v", f.Kind)
}

func (s *stage) strikeMembers(ctx context.Context, f Fault) error {
	at := f.Member
	if f.Owner {
		at = s.fleet.owner(ctx, workspaces()[f.Workspace].name, at)
	} else {
		at = s.fleet.living(at)
	}
	switch f.Kind {
	case Kill:
		return s.fleet.kill(ctx, at, f.For)
	case Freeze:
		return s.fleet.freeze(ctx, at, f.For)
	case Roll:
		return s.fleet.roll(ctx)
	case ScaleUp, ScaleDown:
		for i := range fleetSize {
			var err error
			if f.Kind == ScaleUp {
				err = s.fleet.open(i)
			} else if i != f.Stay[0] && i != f.Stay[1] {
				err = s.fleet.shut(i, false)
			}
			if err != nil {
				return err
			}
		}
	default:
	}
	return nil
}

// strikeBroker takes one node away for a while and waits until it is a full
// part of the cluster again, so that never two are away at once.
func (s *stage) strikeBroker(ctx context.Context, f Fault) error {
	node := f.Node
	if f.Owner {
		asking, cancel := context.WithTimeout(ctx, 2*time.Second)
		if at, err := s.kafka.Coordinator(asking, s.config.Group); err == nil {
			node = at
		}
		cancel()
	}
	end := s.kafka.Shut
	if f.Kind == BrokerKill {
		end = s.kafka.Kill
	}
	if err := end(ctx, node); err != nil {
		return err
	}
	s.log.line("node %d is away", node)
	// Whoever interrupts the run still wants a whole cluster for the next.
	if err := errors.Join(rig.Pause(ctx, f.For), s.kafka.Start(context.WithoutCancel(ctx), node)); err != nil {
		return err
	}
	if err := s.kafka.AwaitInSync(ctx, time.Minute, s.topics...); err != nil {
		return err
	}
	s.log.line("node %d is back", node)
	return nil
}

// move moves leaders; while a broker is away that may not succeed, which is no
// fault of anybody's.
func (s *stage) move(ctx context.Context, leaders func(context.Context) error) error {
	moving, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := leaders(moving); err != nil {
		s.log.line("%v", err)
	}
	return ctx.Err()
}

func (s *stage) strikeLink(ctx context.Context, f Fault, t rig.Trouble) error {
	wire := s.sinks[f.Workspace]
	if f.Kind.track() == kafkaTrack {
		wire = s.brokers
	}
	set := wire.SetAll
	if f.Node > 0 {
		set = func(t rig.Trouble) { wire.Set(f.Node-1, t) }
	}
	set(t)
	err := rig.Pause(ctx, f.For)
	set(rig.Trouble{})
	return err
}

// strikeDestination has the simulator misbehave for a while.
func (s *stage) strikeDestination(ctx context.Context, f Fault) error {
	w := workspaces()[f.Workspace]
	on, off := map[string]any{}, map[string]any{}
	switch f.Kind {
	case Throttled:
		on["limit"], on["burst"], off["limit"] = fmt.Sprintf("%d/s", w.rate/4), max(1, w.rate/40), "unlimited"
	case Errors:
		on["errors"], off["errors"] = "50%", "0%"
	case Down:
		on["down"], off["down"] = true, false
	case Hanging:
		on["hang"], off["hang"] = true, false
	case Cutting:
		on["cut"], off["cut"] = true, false
	case Users:
		names := make([]string, len(f.Users))
		for i, n := range f.Users {
			names[i] = user(n)
		}
		on["fail_user"], off["fail_user"] = names, ""
	default:
	}
	if f.Kind != Users {
		on["workspace"], off["workspace"] = w.name, w.name
	}
	if err := s.sim.Configure(ctx, on); err != nil {
		return err
	}
	if err := rig.Pause(ctx, f.For); err != nil {
		return err
	}
	return s.sim.Configure(ctx, off)
}
