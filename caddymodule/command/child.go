package command

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	"golang.org/x/term"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// runWith has the experiment on while a command runs.
func (s *session) runWith(e *experiments.Experiment, command []string) error {
	child := exec.Command(command[0], command[1:]...) //nolint:gosec // to run what its user says is its task
	child.Stdin, child.Stdout, child.Stderr = s.InOrStdin(), s.OutOrStdout(), s.ErrOrStderr()
	if child.Err != nil {
		return s.fail(startCode(child.Err), child.Err)
	}
	if e.TTL == nil {
		e.TTL = new(caddy.Duration(commandTTL))
	}
	signals := notified()
	defer signal.Stop(signals)
	view, sig, err := s.start(e, signals)
	if view != nil {
		defer s.end(view)
	}
	switch {
	case sig != nil:
		return s.exit(codeOf(sig))
	case err != nil:
		return err
	}
	if flagText(s.Command, "name") == "" {
		s.PrintErrf("experiment '%s' is on while the command runs\n", e.Name)
	}
	s.warnOfExcluded(view)
	if err := child.Start(); err != nil {
		return s.fail(startCode(err), err)
	}
	select {
	case sig := <-signals: // it may be from before the command was there
		_ = child.Process.Signal(sig)
	default:
	}
	if err := await(child, signals, term.IsTerminal(int(os.Stdin.Fd()))); err != nil {
		return err
	}
	return s.exit(exitCode(child.ProcessState))
}

// notified has the signals that are passed on. One that is ignored, as nohup makes
// it, stays so, here and in the command.
func notified() chan os.Signal {
	signals := make(chan os.Signal, 4)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	return signals
}

// await passes signals on to the child until it has ended. At a terminal, what
// its keys send reaches the child by itself, and twice often means to give up
// cleaning up. An error is not that of the child.
func await(child *exec.Cmd, signals <-chan os.Signal, atTerminal bool) error {
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case sig := <-signals:
			if atTerminal && (sig == os.Interrupt || sig == syscall.SIGQUIT) {
				continue
			}
			_ = child.Process.Signal(sig) // if it fails, the child is about to end
		case err := <-ended:
			if _, failed := errors.AsType[*exec.ExitError](err); failed {
				return nil
			}
			return err
		}
	}
}

// exitCode is the code that a shell has for it.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return codeOf(status.Signal())
	}
	return state.ExitCode()
}

// startCode is the code that a shell has for a command that cannot be started.
func startCode(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return 127
	}
	return 126
}

// codeOf is the code that a shell has for a signal that has ended a command.
func codeOf(sig os.Signal) int {
	number, _ := sig.(syscall.Signal)
	return 128 + int(number)
}
