// The C part of zmsg: memory that libzmq may still hold after a call returns.
#ifndef NETGEAR_ZMSG_H
#define NETGEAR_ZMSG_H

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

// ng_buf is a block of C memory with a reference count. Dropping the last
// reference, on any thread, returns it to a small pool.
typedef struct ng_buf ng_buf;
ng_buf *ng_buf_get(size_t n);
void ng_buf_put(ng_buf *b);
// ng_buf_ref takes another reference.
void ng_buf_ref(ng_buf *b);
void *ng_buf_data(ng_buf *b);
size_t ng_buf_cap(ng_buf *b);
// ng_buf_refs returns the number of references at this moment.
int ng_buf_refs(ng_buf *b);
// ng_buf_send sends the first n bytes without copying. The message takes a
// reference of its own, which libzmq drops when it releases the message.
int ng_buf_send(void *soc, ng_buf *b, size_t n, int flags);
// ng_buf_wait_unshared blocks until b has one reference or none, or until limit
// has passed, in nanoseconds. The caller must hold a reference.
void ng_buf_wait_unshared(ng_buf *b, int64_t limit);
// ng_buf_live counts the blocks that have references.
long ng_buf_live(void);
// ng_buf_requested counts the calls of ng_buf_get, ng_buf_allocated the blocks
// that the pool did not have.
long ng_buf_requested(void);
long ng_buf_allocated(void);
// ng_buf_pooled moves the time of each pooled block back by older nanoseconds,
// and returns the number of blocks. It is for tests.
int ng_buf_pooled(int64_t older);

// ng_ext is a set of blocks that refer to external memory. Dropping the last
// reference to a block, on any thread, puts it on a list. If the list was
// empty, it also writes a byte to fd.
typedef struct ng_ext ng_ext;
ng_ext *ng_ext_new(int fd);
void ng_ext_free(ng_ext *e);
ng_buf *ng_ext_wrap(ng_ext *e, void *data, size_t n);
// ng_ext_finished removes the first block from the list and returns it, or NULL
// if the list is empty. The caller frees it with ng_ext_buf_free.
ng_buf *ng_ext_finished(ng_ext *e);
void ng_ext_buf_free(ng_buf *b);
// ng_ext_wait blocks until no block has a reference.
void ng_ext_wait(ng_ext *e);

// ng_tracker counts messages that refer to external memory.
typedef struct ng_tracker ng_tracker;
ng_tracker *ng_tracker_new(void);
void ng_tracker_free(ng_tracker *t);
int ng_tracker_send(ng_tracker *t, void *soc, void *data, size_t n, int flags);
// ng_tracker_wait blocks until libzmq holds none of the messages.
void ng_tracker_wait(ng_tracker *t);
// ng_tracker_notify has a byte written to fd each time that libzmq has released
// the last message, and at once if it holds none. No byte is written if fd is
// -1.
void ng_tracker_notify(ng_tracker *t, int fd);
// ng_tracker_pending returns how many messages libzmq holds.
int ng_tracker_pending(ng_tracker *t);

// ng_keep_freed makes glibc's malloc keep freed memory, rather than return it
// to the system at once. It returns 0 if malloc is not glibc's.
int ng_keep_freed(void);
// ng_release_freed returns freed memory to the system, if malloc is glibc's.
void ng_release_freed(void);
// ng_copy_small makes the sockets that are opened in a context from now on copy
// small parts into memory of their own. It returns what zmq_ctx_set returns.
int ng_copy_small(void *ctx);

// ng_events processes the socket's pending commands and returns its ZMQ_EVENTS,
// or -1 with errno set.
int ng_events(void *soc);
int ng_fd(void *soc);

#endif
