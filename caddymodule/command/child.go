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

// runWith starts the experiment, runs a command, and ends the experiment.
func (s *session) runWith(e *experiments.Experiment, command []string) error {
	child := exec.Command(command[0], command[1:]...) //nolint:gosec // running the user's command is the purpose
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
	case sig := <-signals: // the signal may have come before the command started
		_ = child.Process.Signal(sig)
	default:
	}
	if err := await(child, signals, term.IsTerminal(int(os.Stdin.Fd()))); err != nil {
		return err
	}
	return s.exit(exitCode(child.ProcessState))
}

// notified returns a channel with the signals to pass on. A signal that is ignored,
// such as SIGHUP under nohup, stays ignored in this process and in the command. From then
// on, a closed output is an error of Write. SIGPIPE would end this process and leave its
// experiments on.
func notified() chan os.Signal {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // the command does not inherit it, unlike an ignored signal
	signals := make(chan os.Signal, 4)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	return signals
}

// await passes signals on to the child until the child ends. At a terminal, Ctrl-C and
// Ctrl-\ reach the child anyway. They are not sent twice, because many programs give up
// cleaning up at the second one. An error is not an error of the child.
func await(child *exec.Cmd, signals <-chan os.Signal, atTerminal bool) error {
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case sig := <-signals:
			if atTerminal && (sig == os.Interrupt || sig == syscall.SIGQUIT) {
				continue
			}
			_ = child.Process.Signal(sig) // if this fails, the child is about to end
		case err := <-ended:
			if _, failed := errors.AsType[*exec.ExitError](err); failed {
				return nil
			}
			return err
		}
	}
}

// exitCode returns the exit code that a shell reports for the state.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return codeOf(status.Signal())
	}
	return state.ExitCode()
}

// startCode returns the exit code that a shell reports for a command that cannot be
// started.
func startCode(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return 127
	}
	return 126
}

// codeOf returns the exit code that a shell reports for a command that a signal ended.
func codeOf(sig os.Signal) int {
	number, _ := sig.(syscall.Signal)
	return 128 + int(number)
}
