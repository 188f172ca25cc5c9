package rig

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Feed is a `sluice produce STREAM -` that is fed until it is told to stop, and
// the file that says what it was fed.
type Feed struct {
	File string

	process *Process
	out     *bytes.Buffer // read after the process has ended
	stop    chan struct{}
	once    sync.Once
	fed     chan error
}

// Feed starts producing lines at rate (as `1000/s`) until Stop.
func (r *Rig) Feed(config, stream, rate string, lines *Lines) (*Feed, error) {
	binary, err := r.Sluice()
	if err != nil {
		return nil, err
	}
	f := &Feed{File: r.Path(r.Name("fed") + ".ndjson"), out: &bytes.Buffer{}, stop: make(chan struct{}), fed: make(chan error, 1)}
	file, err := os.Create(f.File)
	if err != nil {
		return nil, fmt.Errorf("write the input: %w", err)
	}
	in, out := io.Pipe()
	f.process, err = r.Start("produce", Pipes{In: in, Out: f.out}, binary,
		"produce", stream, "-", "-c", config, "-o", "json", "--seq", "--rate", rate)
	if err != nil {
		return nil, err
	}
	go func() { f.fed <- f.feed(lines, file, out) }()
	go func() {
		<-f.process.ended
		_ = in.Close() // a producer that died must not leave the feeder waiting
	}()
	return f, nil
}

// feed writes every line to the file before the producer may see it.
func (f *Feed) feed(lines *Lines, file *os.File, to *io.PipeWriter) error {
	defer func() { _ = to.Close() }()
	w := bufio.NewWriter(file)
	for {
		select {
		case <-f.stop:
			if err := w.Flush(); err != nil {
				return err
			}
			return file.Close()
		default:
		}
		line := lines.Next()
		if _, err := w.Write(line); err != nil {
			return err
		}
		if _, err := to.Write(line); err != nil {
			return fmt.Errorf("feed the producer: %w", err)
		}
	}
}

// Stop ends the input and waits for the producer's report.
func (f *Feed) Stop(ctx context.Context) (Report, error) {
	var report Report
	f.once.Do(func() { close(f.stop) })
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := f.process.Wait(ctx); err != nil {
		return report, err
	}
	if err := <-f.fed; err != nil {
		return report, err
	}
	return report, LastObject(f.out.String(), &report)
}
