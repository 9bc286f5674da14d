package plan

import (
	"io"
	"os/exec"
	"syscall"
	"time"
)

// System runs commands in the working directory. Their output goes to Out and Err.
type System struct{ Out, Err io.Writer }

// Find looks for a program in the path.
func (System) Find(name string) error {
	_, err := exec.LookPath(name)
	return err
}

// Start starts a command in a new process group.
func (s System) Start(command []string) (Program, error) {
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec,noctx // running the user's command is the purpose; Stop ends it
	cmd.Stdout, cmd.Stderr = s.Out, s.Err
	cmd.WaitDelay = time.Second // a grandchild may keep the output open
	inGroup(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // its state has the exit code
	}()
	return p, nil
}

// process is a command of the system, with its process group.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

func (p *process) Ended() <-chan struct{} { return p.ended }

// Code returns the exit code that a shell reports.
func (p *process) Code() int {
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.cmd.ProcessState.ExitCode()
}

// Stop ends the group: politely, and after some time by force. What the command has left
// is also killed.
func (p *process) Stop(within time.Duration) {
	_ = terminate(p.cmd) // if this fails, the group has ended
	select {
	case <-p.ended:
	case <-time.After(within):
	}
	_ = kill(p.cmd)
	<-p.ended
}
