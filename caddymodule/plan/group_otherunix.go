//go:build unix && !linux

package plan

import (
	"os/exec"
	"syscall"
)

// inGroup makes a command the leader of a new process group.
func inGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
