package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"
)

const (
	outputText = "text"
	outputJSON = "json"
)

// answer prints a command's result: as one JSON object on the last line, or as
// text writes it for a person.
func (sh *shell) answer(result any, text func(io.Writer)) error {
	if sh.output == outputJSON {
		return sh.writeJSON(result)
	}
	sh.answered = true
	text(sh.out)
	return nil
}

func (sh *shell) writeJSON(result any) error {
	sh.answered = true
	line, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if _, err := sh.out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// table writes rows of tab-separated cells in aligned columns.
func table(w io.Writer, rows func(row func(format string, cells ...any))) {
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows(func(format string, cells ...any) { _, _ = fmt.Fprintf(aligned, format+"\n", cells...) })
	_ = aligned.Flush()
}

// level is what --log-level says; without the flag it is usual.
func (sh *shell) level(usual zapcore.Level) (zapcore.Level, error) {
	if sh.logLevel == "" {
		return usual, nil
	}
	level, err := zapcore.ParseLevel(sh.logLevel)
	if err != nil || level > zapcore.ErrorLevel {
		return 0, fmt.Errorf("--log-level must be debug, info, warn or error, have %q", sh.logLevel)
	}
	return level, nil
}

// logger writes to standard error, as text on a terminal and as JSON lines
// elsewhere, from the usual level on unless --log-level says otherwise.
func (sh *shell) logger(usual zapcore.Level) *zap.Logger {
	level, err := sh.level(usual)
	if err != nil { // the flag was judged before the command began
		level = usual
	}
	return sh.loggerAt(level)
}

// loggerAt is a logger whose level may change while it is used.
func (sh *shell) loggerAt(level zapcore.LevelEnabler) *zap.Logger {
	format := zap.NewProductionEncoderConfig()
	format.EncodeTime = zapcore.ISO8601TimeEncoder
	encoder := zapcore.NewJSONEncoder(format)
	if isTerminal(sh.err) {
		encoder = zapcore.NewConsoleEncoder(format)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(sh.err)), level))
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
