package main

import (
	"fmt"
	"os"
	"strconv"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// serverVariable is set in the environment of the process that is the NATS
// server: to its port.
const serverVariable = "NETGEAR_SOAK_NATS"

// runServer runs a NATS server until the process is killed, and reports whether
// this is that process.
func runServer() bool {
	text := os.Getenv(serverVariable)
	if text == "" {
		return false
	}
	port, err := strconv.Atoi(text)
	if err == nil {
		var s *natsd.Server
		if s, err = natsd.NewServer(&natsd.Options{Host: "127.0.0.1", Port: port}); err == nil {
			s.Start()
			s.WaitForShutdown()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}
