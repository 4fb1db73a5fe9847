#include "zmsg.h"

#include <errno.h>
#if defined __linux__
#include <malloc.h>
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

// ---- pooled buffers -------------------------------------------------------

enum { HEADER = 64, POOL_SLOTS = 16 };
static const size_t POOL_BYTES = (size_t) 128 << 20;

struct ng_buf {
	size_t cap;
	atomic_int refs;
	int64_t since; // when it returned to the pool
	void *data;    // behind this header, or external
	ng_ext *ext;   // the set of an external block, otherwise NULL
	ng_buf *next;  // on that set's list
};
_Static_assert(sizeof(ng_buf) <= HEADER, "the header is too large");

static pthread_mutex_t pool_mu = PTHREAD_MUTEX_INITIALIZER;
static ng_buf *pool[POOL_SLOTS]; // oldest first
static int pool_len;
static size_t pool_bytes;
static atomic_long live;
static atomic_long requested, allocated; // since the process started

static void pool_remove(int i) {
	pool_bytes -= pool[i]->cap;
	for (pool_len--; i < pool_len; i++)
		pool[i] = pool[i + 1];
}

// POOL_REST is how long a block stays in the pool at most, in nanoseconds. A
// stream reuses its blocks much sooner. Blocks that only a backlog needed are
// freed after this time.
static const int64_t POOL_REST = 1000000000;

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

// pool_take returns a pooled block for n bytes, of which it wastes at most
// half, or NULL.
static ng_buf *pool_take(size_t n) {
	ng_buf *found = NULL;
	pthread_mutex_lock(&pool_mu);
	for (int i = pool_len - 1; i >= 0; i--) {
		if (pool[i]->cap >= n && pool[i]->cap / 2 <= n) {
			found = pool[i];
			pool_remove(i);
			break;
		}
	}
	pthread_mutex_unlock(&pool_mu);
	return found;
}

ng_buf *ng_buf_get(size_t n) {
	if (n > SIZE_MAX - 8192)
		return NULL;
	atomic_fetch_add(&requested, 1);
	ng_buf *b = pool_take(n);
	if (!b) {
		size_t cap = (n + 4095) & ~(size_t) 4095;
		void *p = NULL;
		if (posix_memalign(&p, HEADER, HEADER + cap) != 0)
			return NULL;
		b = p;
		*b = (ng_buf){.cap = cap, .data = (char *) p + HEADER};
		atomic_fetch_add(&allocated, 1);
	}
	atomic_store(&b->refs, 1);
	atomic_fetch_add(&live, 1);
	return b;
}

static void ext_release(ng_buf *b);

// The waits of ng_buf_wait_unshared. They are rare, so all buffers share one
// condition variable, and ng_buf_put signals it only while a thread waits.
static pthread_mutex_t unshared_mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unshared;
static pthread_once_t unshared_once = PTHREAD_ONCE_INIT;
static clockid_t unshared_clock = CLOCK_REALTIME;
static atomic_int unshared_waiters;

// unshared_init makes the waits independent of the wall clock, which may be set
// meanwhile. macOS has no such call.
static void unshared_init(void) {
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
#ifndef __APPLE__
	if (pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0)
		unshared_clock = CLOCK_MONOTONIC;
#endif
	pthread_cond_init(&unshared, &attr);
	pthread_condattr_destroy(&attr);
}

void ng_buf_put(ng_buf *b) {
	int refs = atomic_fetch_sub(&b->refs, 1) - 1;
	if (refs > 0) { // b may be freed from here on
		if (refs == 1 && atomic_load(&unshared_waiters) > 0) {
			pthread_mutex_lock(&unshared_mu);
			pthread_cond_broadcast(&unshared);
			pthread_mutex_unlock(&unshared_mu);
		}
		return;
	}
	atomic_fetch_sub(&live, 1);
	if (b->ext) {
		ext_release(b);
		return;
	}
	ng_buf *drop[POOL_SLOTS + 1];
	int drops = 0;
	pthread_mutex_lock(&pool_mu);
	if (b->cap > POOL_BYTES) {
		drop[drops++] = b;
	} else {
		// The oldest blocks are freed first, and with them sizes no longer
		// used.
		b->since = now();
		while (pool_len == POOL_SLOTS || (pool_len > 0 && (pool_bytes + b->cap > POOL_BYTES || b->since - pool[0]->since > POOL_REST))) {
			drop[drops++] = pool[0];
			pool_remove(0);
		}
		pool[pool_len++] = b;
		pool_bytes += b->cap;
	}
	pthread_mutex_unlock(&pool_mu);
	while (drops > 0)
		free(drop[--drops]);
}

void ng_buf_ref(ng_buf *b) { atomic_fetch_add(&b->refs, 1); }
void *ng_buf_data(ng_buf *b) { return b->data; }
size_t ng_buf_cap(ng_buf *b) { return b->cap; }
int ng_buf_refs(ng_buf *b) { return atomic_load(&b->refs); }
long ng_buf_live(void) { return atomic_load(&live); }
long ng_buf_requested(void) { return atomic_load(&requested); }
long ng_buf_allocated(void) { return atomic_load(&allocated); }

void ng_buf_wait_unshared(ng_buf *b, int64_t limit) {
	struct timespec end;
	pthread_once(&unshared_once, unshared_init);
	clock_gettime(unshared_clock, &end);
	end.tv_sec += limit / 1000000000;
	if ((end.tv_nsec += limit % 1000000000) >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	// Counted before the references are read: either this thread reads the last
	// change, or ng_buf_put reads the count and signals.
	atomic_fetch_add(&unshared_waiters, 1);
	pthread_mutex_lock(&unshared_mu);
	while (ng_buf_refs(b) > 1 && pthread_cond_timedwait(&unshared, &unshared_mu, &end) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&unshared_mu);
	atomic_fetch_sub(&unshared_waiters, 1);
}

int ng_buf_pooled(int64_t older) {
	int n = 0;
	pthread_mutex_lock(&pool_mu);
	for (int i = 0; i < pool_len; i++) {
		pool[i]->since -= older;
		n++;
	}
	pthread_mutex_unlock(&pool_mu);
	return n;
}

static void buf_release(void *data, void *hint) {
	(void) data;
	ng_buf_put(hint);
}

// send_external sends data without copying it. fn is called once libzmq no
// longer needs the data, also if the send fails.
static int send_external(void *soc, void *data, size_t n, zmq_free_fn *fn, void *hint, int flags) {
	zmq_msg_t m;
	if (zmq_msg_init_data(&m, data, n, fn, hint) != 0) {
		int e = errno;
		fn(data, hint);
		errno = e;
		return -1;
	}
	if (zmq_msg_send(&m, soc, flags) < 0) {
		int e = errno;
		zmq_msg_close(&m);
		errno = e;
		return -1;
	}
	return 0;
}

int ng_buf_send(void *soc, ng_buf *b, size_t n, int flags) {
	atomic_fetch_add(&b->refs, 1);
	return send_external(soc, ng_buf_data(b), n, buf_release, b, flags);
}

// ---- external blocks ------------------------------------------------------

// write_byte wakes the reader of a pipe that never blocks its writer. A full
// pipe is not an error: its reader has something to read.
static void write_byte(int fd) {
	while (write(fd, "", 1) < 0 && errno == EINTR)
		;
}

// libzmq often drops the last reference on its I/O thread, where a call into Go
// would be slow. So finished blocks wait on a list, and a pipe wakes Go.
struct ng_ext {
	pthread_mutex_t mu;
	pthread_cond_t none;
	int fd;     // the pipe
	int in_use; // blocks that have references
	ng_buf *finished;
};

ng_ext *ng_ext_new(int fd) {
	ng_ext *e = calloc(1, sizeof *e);
	if (!e)
		return NULL;
	e->fd = fd;
	pthread_mutex_init(&e->mu, NULL);
	pthread_cond_init(&e->none, NULL);
	return e;
}

void ng_ext_free(ng_ext *e) {
	pthread_cond_destroy(&e->none);
	pthread_mutex_destroy(&e->mu);
	free(e);
}

ng_buf *ng_ext_wrap(ng_ext *e, void *data, size_t n) {
	ng_buf *b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	b->cap = n;
	b->data = data;
	b->ext = e;
	atomic_store(&b->refs, 1);
	atomic_fetch_add(&live, 1);
	pthread_mutex_lock(&e->mu);
	e->in_use++;
	pthread_mutex_unlock(&e->mu);
	return b;
}

static void ext_release(ng_buf *b) {
	ng_ext *e = b->ext;
	int err = errno;
	pthread_mutex_lock(&e->mu);
	b->next = e->finished;
	e->finished = b;
	if (!b->next)
		write_byte(e->fd);
	if (--e->in_use == 0)
		pthread_cond_broadcast(&e->none);
	pthread_mutex_unlock(&e->mu);
	errno = err;
}

ng_buf *ng_ext_finished(ng_ext *e) {
	pthread_mutex_lock(&e->mu);
	ng_buf *b = e->finished;
	if (b)
		e->finished = b->next;
	pthread_mutex_unlock(&e->mu);
	return b;
}

void ng_ext_buf_free(ng_buf *b) { free(b); }

void ng_ext_wait(ng_ext *e) {
	pthread_mutex_lock(&e->mu);
	while (e->in_use > 0)
		pthread_cond_wait(&e->none, &e->mu);
	pthread_mutex_unlock(&e->mu);
}

// ---- tracked messages -----------------------------------------------------

// libzmq calls tracker_release on its I/O thread, where a call into Go would be
// slow. So C counts the messages, and wakes what waits for them.
struct ng_tracker {
	pthread_mutex_t mu;
	pthread_cond_t none;
	int pending; // messages that libzmq holds
	int fd;      // the pipe, or -1
};

ng_tracker *ng_tracker_new(void) {
	ng_tracker *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->fd = -1;
	pthread_mutex_init(&t->mu, NULL);
	pthread_cond_init(&t->none, NULL);
	return t;
}

void ng_tracker_free(ng_tracker *t) {
	pthread_cond_destroy(&t->none);
	pthread_mutex_destroy(&t->mu);
	free(t);
}

static void tracker_release(void *data, void *hint) {
	(void) data;
	ng_tracker *t = hint;
	int err = errno;
	pthread_mutex_lock(&t->mu);
	if (--t->pending == 0) {
		pthread_cond_broadcast(&t->none);
		if (t->fd >= 0)
			write_byte(t->fd);
	}
	pthread_mutex_unlock(&t->mu);
	errno = err;
}

int ng_tracker_send(ng_tracker *t, void *soc, void *data, size_t n, int flags) {
	pthread_mutex_lock(&t->mu);
	t->pending++;
	pthread_mutex_unlock(&t->mu);
	return send_external(soc, data, n, tracker_release, t, flags);
}

void ng_tracker_wait(ng_tracker *t) {
	pthread_mutex_lock(&t->mu);
	while (t->pending > 0)
		pthread_cond_wait(&t->none, &t->mu);
	pthread_mutex_unlock(&t->mu);
}

void ng_tracker_notify(ng_tracker *t, int fd) {
	pthread_mutex_lock(&t->mu);
	t->fd = fd;
	if (fd >= 0 && t->pending == 0)
		write_byte(fd);
	pthread_mutex_unlock(&t->mu);
}

int ng_tracker_pending(ng_tracker *t) {
	pthread_mutex_lock(&t->mu);
	int n = t->pending;
	pthread_mutex_unlock(&t->mu);
	return n;
}

// ---- received memory ------------------------------------------------------

// libzmq allocates each part that it receives, and frees it when the frame is
// closed. glibc returns the free end of the heap to the system once it is twice
// as large as the largest block freed so far: two frames. With more frames at a
// time, each would be returned and allocated again. Clearing and mapping its
// pages takes longer than all other steps of receiving it. Blocks of up to 32
// MB raise that threshold, so a block of nearly this size is freed here without
// being touched. malloc's thresholds stay as they are where the program or its
// environment has set them. With 32 bits glibc raises the threshold to half a
// megabyte at most, so there it keeps no large blocks.
int ng_keep_freed(void) {
#if defined __GLIBC__ && SIZE_MAX > UINT32_MAX
	void *volatile block = malloc((size_t) 31 << 20);
	free(block);
	return 1;
#else
	return 0;
#endif
}

// Blocks that were freed between others stay in the heap, and so does all that is
// below the last block in use. libzmq's queues always have two blocks in use, so
// after a backlog its memory would stay with the process.
void ng_release_freed(void) {
#if defined __GLIBC__
	malloc_trim(0);
#endif
}

// zmq.h has this only for programs that use its draft API. The option itself is
// in every build since 4.2.
#ifndef ZMQ_ZERO_COPY_RECV
#define ZMQ_ZERO_COPY_RECV 10
#endif

// By default libzmq reads into a block of 8 KB and makes the parts of 34 bytes
// and more in it refer to the block, which it frees with the last of them. With
// 10 KB for as many references as there could be, a block takes 18 KB. So a part
// that came alone takes 18 KB, however small it is, for as long as it exists.
// Copied, it takes its bytes and 48. Parts of 8 KB and more never are in a block.
int ng_copy_small(void *ctx) { return zmq_ctx_set(ctx, ZMQ_ZERO_COPY_RECV, 0); }

// ---- the socket -----------------------------------------------------------

int ng_events(void *soc) {
	int events = 0;
	size_t n = sizeof events;
	// A signal may end the call before it reads the mailbox, which no later
	// call might read.
	while (zmq_getsockopt(soc, ZMQ_EVENTS, &events, &n) != 0)
		if (errno != EINTR)
			return -1;
	return events;
}

int ng_fd(void *soc) {
	int fd = -1;
	size_t n = sizeof fd;
	return zmq_getsockopt(soc, ZMQ_FD, &fd, &n) == 0 ? fd : -1;
}
