package main

import "os"

// pythonEnd returns the command of an end in Python, or nil for one of this
// library. It is run in the repository's root.
func pythonEnd(peer string) []string {
	python := os.Getenv("NETGEAR_INTEROP_PYTHON")
	if python == "" {
		python = "interop/.venv/bin/python"
	}
	switch peer {
	case vidgearPeer:
		return []string{python, "faults/peer.py"}
	case imagezmqPeer:
		return []string{python, "faults/imagezmq_peer.py"}
	}
	return nil
}

// withPython returns a kind with a peer in Python at either end.
func (k kind) withPython(peer string) []kind {
	if k.Wire == asyncWire || k.JPEG || k.Secure > 0 {
		return nil
	}
	one, other := k, k
	one.Sender, other.Receiver = peer, peer
	return []kind{one, other}
}
