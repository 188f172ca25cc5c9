package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ParseDuration reads a time such as 500ms, 30s, 1h30m, 7d or 1d12h: Go's
// durations and days, never negative and never without a unit.
func ParseDuration(text string) (time.Duration, error) {
	wrong := errors.New("a time needs a number and a unit; write it as 500ms, 30s, 15m, 24h or 7d")
	text = strings.TrimSpace(text)
	var days time.Duration
	if count, rest, ok := strings.Cut(text, "d"); ok {
		number, err := strconv.ParseUint(count, 10, 16)
		if err != nil {
			return 0, wrong
		}
		if days, text = time.Duration(number)*day, rest; text == "" {
			return days, nil
		}
	} else if text == "" || text == "0" {
		return 0, wrong
	}
	rest, err := time.ParseDuration(text)
	if err != nil || strings.ContainsAny(text, "+-") || days+rest < 0 {
		return 0, wrong
	}
	return days + rest, nil
}

// ParseSize reads a number of bytes such as 4096, 256KiB, 64MiB or 1GiB (of
// 1,024) or 500KB and 1MB (of 1,000).
func ParseSize(text string) (int, error) {
	wrong := errors.New("a size is a number of bytes; write it as 262144, 256KiB or 64MiB")
	text = strings.TrimSpace(text)
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	number, err := strconv.ParseInt(text[:digits], 10, 64)
	if err != nil {
		return 0, wrong
	}
	unit := sizeUnit(strings.TrimSpace(text[digits:]))
	if unit == 0 || number > (1<<50)/unit {
		return 0, wrong
	}
	return int(number * unit), nil
}

func sizeUnit(name string) int64 {
	switch name {
	case "", "B":
		return 1
	case "KB", "kB":
		return 1e3
	case "MB":
		return 1e6
	case "GB":
		return 1e9
	case "KiB":
		return 1 << 10
	case "MiB":
		return 1 << 20
	case "GiB":
		return 1 << 30
	default:
		return 0
	}
}

// FormatDuration writes d as ParseDuration reads it: days, hours and so on,
// without those that are 0.
func FormatDuration(d time.Duration) string {
	days, rest := d/day, d%day
	var b strings.Builder
	if days > 0 {
		b.WriteString(strconv.FormatInt(int64(days), 10) + "d")
	}
	if rest > 0 || days == 0 {
		text := rest.String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		b.WriteString(text)
	}
	return b.String()
}

// FormatSize writes a number of bytes as ParseSize reads it, in the largest
// unit in which it is whole.
func FormatSize(n int) string {
	for _, unit := range []string{"GiB", "MiB", "KiB"} {
		if in := int(sizeUnit(unit)); n >= in && n%in == 0 {
			return strconv.Itoa(n/in) + unit
		}
	}
	return strconv.Itoa(n)
}
