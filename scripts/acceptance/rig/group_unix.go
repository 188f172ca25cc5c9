//go:build unix && !linux

package rig

import (
	"errors"
	"syscall"
)

// ownGroup puts a child into a process group of its own, so that its children
// end with it.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killGroup(pid int) error {
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
