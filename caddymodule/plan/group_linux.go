package plan

import (
	"os/exec"
	"syscall"
)

// inGroup makes a command the leader of a new process group. If the thread that starts the
// command ends, as by a kill of this process, the command gets SIGTERM.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
