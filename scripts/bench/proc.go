package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// ticksPerSecond is USER_HZ, which Linux fixes at 100 for what /proc tells.
const ticksPerSecond = 100

// usage is what a process group has used.
type usage struct {
	cpu   float64 // seconds, reaped children included
	rssMB float64 // peak, summed over its processes
}

// needProc says why nothing can be measured here, or nil.
func needProc() error {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return fmt.Errorf("read CPU and memory of processes: this benchmark needs Linux's /proc: %w", err)
	}
	return nil
}

// statFields are the fields of /proc/PID/stat after the command's name.
func statFields(pid string) []string {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return nil // it has ended
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

func cpuSeconds(fields []string) float64 {
	if len(fields) < 15 {
		return 0
	}
	var ticks float64
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.ParseFloat(f, 64) // the kernel writes numbers
		ticks += n
	}
	return ticks / ticksPerSecond
}

// groupsUsage sums over the process groups.
func groupsUsage(groups ...int) (u usage) {
	entries, _ := os.ReadDir("/proc") // an unreadable one adds nothing
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		fields := statFields(e.Name())
		if len(fields) < 15 {
			continue
		}
		group, err := strconv.Atoi(fields[2])
		if err != nil || !slices.Contains(groups, group) {
			continue
		}
		u.cpu += cpuSeconds(fields)
		u.rssMB += peakMB(e.Name())
	}
	return u
}

func peakMB(pid string) float64 {
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kb / 1024
		}
	}
	return 0
}

// machineCPU is the busy seconds of all cores since boot.
func machineCPU() float64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	var ticks float64
	for i, f := range strings.Fields(first) {
		if i == 0 || i == 4 || i == 5 || i > 8 { // the name, idle, iowait, and guests, which are counted already
			continue
		}
		n, _ := strconv.ParseFloat(f, 64)
		ticks += n
	}
	return ticks / ticksPerSecond
}
