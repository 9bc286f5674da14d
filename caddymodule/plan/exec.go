package plan

import (
	"io"
	"os/exec"
	"runtime"
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

// Start starts a command in a new process group. On Linux, the command does not outlive
// this process.
func (s System) Start(command []string) (Program, error) {
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec,noctx // running the user's command is the purpose; Stop ends it
	cmd.Stdout, cmd.Stderr = s.Out, s.Err
	cmd.WaitDelay = time.Second // a grandchild may keep the output open
	inGroup(cmd)
	p := &process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// process is a command of the system, with its process group.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// run starts the command and waits for its end. For Linux, the thread that starts a command
// is its parent. So run keeps the thread.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		_ = p.cmd.Wait() // its state has the exit code
		close(p.ended)
	}
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
