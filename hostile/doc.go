// Package hostile attacks live ends with what no well-behaved peer sends, and
// checks that they serve a good peer all the while. It contains only tests.
//
//   - messages_test.go: recorded messages of VidGear and imagezmq, mutated, from
//     raw ZeroMQ sockets into ends of every wire, pattern and mode.
//   - zmtp_test.go: bytes of ZeroMQ's protocol over TCP, cut and changed at every
//     byte, into ends that listen, and from a listener into ends that connect.
//   - curve_test.go: peers with valid keys whose CURVE handshakes and messages
//     break the rules, and peers without keys.
//   - access_test.go: the access list changes, and ends close, while handshakes
//     are pending.
//
// `go test` runs a short form. `make hostile` runs the long one:
// NETGEAR_HOSTILE_MESSAGES mutated messages in all, and every byte.
//
// All that is random comes from one seed, which is printed. It can be set with
// NETGEAR_HOSTILE_SEED. Each end and each thousand has a random source of its
// own, so a failure can be repeated without what came before: the failure names
// the end and the number of the thousand, and NETGEAR_HOSTILE_BLOCK runs that
// one alone. NETGEAR_HOSTILE_BLOCKSIZE replaces the thousand: with a small number
// peers come and go more often. NETGEAR_HOSTILE_PERCENT reduces the number of
// rounds of all long forms but that of the messages, which take hours otherwise.
package hostile
