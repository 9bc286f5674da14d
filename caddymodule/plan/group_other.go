//go:build !unix

package plan

import "os/exec"

// inGroup does nothing: only the command itself can be ended here.
func inGroup(*exec.Cmd) {}

func terminate(cmd *exec.Cmd) error { return cmd.Process.Kill() }

func kill(cmd *exec.Cmd) error { return cmd.Process.Kill() }
