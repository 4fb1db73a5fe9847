package transport

// names counts the peers that were reported as connected and not yet as lost, by
// the address that the reports have.
//
// libzmq does not report whose handshake has succeeded, so a mark of that may move
// from one connection to another (connection.handshaked). What was reported
// cannot. So a loss names an address that was reported as connected, if another's
// must be, and what an application keeps from the reports is as many addresses as
// there are peers. When no mark is on a wrong connection they are the right ones.
type names map[string]int

// connected returns the address to report of a peer that has connected. conns are
// all connections, with its mark.
func (n *names) connected(conns []*connection, peer string) string {
	if *n == nil {
		*n = names{}
	}
	if (*n)[peer] >= countMarked(conns, peer) { // another was reported with its address
		for _, c := range conns {
			if c.handshaked && (*n)[c.peer] < countMarked(conns, c.peer) {
				peer = c.peer
				break
			}
		}
	}
	(*n)[peer]++
	return peer
}

// lost returns the address to report of a peer that has gone. conns are the other
// connections.
func (n names) lost(conns []*connection, peer string) string {
	if n[peer] <= countMarked(conns, peer) { // it was reported with the address of another
		for name, count := range n {
			if count > countMarked(conns, name) {
				peer = name
				break
			}
		}
	}
	if n[peer] > 1 {
		n[peer]--
	} else {
		delete(n, peer)
	}
	return peer
}

// countMarked counts the connections to a peer's address whose handshakes have
// succeeded.
func countMarked(conns []*connection, peer string) (count int) {
	for _, c := range conns {
		if c.handshaked && c.peer == peer {
			count++
		}
	}
	return count
}
