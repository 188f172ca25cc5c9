package rig

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
)

// Lines makes short-form event lines: users drawn from a zipf law, so that a
// few are heavy, as in life. The same seed gives the same lines.
type Lines struct {
	zipf *rand.Zipf
	n    int
}

// NewLines draws from that many users, of which the first few dozen are about
// equally heavy.
func NewLines(users, seed uint64) *Lines {
	return &Lines{zipf: rand.NewZipf(rand.New(rand.NewPCG(seed, seed)), 1.1, 20, users-1)}
}

// NewSkewed draws from that many users by the plain law: the k-th heaviest has
// its 1/k to that power. The power must be above 1; 1.0001 serves for 1.
func NewSkewed(users, seed uint64, power float64) *Lines {
	return &Lines{zipf: rand.NewZipf(rand.New(rand.NewPCG(seed, seed)), power, 1, users-1)}
}

// Next is one line, with its newline.
func (l *Lines) Next() []byte {
	l.n++
	return fmt.Appendf(nil, `{"user":"u%05d","event":"purchase","data":{"order":%d,"value":%d.50}}`+"\n", l.zipf.Uint64(), l.n, l.n%90)
}

// WriteLines writes n lines to a file of the rig and returns its path.
func (r *Rig) WriteLines(stem string, lines *Lines, n int) (string, error) {
	var b bytes.Buffer
	for range n {
		b.Write(lines.Next())
	}
	path := r.Path(r.Name(stem) + ".ndjson")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return "", fmt.Errorf("write the input: %w", err)
	}
	return path, nil
}
