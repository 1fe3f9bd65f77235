package server

import (
	"errors"
	osexec "os/exec"
)

// exitStatus shows a local command's exit code in the form that the exec endpoint passes on to kubectl.
type exitStatus struct{ *osexec.ExitError }

func (e exitStatus) ExitStatus() int { return e.ExitCode() }

func withExitStatus(err error) error {
	var exit *osexec.ExitError
	if errors.As(err, &exit) {
		return exitStatus{exit}
	}
	return err
}
