package zmsg

// #include "zmsg.h"
// #include <errno.h>
// #include <string.h>
//
// // ng_recv_skip receives the first part of a message. It drops whole messages of
// // two parts whose first part begins with these two bytes.
// static int ng_recv_skip(zmq_msg_t *m, void *soc, uint16_t head) {
//     for (int i = 0; i < 10000; i++) {
//         zmq_msg_init(m);
//         int rc = zmq_msg_recv(m, soc, ZMQ_DONTWAIT);
//         if (rc < (int)sizeof head || memcmp(zmq_msg_data(m), &head, sizeof head) || !zmq_msg_more(m)) {
//             return rc;
//         }
//         zmq_msg_close(m);
//         zmq_msg_init(m);
//         rc = zmq_msg_recv(m, soc, ZMQ_DONTWAIT);
//         if (rc < 0) {
//             return rc;
//         }
//         zmq_msg_close(m);
//     }
//     zmq_msg_init(m);
//     errno = EINTR; // more may follow
//     return -1;
// }
import "C"

// TryRecvSkip receives like TryRecv, but drops whole messages of two parts
// whose first part begins with head, in the machine's byte order. It drops
// thousands of them in the time that a few calls of TryRecv take.
func (s *Socket) TryRecvSkip(m *Msg, head uint16) error {
	rc, err := C.ng_recv_skip(m.c(), s.raw, C.uint16_t(head))
	if rc < 0 {
		C.zmq_msg_close(m.c())
		return err
	}
	m.open = true
	liveMsgs.Add(1)
	s.observe(m)
	return nil
}
