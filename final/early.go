//go:build linux

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// early ends us by a signal that comes before there is a command that could get it, as while a hook runs. The guard removes what has
// been made. Other signals are kept for the command. What early returns is called when there is a command.
func (by *standby) early() (over func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	var kept []os.Signal
	go func() {
		defer close(stopped)
		for {
			select {
			case sig := <-by.signals:
				switch sig {
				case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
					os.Exit(128 + int(sig.(unix.Signal)))
				}
				kept = append(kept, sig)
			case <-stop:
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		for _, sig := range kept {
			select {
			case by.signals <- sig:
			default:
				// There are too many, and a signal counts once.
			}
		}
	}
}
