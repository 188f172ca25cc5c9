package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"sluice/pipeline/producer"
)

const (
	formatNDJSON = "ndjson"
	formatCSV    = "csv"
)

// inputFlags say how a file of events is read; produce and check share them,
// so that both see the same events.
type inputFlags struct{ format, columns, event string }

func (f *inputFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.format, "format", "", "`ndjson|csv`; by default what the file's name says, else ndjson")
	flags.StringVar(&f.columns, "map", "", "what CSV columns mean: `TARGET=COLUMN,…`, as user=customer_id,timestamp=date")
	flags.StringVar(&f.event, "event", "", "`NAME` of every event of a CSV file without a column for it")
}

// open returns the events of a file, or of standard input when path is -, and
// what closes it. A wrong flag is a usage error.
func (f inputFlags) open(path string, stdin io.Reader) (producer.Input, io.Closer, error) {
	format := f.format
	if format == "" {
		format = formatNDJSON
		if strings.HasSuffix(strings.ToLower(path), "."+formatCSV) {
			format = formatCSV
		}
	}
	if !slices.Contains([]string{formatNDJSON, formatCSV}, format) {
		return nil, nil, usage(fmt.Errorf("--format must be ndjson or csv, have %q", f.format))
	}
	if format == formatNDJSON && (f.columns != "" || f.event != "") {
		return nil, nil, usage(fmt.Errorf("--map and --event are for CSV; add --format csv if that is what %s is", path))
	}
	mapping, err := producer.ParseMapping(f.columns)
	if err != nil {
		return nil, nil, usage(err)
	}
	mapping.Event = f.event
	file, err := openFile(path, stdin)
	if err != nil {
		return nil, nil, err
	}
	if format == formatNDJSON {
		return producer.NDJSON(file), file, nil
	}
	in, err := producer.CSV(file, mapping)
	if err != nil {
		_ = file.Close()
		return nil, nil, usage(fmt.Errorf("%s: %w", path, err))
	}
	return in, file, nil
}

func openFile(path string, stdin io.Reader) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(stdin), nil
	}
	file, err := os.Open(path) //nolint:gosec // the user names it
	if err != nil {
		return nil, usage(fmt.Errorf("open the input: %w", err))
	}
	return file, nil
}

// contentOf names a file by its content; what can be read only once has no name.
func contentOf(path string) (string, error) {
	if path == "-" {
		return "", nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", usage(fmt.Errorf("open the input: %w", err))
	}
	if !info.Mode().IsRegular() {
		return "", nil
	}
	file, err := os.Open(path) //nolint:gosec // the user names it
	if err != nil {
		return "", usage(fmt.Errorf("open the input: %w", err))
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", usage(fmt.Errorf("read the input: %w", err))
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
