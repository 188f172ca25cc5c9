package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/partition"
	"sluice/partition/partitiontest"
	"sluice/pipeline/event"
)

// ruled makes a broker whose stream hooked, of four partitions, has every tier,
// and a configuration of it with a class of two events a second and two rules
// that defer.
func ruled(t *testing.T, hook string) (kafka *partitiontest.Cluster, path string) {
	t.Helper()
	kafka = partitiontest.New(t, 4, "hooked", "hooked.held", "hooked.replay", "hooked.dead", "hooked.overflow",
		"hooked.delay-10s", "hooked.delay-10m", "hooked.delay-6h", "sluice.state")
	return kafka, write(t, "sluice.yaml", `kafka: {brokers: ["`+kafka.ListenAddrs()[0]+`"], group: tests}
listen: {metrics: off, actions: "127.0.0.1:0"}
workspaces:
  hook:
    sink: webhook
    url: "`+hook+`"
    budget: {requests: 5/s, events: unlimited}
    rules:
      - {name: news, match: {event: news}, rate: 2/s}
      - {name: digest, match: {event: digest}, spread: 3m}
      - {name: sms, match: {event: sms}, quiet: {from: "22:00", to: "08:00", zone: UTC}}
streams:
  hooked: {workspace: hook, partitions: 4, replication: 1}
`)
}

// unruled is the configuration at path without its rules, and with what the
// stream has instead.
func unruled(t *testing.T, path, stream string) string {
	t.Helper()
	head, rest, _ := strings.Cut(readFile(t, path), "    rules:\n")
	_, streams, _ := strings.Cut(rest, "streams:\n")
	return write(t, "unruled.yaml", head+"streams:\n"+strings.Replace(streams, "workspace: hook", "workspace: hook"+stream, 1))
}

// waiter is an event on another tier than the live one.
type waiter struct {
	tier      partition.Tier
	partition int32
	user      string
	class     string
	offset    int64         // of the live event
	due       time.Duration // from now; 0: none
	ago       time.Duration // since it was put there
}

// wait puts events on other tiers, as a member does that moves them.
func wait(t *testing.T, kafka *partitiontest.Cluster, all ...waiter) {
	t.Helper()
	now := time.Now()
	for _, one := range all {
		var e event.Event
		e.Load(event.Record{
			Topic: "hooked", Partition: one.partition, Offset: one.offset, Key: []byte(one.user), Value: fmt.Appendf(nil, `{"secret":"payload","of":"%s %d"}`, one.class, one.offset),
			Time: now.Add(-2 * time.Hour),
		}, "c")
		m := event.Move{Topic: "hooked." + one.tier.String(), Partition: one.partition, Class: one.class}
		if one.due != 0 {
			m.Due, m.Wake = now.Add(one.due), now.Add(one.tier.Step()-one.ago)
		}
		r := event.Moved(&e, m)
		r.Time = now.Add(-one.ago)
		kafka.Append(t, r)
	}
}

// waiting puts some of each kind there: four on overflow, four that are deferred
// and one that is late.
func waiting(t *testing.T, kafka *partitiontest.Cluster) {
	t.Helper()
	wait(t, kafka,
		waiter{tier: partition.Overflow, partition: 1, user: "ann", class: "news", offset: 1},
		waiter{tier: partition.Overflow, partition: 1, user: "ann", class: "default", offset: 2},
		waiter{tier: partition.Overflow, partition: 1, user: "bob\x1b[2J", class: "news", offset: 3},
		waiter{tier: partition.Overflow, partition: 3, user: "cid", class: "news", offset: 1},
		waiter{tier: partition.Delay10m, partition: 0, user: "ann", class: "digest", offset: 1, due: 20 * time.Minute},
		waiter{tier: partition.Delay10m, partition: 0, user: "bob", class: "digest", offset: 2, due: 15 * time.Minute},
		waiter{tier: partition.Delay10m, partition: 0, user: "ann", class: "sms", offset: 3, due: 2 * time.Hour},
		waiter{tier: partition.Delay6h, partition: 0, user: "ann", offset: 4, due: 7 * time.Hour},
		waiter{tier: partition.Delay10s, partition: 2, user: "dan", class: "digest", offset: 1, due: -50 * time.Second, ago: time.Minute},
	)
}

// What waits for its time is told apart from what is behind, in every number.
func TestGroupDescribeTellsDeferredFromLag(t *testing.T) {
	t.Parallel()
	kafka, path := ruled(t, "http://127.0.0.1:1")
	waiting(t, kafka)
	have := describeGroup(t, path)
	if have.Lag != 0 || have.tierCounts != (tierCounts{Overflow: 4, Deferred: 4, Late: 1}) {
		t.Errorf("have %+v", have.tierCounts)
	}
	w := have.Workspaces[0]
	if w.tierCounts != have.tierCounts || w.Seconds == nil || *w.Seconds != 2 {
		t.Errorf("want four events at the class's 2/s, have %+v", w)
	}
	if due := w.NextDue; due == nil || !w.NextDueSure || (time.Until(*due)-15*time.Minute).Abs() > time.Minute {
		t.Errorf("want the earliest, have %v", due)
	}
	waits := map[int32]string{}
	for _, s := range have.Shards {
		waits[s.Partition] = s.WaitsFor
		if len(s.Beside) != 6 {
			t.Errorf("%s: want its other tiers, have %+v", s.id(), s.Beside)
		}
	}
	if want := map[int32]string{0: "", 1: waitsForMember, 2: waitsForMember, 3: waitsForMember}; fmt.Sprint(waits) != fmt.Sprint(want) {
		t.Errorf("want one with nothing but deferred events to wait for nothing: %v, have %v", want, waits)
	}
	o := onGroup(t.Context(), "describe", "-c", path)
	t.Log(o.out)
	has(t, o.out,
		"group tests is Dead: 0 members, 0 events behind, 4 over the rate of a class, 1 late; 4 more wait for their time, which is no backlog, the next ",
		"WORKSPACE REGION LAG HELD REPLAY OVERFLOW DEFERRED LATE TAKES AT OLDEST RETRIES STOPPED SHARDS OWNERS NEXT DUE\n", "hook - 0 0 0 4 4 1 2s 5/s",
		"SHARD WORKSPACE LAG HELD REPLAY OVERFLOW DEFERRED LATE TAKES OLDEST COMMIT RETRIES WAITS FOR OWNER\n", "hooked/0 hook 0 0 0 0 4 0 0s - none 0 - -\n",
		"! 4 events are on overflow: some are over the rate of their class,", "sluice group describe --overflow\n", "! 1 event is late: ")

	stand(t, path, "hooked.overflow", map[int32]int64{1: 1, 3: 0})
	stand(t, path, "hooked", map[int32]int64{0: 0})
	for _, tier := range []string{"10s", "10m", "6h"} {
		stand(t, path, "hooked.delay-"+tier, map[int32]int64{0: 0, 2: 0})
	}
	var list groupList
	onGroup(t.Context(), "ls", "-c", path, "-o", "json").last(t, &list)
	if g := list.Groups[0]; g.tierCounts != (tierCounts{Overflow: 3, Deferred: 4, Late: 1}) || g.Lag != 0 || fmt.Sprint(g.Topics) != "[hooked]" {
		t.Errorf("have %+v", g)
	}
	has(t, onGroup(t.Context(), "ls", "-c", path).out, "GROUP STATE MEMBERS LAG HELD REPLAY OVERFLOW DEFERRED LATE STOPPED TOPICS\n", "* tests Empty 0 0 0 0 3 4 1 0 hooked\n")
}

func TestGroupDescribeOverflowListsUsers(t *testing.T) {
	t.Parallel()
	kafka, path := ruled(t, "http://127.0.0.1:1")
	if o := onGroup(t.Context(), "describe", "--overflow", "-c", path); o.code != exitDone || o.out != "no event of group tests is on overflow\n" {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	waiting(t, kafka)
	stand(t, path, "hooked.overflow", map[int32]int64{3: 1})
	o := onGroup(t.Context(), "describe", "--overflow", "-c", path)
	t.Log(o.out)
	has(t, o.out, "3 events of 2 users are on overflow: the class of the first of each is over its rate, the others wait behind it, in order\n",
		"USER SHARD WORKSPACE CLASS EVENTS FIRST EVENT OF FIRST STOOD AT\n", "ann hooked/1 hook news 2 ", "hooked/1/1\n", "bob\uFFFD[2J hooked/1 hook news 1 ")
	if strings.Contains(o.out, "payload") {
		t.Errorf("payloads are shown:\n%s", o.out)
	}
	var have overflowReport
	onGroup(t.Context(), "describe", "--overflow", "-c", path, "-o", "json").last(t, &have)
	if have.Events != 3 || len(have.Users) != 2 || have.Users[0].Class != "news" || time.Since(have.Users[0].Oldest).Round(time.Minute) != 2*time.Hour {
		t.Errorf("have %+v", have)
	}
	for args, want := range map[string]string{"--overflow --watch": "leave --watch out", "--overflow --held": "ask for one of them"} {
		if o := onGroup(t.Context(), append([]string{"describe", "-c", path}, strings.Fields(args)...)...); o.code != exitUsage || !strings.Contains(o.err, want) {
			t.Errorf("%s: have %d %s", args, o.code, o.err)
		}
	}
}

// A reset moves the live tier, and tells what it leaves and where to look.
func TestResetLeavesWhatWaits(t *testing.T) {
	t.Parallel()
	kafka, path := ruled(t, "http://127.0.0.1:1")
	waiting(t, kafka)
	have, _ := planned(t, path, "--stream", "hooked", "--to", "start", "--partition", "0-1")
	if have.tierCounts != (tierCounts{Overflow: 3, Deferred: 4}) {
		t.Errorf("want those of the shards alone, have %+v", have.tierCounts)
	}
	kafka.Append(t, event.Record{Topic: "hooked", Key: []byte("a"), Value: []byte(`{}`)})
	stand(t, path, "hooked", map[int32]int64{0: 1})
	o := onGroup(t.Context(), "reset", "--stream", "hooked", "--to", "start", "-c", path)
	t.Log(o.out)
	has(t, o.out, "only the live tier moves: 4 over the rate of a class, 1 late and 4 deferred stay, and are delivered all the same\n"+
		"one of them that is sent again as well comes twice\nwho is on overflow: sluice group describe --overflow --stream hooked\n"+
		"what is deferred: sluice deferred ls hooked\n")
}

// Each tier stops by itself; what let it go on moves that tier and no other.
func TestResumeTheTiersOfRules(t *testing.T) {
	t.Parallel()
	kafka, path := ruled(t, "http://127.0.0.1:1")
	waiting(t, kafka)
	for _, tier := range []string{"overflow", "delay-10m"} {
		p := map[string]int32{"overflow": 1, "delay-10m": 0}[tier]
		stand(t, path, "hooked."+tier, map[int32]int64{p: 0})
		kafka.DeleteBefore(t, "hooked."+tier, p, 2)
	}
	notes := strings.Join(describeGroup(t, path).Notes, "\n")
	has(t, notes, "hooked.overflow 1 stopped: the watermark is not in the log any more", "sluice shard resume hooked 1 --at start --tier overflow",
		"hooked.delay-10m 0 stopped: ", "sluice shard resume hooked 0 --at start --tier delay-10m")
	o := sluice(t, "", "shard", "resume", "hooked", "0", "--at", "start", "--tier", "delay-10m", "-c", path)
	if o.code != exitDone || o.out != "no member runs; group tests will begin hooked.delay-10m/0 at offset 2\n" {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	o = sluice(t, "", "shard", "resume", "hooked", "all", "--at", "start", "-c", path)
	if o.code != exitDone || o.out != "no member runs; group tests will begin hooked.overflow/1 at offset 2\n" {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
}

// Without an offset nobody knows whose events are on overflow, as with held.
func TestAStoppedOverflowBarsItsLiveTier(t *testing.T) {
	t.Parallel()
	kafka, path := ruled(t, "http://127.0.0.1:1")
	waiting(t, kafka)
	kafka.DeleteBefore(t, "hooked.overflow", 1, 2)
	have := describeGroup(t, path)
	if s := have.Shards[0]; s.id() != "hooked/1" || s.WaitsFor != waitsForOperator {
		t.Errorf("have %+v", s)
	}
	has(t, strings.Join(have.Notes, "\n"), "hooked.overflow 1 stopped: the group has no committed offset",
		"until it goes on, its live shard waits too, for nobody knows whose events are on overflow; ")
}

// What waits is in hand, and what waits for its time is told beside; rules that
// went lose nothing.
func TestCheckCountsWhatWaits(t *testing.T) {
	t.Parallel()
	kafka, path := ruled(t, "http://127.0.0.1:1")
	waiting(t, kafka)
	wait(t, kafka, waiter{tier: partition.Delay10s, partition: 0, user: "bob", class: "digest", offset: 2, due: 15 * time.Minute}) // again, after a crash
	input := write(t, "in.ndjson", strings.Repeat(`{"user":"1","event":"e"}`+"\n", 9))
	for _, config := range []string{path, unruled(t, path, "")} {
		o := sluice(t, "", "check", "--input", input, "--sim", simulated(t), "-c", config)
		has(t, o.out, "in hand 9\nof it deferred 4\nlost 0\n", "read 9 = delivered 0 + dead-lettered 0 + dropped 0 + in hand 9 + lost 0\nok\n")
		if o.code != exitDone {
			t.Errorf("have %d %s", o.code, o.err)
		}
	}
}

// Events on tiers that went with their rules are told, with what has them
// delivered.
func TestGroupDescribeTellsOfLeftovers(t *testing.T) {
	t.Parallel()
	kafka, path := ruled(t, "http://127.0.0.1:1")
	waiting(t, kafka)
	have := describeGroup(t, unruled(t, path, ""))
	notes := strings.Join(have.Notes, "\n")
	t.Log(notes)
	has(t, notes, "5 events wait on hooked.delay-10m, hooked.delay-10s and hooked.delay-6h, and stream hooked has no such tier any more: no member reads it; set deferral: true in it, and restart the members",
		"4 events wait on hooked.overflow, and stream hooked has no such tier any more")
	if have.tierCounts != (tierCounts{}) {
		t.Errorf("have %+v", have.tierCounts)
	}
	if notes := strings.Join(describeGroup(t, unruled(t, path, ", deferral: true")).Notes, "\n"); strings.Contains(notes, "on hooked.delay") || !strings.Contains(notes, "on hooked.overflow") {
		t.Errorf("have %s", notes)
	}
	withAdmin(t, path, func(ctx context.Context, a *partition.Admin) {
		if n, err := inHand(ctx, a, "tests", "hooked.overflow"); err != nil || n != 4 {
			t.Errorf("have %d, %v", n, err)
		}
	})
}

// What waits for the rate of a class alone says so, and takes its time at that
// rate; with others beside, the budget binds.
func TestGroupDescribeTellsOfTheRateOfAClass(t *testing.T) {
	t.Parallel()
	owner := &groupMember{Member: "a"}
	r := groupReport{rates: map[string]float64{"w": 100}, classes: map[string]float64{"w": 2}, Workspaces: []workspaceLag{{Workspace: "w"}}}
	for p, one := range []shardLag{
		{tierCounts: tierCounts{Overflow: 30}}, {tierCounts: tierCounts{Overflow: 30, Held: 1}}, {tierCounts: tierCounts{Deferred: 9}},
	} {
		one.Stream, one.Partition, one.Workspace, one.Owner = "s", int32(p), "w", owner
		r.Shards = append(r.Shards, one)
	}
	r.finish()
	for _, s := range r.Shards {
		want := map[int32]string{0: waitsForRate, 1: waitsForBudget, 2: ""}[s.Partition]
		if seconds := map[int32]float64{0: 15, 1: 15, 2: 0}[s.Partition]; s.WaitsFor != want || *s.Seconds != seconds {
			t.Errorf("%s: want it to wait for %q and take %vs, have %q and %vs", s.id(), want, seconds, s.WaitsFor, *s.Seconds)
		}
	}
	if w := r.Workspaces[0]; *w.Seconds != 30 || w.Deferred != 9 {
		t.Errorf("have %+v", w)
	}
}

// The earliest time is known for sure only when all were looked at.
func TestNextDue(t *testing.T) {
	t.Parallel()
	early, late := time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC), time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)
	sure := func(at time.Time) nextDue { return nextDue{NextDue: &at, NextDueSure: true} }
	for _, tt := range []struct {
		add  []nextDue
		want string
	}{
		{nil, "-"},
		{[]nextDue{{}}, "-"},
		{[]nextDue{sure(late), sure(early), {}}, stamp(early)},
		{[]nextDue{sure(early), {NextDue: &late, unread: true}}, "by " + stamp(early)},
		{[]nextDue{{unread: true}, sure(late)}, "by " + stamp(late)},
		{[]nextDue{sure(late), {unread: true}}, "by " + stamp(late)},
	} {
		var have nextDue
		for _, one := range tt.add {
			have.add(one)
		}
		if have.due() != tt.want {
			t.Errorf("%v: want %s, have %s", tt.add, tt.want, have.due())
		}
	}
}
