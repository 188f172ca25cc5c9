package producer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// lines cuts a file into lines of bounded length. A byte order mark before the
// first is skipped; a line ends with \n or \r\n, the last with the file.
type lines struct {
	src  *bufio.Reader
	read int        // lines taken from src
	back []physical // lines given back, to be read before src goes on
}

// physical is one line of the file, without its end.
type physical struct {
	text   []byte
	number int
	long   bool // over MaxLine: text is its beginning
}

func newLines(r io.Reader) *lines { return &lines{src: bufio.NewReaderSize(r, 64<<10)} }

// next returns the next line, io.EOF, or what the reader failed with.
func (l *lines) next() (physical, error) {
	if len(l.back) > 0 {
		line := l.back[0]
		l.back = l.back[1:]
		return line, nil
	}
	if l.read == 0 {
		if mark, _ := l.src.Peek(3); string(mark) == "\xef\xbb\xbf" {
			_, _ = l.src.Discard(3)
		}
	}
	line := physical{number: l.read + 1}
	for {
		part, err := l.src.ReadSlice('\n')
		line.add(part)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line.text) == 0:
			return physical{}, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return physical{}, fmt.Errorf("read line %d: %w", line.number, err)
		}
		l.read++
		line.trim()
		return line, nil
	}
}

// unread gives lines back, in their order, before any that are back already.
func (l *lines) unread(some []physical) { l.back = append(slices.Clone(some), l.back...) }

func (p *physical) add(part []byte) {
	if p.long {
		return
	}
	// Two bytes more than the limit leave room for the line's end.
	if len(p.text)+len(part) > MaxLine+2 {
		room := max(keptOfLong-len(p.text), 0)
		p.text = append(p.text, part[:min(room, len(part))]...)
		p.cut()
		return
	}
	p.text = append(p.text, part...)
}

func (p *physical) trim() {
	if p.long {
		return
	}
	p.text = bytes.TrimSuffix(p.text, []byte("\n"))
	p.text = bytes.TrimSuffix(p.text, []byte("\r"))
	if len(p.text) > MaxLine {
		p.cut()
	}
}

func (p *physical) cut() {
	p.long, p.text = true, slices.Clone(p.text[:min(keptOfLong, len(p.text))])
}

// errLong says what a line over the limit did wrong.
func errLong() error { return fmt.Errorf("longer than %d bytes", MaxLine) }
