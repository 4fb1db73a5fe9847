package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// python returns the Python that has VidGear and imagezmq.
func python() string {
	if path := os.Getenv("NETGEAR_INTEROP_PYTHON"); path != "" {
		return path
	}
	return "interop/.venv/bin/python"
}

// hostsFile is the hosts file that an end in Python has for its own, so that the
// name changes for libzmq, which asks the system again before each connection.
type hostsFile struct {
	name  string
	flags string // of unshare
}

// openHosts creates the hosts file if an end in Python connects. Where that cannot
// have a mount namespace of its own there is none, and no fault name.
func (s *soak) openHosts() error {
	i, ok := s.python()
	if !ok || i.receive != s.receiverConnects() {
		return nil
	}
	path, err := filepath.Abs(filepath.Join(s.folder, "hosts"))
	if err != nil {
		return err
	}
	h := &hostsFile{name: path}
	if err := h.move(s.host); err != nil {
		return err
	}
	for _, h.flags = range []string{"-m", "-Urm"} {
		test := h.command([]string{"true"})
		if exec.Command(test[0], test[1:]...).Run() == nil {
			s.hosts = h
			return nil
		}
	}
	return nil
}

// command returns a command that has the file in place of the system's.
func (h *hostsFile) command(command []string) []string {
	return append([]string{"unshare", h.flags, "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, h.name}, command...)
}

// move gives the name an address. The file stays the same one.
func (h *hostsFile) move(address string) error {
	return os.WriteFile(h.name, []byte("127.0.0.1 localhost\n"+address+" "+name+"\n"), 0o644)
}

// pythonEnd returns the command of an end in Python, or nil for one of this
// library. It is run in the repository's root.
func pythonEnd(peer, wire string) []string {
	switch {
	case peer == vidgearPeer && wire == asyncWire:
		return []string{python(), "faults/async_peer.py"}
	case peer == vidgearPeer:
		return []string{python(), "faults/peer.py"}
	case peer == imagezmqPeer:
		return []string{python(), "faults/imagezmq_peer.py"}
	}
	return nil
}

// checkPython returns an error if the runs need a Python that does not exist.
func checkPython(kinds []kind) error {
	for _, k := range kinds {
		for _, peer := range []string{k.Sender, k.Receiver} {
			command := pythonEnd(peer, k.Wire)
			if command == nil {
				continue
			}
			if _, err := os.Stat(command[1]); err != nil {
				return fmt.Errorf("an end in Python is a program in faults/: run this in the root of the repository (%w)", err)
			}
			if _, err := exec.LookPath(command[0]); err != nil {
				return fmt.Errorf("-peer %s needs a Python with VidGear and imagezmq: run `make setup` in the repository, or name one by NETGEAR_INTEROP_PYTHON (%w)", peer, err)
			}
		}
	}
	return nil
}

// withPython returns a kind with a peer in Python at either end, without what
// VidGear itself cannot do: its receive end never gets a frame in secure PUB/SUB,
// and NetGear_Async has no security.
func (k kind) withPython(peer string) (all []kind) {
	if k.Secure > 0 && (k.Wire == asyncWire || peer == imagezmqPeer) || k.Wire == asyncWire && peer != vidgearPeer {
		return nil
	}
	one, other := k, k
	one.Sender, other.Receiver = peer, peer
	all = append(all, one)
	if k.Secure == 0 || k.Pattern != pubSub {
		all = append(all, other)
	}
	return all
}
