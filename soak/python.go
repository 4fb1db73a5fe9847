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

// withPython returns a kind with a peer in Python at either end, without what
// VidGear itself cannot do: its receive end never gets a frame in secure PUB/SUB.
// The Python ends in faults/ are NetGear's and imagezmq's.
func (k kind) withPython(peer string) (all []kind) {
	if k.Wire == asyncWire || peer == imagezmqPeer && k.Secure > 0 {
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
