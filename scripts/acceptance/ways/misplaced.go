package ways

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sluice/scripts/acceptance/suite"
)

const (
	misplacedMetric = "sluice_partition_misplaced_total"
	remedySetting   = "partitioner=murmur2_random"
)

// misplaced sends users with the Python example that somebody copied without
// the line that matters: everything is delivered, and it is said.
func (w ways) misplaced(ctx context.Context, r *suite.Result) error {
	l := python()
	if missing := l.missing(ctx); missing != "" {
		r.Skip(missing)
		return nil
	}
	dir, err := l.installed(ctx, w.rig.Root)
	if err != nil {
		return err
	}
	forgetful, err := forgetful(dir)
	if err != nil {
		return err
	}
	l.produce = strings.Replace(l.produce, "produce.py", forgetful, 1)
	st, err := w.stage(ctx, "misplaced")
	if err != nil {
		return err
	}
	keys := userKeys(users)
	before, err := st.doctor(ctx)
	if err != nil {
		return err
	}
	if err := l.send(ctx, dir, st.kafka.Brokers, st.stream, strings.NewReader(strings.Join(keys, "\n")+"\n")); err != nil {
		return err
	}
	landed, err := st.landed(ctx, keys)
	if err != nil {
		return err
	}
	after, err := st.doctor(ctx)
	if err != nil {
		return err
	}
	delivered, metrics, err := st.deliver(ctx)
	if err != nil {
		return err
	}
	wrong := landed.records - landed.right
	r.AtLeast("misplaced", float64(wrong), users/2, "")
	r.Equal("counted by run", int64(metrics.Sum(misplacedMetric, `stream="`+st.stream+`"`)), wrong)
	r.Holds("doctor before", !strings.Contains(before, remedySetting), "no word of it", "no word of it")
	r.Holds("doctor after", strings.Contains(after, remedySetting), told(after, remedySetting), "names "+remedySetting)
	return st.settledRight(ctx, r, keys, delivered)
}

// forgetful writes the example without its partitioner beside it and returns
// the file's name.
func forgetful(dir string) (string, error) {
	const name = "forgetful.py"
	text, err := os.ReadFile(filepath.Join(dir, "produce.py"))
	if err != nil {
		return "", fmt.Errorf("read the example: %w", err)
	}
	var kept strings.Builder
	dropped := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), `"partitioner":`) {
			dropped++
			continue
		}
		kept.WriteString(line)
	}
	if dropped != 1 {
		return "", fmt.Errorf("produce.py sets its partitioner in %d lines, not in one", dropped)
	}
	return name, os.WriteFile(filepath.Join(dir, name), []byte(kept.String()), 0o600)
}

// doctor is what the doctor says for a program. It has something to say of
// every stage: a single broker is no place for a stream.
func (st *stage) doctor(ctx context.Context) (string, error) {
	o, err := st.rig.Try(ctx, "doctor", "-c", st.file, "-o", "json")
	if err == nil && o.Code == 2 {
		err = fmt.Errorf("sluice doctor ended with code 2: %s", strings.TrimSpace(o.Err))
	}
	return o.Out, err
}

// told is the part of a text around words, for a line of the suite.
func told(text, words string) string {
	at := strings.Index(text, words)
	if at < 0 {
		return "nothing of the kind"
	}
	return strings.Join(strings.Fields(strings.ToValidUTF8(text[max(0, at-40):at+len(words)], "")), " ")
}
