// The C half of zmsg: memory that libzmq may still hold after a call returns.
#ifndef NETGEAR_ZMSG_H
#define NETGEAR_ZMSG_H

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

// ng_buf is a block of C memory with a reference count. The last reference
// dropped, on whatever thread, returns it to a small pool.
typedef struct ng_buf ng_buf;
ng_buf *ng_buf_get(size_t n);
void ng_buf_put(ng_buf *b);
void *ng_buf_data(ng_buf *b);
size_t ng_buf_cap(ng_buf *b);
// ng_buf_refs returns the number of references at this moment.
int ng_buf_refs(ng_buf *b);
// ng_buf_send sends the first n bytes without copying; the message takes a
// reference of its own and libzmq drops it when it has let go.
int ng_buf_send(void *soc, ng_buf *b, size_t n, int flags);
// ng_buf_live counts the blocks that somebody still holds.
long ng_buf_live(void);
// ng_buf_asked counts the calls of ng_buf_get, ng_buf_made the blocks that the pool did not have.
long ng_buf_asked(void);
long ng_buf_made(void);
// ng_buf_pooled makes the blocks in the pool so many ns older and counts them. For tests.
int ng_buf_pooled(int64_t older);

// ng_loans are blocks that look into memory which is not ours. The last reference
// to one dropped, on whatever thread, puts it on a list, and writes a byte to fd
// if the list was empty.
typedef struct ng_loans ng_loans;
ng_loans *ng_loans_new(int fd);
void ng_loans_free(ng_loans *l);
ng_buf *ng_loans_lend(ng_loans *l, void *data, size_t n);
// ng_loans_finished takes the first block off the list, NULL if there is none.
// The caller frees it with ng_loan_free.
ng_buf *ng_loans_finished(ng_loans *l);
void ng_loan_free(ng_buf *b);
// ng_loans_wait returns once nobody holds any of the blocks.
void ng_loans_wait(ng_loans *l);

// ng_hold counts messages that look into memory which is not ours.
typedef struct ng_hold ng_hold;
ng_hold *ng_hold_new(void);
void ng_hold_free(ng_hold *h);
int ng_hold_send(ng_hold *h, void *soc, void *data, size_t n, int flags);
// ng_hold_wait returns once libzmq holds none of the messages any more.
void ng_hold_wait(ng_hold *h);
// ng_hold_wait_briefly waits at most a millisecond and returns how many it holds.
int ng_hold_wait_briefly(ng_hold *h);
int ng_hold_count(ng_hold *h);

// ng_keep_freed makes glibc's malloc keep what is freed, rather than give it back to the system at
// once; 0 if it is another malloc.
int ng_keep_freed(void);

// ng_events runs the socket's pending commands and returns its ZMQ_EVENTS, or
// -1 with errno set.
int ng_events(void *soc);
int ng_fd(void *soc);

#endif
