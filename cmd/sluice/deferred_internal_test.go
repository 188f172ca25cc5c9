package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/partition"
	"sluice/pipeline/state"
)

// onDeferred runs one of the commands of deferred.
func onDeferred(t *testing.T, path string, args ...string) outcome {
	t.Helper()
	return sluice(t, "", append(append([]string{"deferred"}, args...), "-c", path)...)
}

// listDeferredOf is what deferred ls counts, by rule.
func listDeferredOf(t *testing.T, path string, args ...string) (deferredReport, map[string]int) {
	t.Helper()
	o := onDeferred(t, path, append([]string{"ls", "hooked", "-o", "json"}, args...)...)
	if o.code != exitDone {
		t.Fatalf("have %d %s%s", o.code, o.out, o.err)
	}
	var have deferredReport
	o.last(t, &have)
	byRule := map[string]int{}
	for _, r := range have.Rules {
		byRule[r.Rule] = r.Events
	}
	return have, byRule
}

func TestDeferredLs(t *testing.T) {
	t.Parallel()
	kafka, path := ruled(t, "http://127.0.0.1:1")
	if o := onDeferred(t, path, "ls", "hooked"); o.code != exitDone || o.out != "no event of hooked is deferred\n" {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
	waiting(t, kafka)
	wait(t, kafka, waiter{tier: partition.Delay10s, partition: 0, user: "bob", class: "digest", offset: 2, due: 15 * time.Minute}) // again, after a crash
	stand(t, path, "hooked.delay-10s", map[int32]int64{2: 1})                                                                      // what was late is settled
	for _, tt := range []struct {
		args  []string
		want  map[string]int
		first string // whose the next one is
	}{
		{nil, map[string]int{"digest": 2, "sms": 1, "default": 1}, "bob"},
		{[]string{"--user", "ann"}, map[string]int{"digest": 1, "sms": 1, "default": 1}, "ann"},
		{[]string{"--rule", "digest"}, map[string]int{"digest": 2}, "bob"},
		{[]string{"--rule", "default"}, map[string]int{"default": 1}, "ann"},
		{[]string{"--rule", "digest", "--user", "bob"}, map[string]int{"digest": 1}, "bob"},
		{[]string{"--user", "nobody"}, map[string]int{}, ""},
	} {
		have, byRule := listDeferredOf(t, path, tt.args...)
		sum := 0
		for _, n := range tt.want {
			sum += n
		}
		if fmt.Sprint(byRule) != fmt.Sprint(tt.want) || have.Events != sum || len(have.Next) != sum || have.Recalls == nil {
			t.Errorf("%v: want %v, have %v: %+v", tt.args, tt.want, byRule, have)
		}
		if !slices.IsSortedFunc(have.Next, func(a, b deferredEvent) int { return a.Due.Compare(b.Due) }) {
			t.Errorf("%v: want them in the order of their times, have %+v", tt.args, have.Next)
		}
		if sum > 0 && have.Next[0].User != tt.first {
			t.Errorf("%v: want %s next, have %+v", tt.args, tt.first, have.Next[0])
		}
	}
	have, byRule := listDeferredOf(t, path, "--next", "1")
	if len(have.Next) != 1 || have.Next[0].User != "bob" || have.Next[0].Rule != "digest" || have.Next[0].Source != "hooked/0/2" || have.Late != 0 || byRule["sms"] != 1 {
		t.Errorf("want the first alone, and all of them counted, have %+v", have)
	}
	if age := time.Since(have.Next[0].Came).Round(time.Minute); age != 2*time.Hour {
		t.Errorf("want when it came first, have %v ago", age)
	}
	o := onDeferred(t, path, "ls", "hooked", "--next", "2")
	t.Log(o.out)
	has(t, o.out, "4 deferred events of hooked: they wait for their time, and are no backlog\n", "RULE EVENTS FIRST DUE LAST DUE\ndefault 1 ", "\ndigest 2 ",
		"the next 2 of 4:\nDUE USER RULE CAME FIRST STOOD AT\n", " bob digest ", " hooked/0/2\n",
		"what would be cancelled, without doing it: sluice deferred cancel hooked --user USER or --rule RULE\n")
	if strings.Contains(o.out, "payload") {
		t.Errorf("payloads are shown:\n%s", o.out)
	}
	has(t, onDeferred(t, path, "ls", "hooked", "--user", "ann", "--rule", "sms").out, "1 deferred event of hooked of user ann by rule sms: ",
		"sluice deferred cancel hooked --user ann --rule sms\n")
}

// A recall is planned, made, listed and taken back; each step says what it left
// and what to type next.
func TestDeferredCancelAndWithdraw(t *testing.T) {
	t.Parallel()
	kafka, path := ruled(t, "http://127.0.0.1:1")
	waiting(t, kafka)
	o := onDeferred(t, path, "cancel", "hooked", "--rule", "digest", "--user", "ann")
	t.Log(o.out)
	has(t, o.out, "1 deferred event of hooked of user ann by rule digest would be dropped, due ", "nothing was changed; what comes later is not meant\n",
		"do it: sluice deferred cancel hooked --user ann --rule digest --yes\n")
	has(t, onDeferred(t, path, "ls", "hooked").out, "! 1 of them is late: the time was up and no member took or moved them; why: sluice group describe --stream hooked\n")
	if have, _ := listDeferredOf(t, path); o.code != exitDone || len(have.Recalls) != 0 || have.Late != 1 {
		t.Errorf("a plan must change nothing: have %d, %+v", o.code, have.Recalls)
	}

	o = onDeferred(t, path, "cancel", "hooked", "--rule", "digest", "--yes", "--by", "ada", "--why", "wrong\x1b[31m template")
	t.Log(o.out)
	has(t, o.out, "3 deferred events of hooked by rule digest will be dropped, due from ",
		"the members drop what came before now, when it wakes or is due; what comes later is delivered\n",
		"take it back before that: sluice deferred withdraw ")
	var made recallReport
	onDeferred(t, path, "cancel", "hooked", "--user", "ann", "--yes", "-o", "json").last(t, &made)
	if made.DryRun || made.Events != 3 || made.Recall == nil || made.Recall.User != "ann" || made.Recall.By == "" || !made.First.Before(made.Last) {
		t.Fatalf("have %+v", made)
	}
	have, _ := listDeferredOf(t, path)
	if len(have.Recalls) != 2 || have.Recalls[0].Why != "wrong\x1b[31m template" || have.Recalls[1].ID != made.Recall.ID {
		t.Fatalf("have %+v", have.Recalls)
	}
	o = onDeferred(t, path, "ls", "hooked")
	t.Log(o.out)
	has(t, o.out, "recalled, and dropped when they wake or are due:\nRECALL USER RULE CAME BEFORE BY WHY\n", " - digest ", " ada wrong\uFFFD[31m template\n",
		"take a recall back: sluice deferred withdraw RECALL\n")

	id := made.Recall.ID
	o = onDeferred(t, path, "withdraw", strings.ToLower(id[len(id)-6:]), "--by", "bob")
	t.Log(o.out)
	has(t, o.out, "recall "+id+" is withdrawn: what it has not dropped yet of hooked of user ann is delivered at its time\n",
		"what there is: sluice deferred ls hooked --user ann\n")
	if have, _ := listDeferredOf(t, path); o.code != exitDone || len(have.Recalls) != 1 || have.Recalls[0].Rule != "digest" {
		t.Errorf("have %d %+v", o.code, have.Recalls)
	}
	for _, again := range []string{id, id[len(id)-6:], "01JD5ZC3W8F9N3V0Y5B6Q7R8ST"} {
		if o := onDeferred(t, path, "withdraw", again); o.code != exitFailed || !strings.Contains(o.err, "no recall has the id") || !strings.Contains(o.err, "sluice deferred ls STREAM shows those there are") || o.out != "" {
			t.Errorf("%s: have %d %s%s", again, o.code, o.out, o.err)
		}
	}
	var gone withdrawn
	o = onDeferred(t, path, "withdraw", have.Recalls[0].ID, "-o", "json")
	if o.last(t, &gone); o.code != exitDone || gone.Recall.Rule != "digest" {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
}

// What a later version wrote hides no recall, and can be taken back by its id.
func TestUnreadableRecallsAreTold(t *testing.T) {
	t.Parallel()
	_, path := ruled(t, "http://127.0.0.1:1")
	const id = "01JD5ZC3W8F9N3V0Y5B6Q7R8ST"
	store, err := state.Open(t.Context(), state.Config{Kafka: kafkaOf(t, path), Topic: "sluice.state"}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Put(t.Context(), "recall/"+id, []int{1}); err != nil {
		t.Fatal(err)
	}
	if o := onDeferred(t, path, "cancel", "hooked", "--user", "ann", "--yes"); o.code != exitDone {
		t.Fatalf("have %d %s", o.code, o.err)
	}
	o := onDeferred(t, path, "ls", "hooked")
	has(t, o.out, "! some recalls cannot be read, and drop nothing: recall "+id, " ann - ")
	if o.code != exitDone {
		t.Errorf("have %d %s", o.code, o.err)
	}
	if o := onDeferred(t, path, "withdraw", "XXXX"); o.code != exitFailed || !strings.Contains(o.err, "some cannot be read: recall "+id) {
		t.Errorf("have %d %s", o.code, o.err)
	}
	if o := onDeferred(t, path, "withdraw", id); o.code != exitDone || o.out != "recall "+id+" is withdrawn\n" {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
}

// Nothing is deferred just now: that may change while the live tier is behind, so
// a recall is made all the same.
func TestDeferredCancelOfNothing(t *testing.T) {
	t.Parallel()
	_, path := ruled(t, "http://127.0.0.1:1")
	o := onDeferred(t, path, "cancel", "hooked", "--user", "it's me")
	has(t, o.out, "no event of hooked of user it's me is deferred just now\nnothing was changed; what comes later is not meant\nwhat there is: sluice deferred ls hooked\n",
		`do it: sluice deferred cancel hooked --user 'it'\''s me' --yes`+"\n")
	o = onDeferred(t, path, "cancel", "hooked", "--user", "ann", "--yes")
	has(t, o.out, "no event of hooked of user ann is deferred just now\nthe members drop what came before now, when it wakes or is due; what comes later is delivered\n")
	if have, _ := listDeferredOf(t, path); o.code != exitDone || len(have.Recalls) != 1 {
		t.Errorf("have %d %+v", o.code, have.Recalls)
	}
	// A rule from before may have events left; a name that says nothing is mistyped.
	o = onDeferred(t, path, "cancel", "hooked", "--rule", "digset", "--yes")
	if o.code != exitUsage || !strings.Contains(o.err, `no rule of stream hooked is named "digset", and nothing is deferred by one; there is default, digest, news, sms`) {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
}

func TestDeferredByARuleThatWent(t *testing.T) {
	t.Parallel()
	kafka, path := ruled(t, "http://127.0.0.1:1")
	wait(t, kafka, waiter{tier: partition.Delay10m, partition: 1, user: "ann", class: "gone", offset: 1, due: time.Hour})
	var have recallReport
	o := onDeferred(t, path, "cancel", "hooked", "--rule", "gone", "-o", "json")
	if o.last(t, &have); o.code != exitDone || !have.DryRun || have.Events != 1 || have.Recall != nil {
		t.Errorf("have %d %s%s", o.code, o.out, o.err)
	}
}

func TestDeferredUsage(t *testing.T) {
	t.Parallel()
	_, path := ruled(t, "http://127.0.0.1:1")
	plain := configFor(t, "127.0.0.1:1")
	for _, tt := range []struct {
		path, args, want string
		code             int
	}{
		{path, "", "a command must follow deferred", exitUsage},
		{path, "ls", "accepts 1 arg", exitUsage},
		{path, "ls nope", `no stream is named "nope"; `, exitUsage},
		{path, "ls hooked --next -1", "--next must be from 0 to 1000", exitUsage},
		{path, "ls hooked --next 1001", "--next must be from 0 to 1000", exitUsage},
		{path, "cancel hooked", "name whose events: --user USER, --rule RULE, or both; sluice deferred ls shows what there is", exitUsage},
		{path, "cancel hooked --yes", "name whose events", exitUsage},
		{path, "cancel nope --user 1", `no stream is named "nope"; `, exitUsage},
		{path, "withdraw", "accepts 1 arg", exitUsage},
		{path, "withdraw ST", "is too little of an id", exitUsage},
		{plain, "ls purchases", "stream purchases defers nothing: none of its rules has spread, at or quiet, and it has no deferral: true", exitUsage},
		{plain, "cancel purchases --user 1", "deferral: true has them delivered", exitUsage},
	} {
		o := onDeferred(t, tt.path, strings.Fields(tt.args)...)
		if o.code != tt.code || !strings.Contains(o.err, tt.want) || o.out != "" {
			t.Errorf("%s: want exit %d and %q, have %d %q\n%s", tt.args, tt.code, tt.want, o.code, o.out, o.err)
		}
	}
	// What is not there is told with what makes it.
	missing := write(t, "missing.yaml", strings.Replace(readFile(t, path), "hooked: {workspace", "fresh: {workspace", 1))
	for _, args := range []string{"ls fresh", "cancel fresh --user 1 --yes"} {
		if o := onDeferred(t, missing, strings.Fields(args)...); o.code != exitFailed || !strings.Contains(o.err, "topic fresh.delay-10s does not exist; create it with sluice topics apply") {
			t.Errorf("%s: have %d %s%s", args, o.code, o.out, o.err)
		}
	}
}

func TestDeferredHelp(t *testing.T) {
	t.Parallel()
	for command, want := range map[string][]string{
		"ls":       {"no backlog", "--next", "sluice deferred ls events-us --user 42"},
		"cancel":   {"Without --yes nothing is done", "--why", "sluice deferred withdraw"},
		"withdraw": {"sluice deferred ls", "--by", "Those that woke or were due meanwhile"},
	} {
		o := sluice(t, "", "deferred", command, "--help")
		for _, text := range want {
			if o.code != exitDone || !strings.Contains(o.out, text) {
				t.Errorf("%s: want %q, have %d\n%s", command, text, o.code, o.out)
			}
		}
		text, _, _ := strings.Cut(o.out, "Usage:")
		for line := range strings.Lines(text) {
			if len(line) > 93 {
				t.Errorf("%s: a line of %d letters: %s", command, len(line), line)
			}
		}
	}
}

// No answer, whatever comes of the command, shows a secret or a payload.
func TestDeferredCommandsShowNoSecret(t *testing.T) {
	t.Parallel()
	kafka, path := ruled(t, "http://127.0.0.1:1")
	path = write(t, "secrets.yaml", strings.Replace(readFile(t, path), `url: "http://127.0.0.1:1"`, `url: "http://127.0.0.1:1/hunter2-in-the-url"
    headers: {Authorization: "Bearer ${KEY}"}`, 1))
	waiting(t, kafka)
	for _, args := range []string{
		"ls hooked", "ls hooked -o json", "cancel hooked --user ann", "cancel hooked --user ann --yes -o json", "cancel hooked --rule x",
		"withdraw R8ST", "ls hooked --log-level debug", "ls nope",
	} {
		o := onDeferred(t, path, strings.Fields(args)...)
		for _, secret := range []string{testKey, "hunter2-in-the-url", "payload"} {
			if strings.Contains(o.out+o.err, secret) {
				t.Errorf("%s shows %q:\n%s%s", args, secret, o.out, o.err)
			}
		}
	}
}
