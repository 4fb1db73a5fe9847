#include "zmsg.h"

#include <errno.h>
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
	int64_t since;   // when it came back to the pool
	void *data;      // behind this header, or lent
	ng_loans *loans; // what keeps the list for a lent block, or NULL
	ng_buf *next;    // on that list
};
_Static_assert(sizeof(ng_buf) <= HEADER, "the header has outgrown its place");

static pthread_mutex_t pool_mu = PTHREAD_MUTEX_INITIALIZER;
static ng_buf *pool[POOL_SLOTS]; // oldest first
static int pool_len;
static size_t pool_bytes;
static atomic_long live;
static atomic_long asked, made; // ever

static void pool_remove(int i) {
	pool_bytes -= pool[i]->cap;
	for (pool_len--; i < pool_len; i++)
		pool[i] = pool[i + 1];
}

// POOL_REST is for how long a block may lie in the pool, in ns. A stream takes its blocks again much
// sooner; what a backlog needed is not kept beyond it.
static const int64_t POOL_REST = 1000000000;

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

// A pooled block serves a request if no more than half of it is wasted.
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
	atomic_fetch_add(&asked, 1);
	ng_buf *b = pool_take(n);
	if (!b) {
		size_t cap = (n + 4095) & ~(size_t) 4095;
		void *p = NULL;
		if (posix_memalign(&p, HEADER, HEADER + cap) != 0)
			return NULL;
		b = p;
		*b = (ng_buf){.cap = cap, .data = (char *) p + HEADER};
		atomic_fetch_add(&made, 1);
	}
	atomic_store(&b->refs, 1);
	atomic_fetch_add(&live, 1);
	return b;
}

static void loan_finished(ng_buf *b);

void ng_buf_put(ng_buf *b) {
	if (atomic_fetch_sub(&b->refs, 1) != 1)
		return;
	atomic_fetch_sub(&live, 1);
	if (b->loans) {
		loan_finished(b);
		return;
	}
	ng_buf *drop[POOL_SLOTS + 1];
	int drops = 0;
	pthread_mutex_lock(&pool_mu);
	if (b->cap > POOL_BYTES) {
		drop[drops++] = b;
	} else {
		// The oldest leave first: sizes no longer asked for die out.
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

void *ng_buf_data(ng_buf *b) { return b->data; }
size_t ng_buf_cap(ng_buf *b) { return b->cap; }
int ng_buf_refs(ng_buf *b) { return atomic_load(&b->refs); }
long ng_buf_live(void) { return atomic_load(&live); }
long ng_buf_asked(void) { return atomic_load(&asked); }
long ng_buf_made(void) { return atomic_load(&made); }

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

// send_borrowed hands data to libzmq, which calls fn once it needs it no more;
// that is so even if the send fails.
static int send_borrowed(void *soc, void *data, size_t n, zmq_free_fn *fn, void *hint, int flags) {
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
	return send_borrowed(soc, ng_buf_data(b), n, buf_release, b, flags);
}

// ---- lent blocks ----------------------------------------------------------

// The last reference often goes on libzmq's I/O thread, where a call into Go
// would be slow; so finished blocks wait on a list, and Go is woken by a pipe.
struct ng_loans {
	pthread_mutex_t mu;
	pthread_cond_t none;
	int fd;  // the pipe; writing to it never waits
	int out; // blocks that somebody holds
	ng_buf *finished;
};

ng_loans *ng_loans_new(int fd) {
	ng_loans *l = calloc(1, sizeof *l);
	if (!l)
		return NULL;
	l->fd = fd;
	pthread_mutex_init(&l->mu, NULL);
	pthread_cond_init(&l->none, NULL);
	return l;
}

void ng_loans_free(ng_loans *l) {
	pthread_cond_destroy(&l->none);
	pthread_mutex_destroy(&l->mu);
	free(l);
}

ng_buf *ng_loans_lend(ng_loans *l, void *data, size_t n) {
	ng_buf *b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	b->cap = n;
	b->data = data;
	b->loans = l;
	atomic_store(&b->refs, 1);
	atomic_fetch_add(&live, 1);
	pthread_mutex_lock(&l->mu);
	l->out++;
	pthread_mutex_unlock(&l->mu);
	return b;
}

static void loan_finished(ng_buf *b) {
	ng_loans *l = b->loans;
	int e = errno;
	pthread_mutex_lock(&l->mu);
	b->next = l->finished;
	l->finished = b;
	if (!b->next)
		while (write(l->fd, "", 1) < 0 && errno == EINTR)
			; // a full pipe is as good: there is something to read
	if (--l->out == 0)
		pthread_cond_broadcast(&l->none);
	pthread_mutex_unlock(&l->mu);
	errno = e;
}

ng_buf *ng_loans_finished(ng_loans *l) {
	pthread_mutex_lock(&l->mu);
	ng_buf *b = l->finished;
	if (b)
		l->finished = b->next;
	pthread_mutex_unlock(&l->mu);
	return b;
}

void ng_loan_free(ng_buf *b) { free(b); }

void ng_loans_wait(ng_loans *l) {
	pthread_mutex_lock(&l->mu);
	while (l->out > 0)
		pthread_cond_wait(&l->none, &l->mu);
	pthread_mutex_unlock(&l->mu);
}

// ---- borrowed memory ------------------------------------------------------

// libzmq calls hold_release on its I/O thread, where a call into Go would be
// slow; so the count goes down in C, and whoever waits is woken from C.
struct ng_hold {
	pthread_mutex_t mu;
	pthread_cond_t none;
	int held;
};

ng_hold *ng_hold_new(void) {
	ng_hold *h = calloc(1, sizeof *h);
	if (!h)
		return NULL;
	pthread_mutex_init(&h->mu, NULL);
	pthread_cond_init(&h->none, NULL);
	return h;
}

void ng_hold_free(ng_hold *h) {
	pthread_cond_destroy(&h->none);
	pthread_mutex_destroy(&h->mu);
	free(h);
}

static void hold_release(void *data, void *hint) {
	(void) data;
	ng_hold *h = hint;
	pthread_mutex_lock(&h->mu);
	if (--h->held == 0)
		pthread_cond_broadcast(&h->none);
	pthread_mutex_unlock(&h->mu);
}

int ng_hold_send(ng_hold *h, void *soc, void *data, size_t n, int flags) {
	pthread_mutex_lock(&h->mu);
	h->held++;
	pthread_mutex_unlock(&h->mu);
	return send_borrowed(soc, data, n, hold_release, h, flags);
}

void ng_hold_wait(ng_hold *h) {
	pthread_mutex_lock(&h->mu);
	while (h->held > 0)
		pthread_cond_wait(&h->none, &h->mu);
	pthread_mutex_unlock(&h->mu);
}

int ng_hold_wait_briefly(ng_hold *h) {
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	if ((end.tv_nsec += 1000000) >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&h->mu);
	while (h->held > 0 && pthread_cond_timedwait(&h->none, &h->mu, &end) == 0)
		;
	int n = h->held;
	pthread_mutex_unlock(&h->mu);
	return n;
}

int ng_hold_count(ng_hold *h) {
	pthread_mutex_lock(&h->mu);
	int n = h->held;
	pthread_mutex_unlock(&h->mu);
	return n;
}

// ---- received memory ------------------------------------------------------

// libzmq allocates each part that it receives, and the part is freed when its
// frame is closed. glibc gives the free end of the heap back to the system once
// it is twice as large as the largest block freed so far: two frames. Where more
// are there at a time, each would be given back and asked for again, and all its
// pages cleared and mapped anew, which takes longer than the rest of the frame's
// way. Blocks of up to 32 MB count for that, so one of nearly that size is freed
// here, without ever being touched. Where the program or its environment has set
// malloc's thresholds, theirs stay.
int ng_keep_freed(void) {
#ifdef __GLIBC__
	void *volatile block = malloc((size_t) 31 << 20);
	free(block);
	return 1;
#else
	return 0;
#endif
}

// ---- the socket -----------------------------------------------------------

int ng_events(void *soc) {
	int events = 0;
	size_t n = sizeof events;
	// A signal may keep it from looking at the mailbox; nobody would look again.
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
