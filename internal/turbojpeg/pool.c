#define _GNU_SOURCE // pthread_setaffinity_np

#include "bridge.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

// IDLE_NS is for how many nanoseconds the pool must have been idle before a
// picture counts as a single one; see place_threads.
#define IDLE_NS 5000000

struct ng_pool {
	pthread_mutex_t mu;
	pthread_cond_t work;
	ng_batch *first, *last; // with jobs that no thread has started, oldest first
	int posted;         // batches that are not finished
	int64_t idle_since; // when the last batch was finished
	int pinned;         // each thread is pinned to a core of its own
#ifdef __linux__
	cpu_set_t allowed; // the cores before pinning; valid while pinned
#endif
	int ending;
	int threads;
	pthread_t thread[NG_POOL_THREADS];
};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

// next_job returns the next job and its batch. c->mu must be held.
static bridge_job *next_job(ng_pool *c, ng_batch **of)
{
	ng_batch *b = c->first;

	*of = b;
	if (b->started + 1 == b->n) {
		c->first = b->next;
		if (c->first == NULL)
			c->last = NULL;
	}
	return &b->jobs[b->started++];
}

// finish_jobs counts so many jobs of a batch as finished. c->mu must be held,
// so that ng_pool_leave can wait for the write.
static void finish_jobs(ng_pool *c, ng_batch *b, int jobs)
{
	static const uint64_t one = 1;

	if ((b->left -= jobs) > 0)
		return;
	if (--c->posted == 0)
		c->idle_since = now();
	__atomic_store_n(&b->finished, 1, __ATOMIC_RELEASE);
	while (write(b->fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

static void *work(void *arg)
{
	ng_pool *c = arg;

	pthread_mutex_lock(&c->mu);
	for (;;) {
		ng_batch *b;
		bridge_job *job;

		while (c->first == NULL && !c->ending)
			pthread_cond_wait(&c->work, &c->mu);
		if (c->first == NULL)
			break;
		job = next_job(c, &b);
		pthread_mutex_unlock(&c->mu);
		bridge_do(job);
		pthread_mutex_lock(&c->mu);
		finish_jobs(c, b, 1);
	}
	pthread_mutex_unlock(&c->mu);
	return NULL;
}

// start starts a thread, with all signals blocked: the Go runtime handles them
// on its own threads.
static int start(ng_pool *c)
{
	sigset_t all, before;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&c->thread[c->threads], NULL, work, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!failed)
		c->threads++;
	return !failed;
}

// pin_threads pins each thread to a core of its own, or allows the earlier
// cores again.
static void pin_threads(ng_pool *c, int pinned)
{
#ifdef __linux__
	int i, cpu = -1;

	if (pinned && (pthread_getaffinity_np(c->thread[0], sizeof c->allowed, &c->allowed) != 0 ||
	              c->threads < CPU_COUNT(&c->allowed)))
		return; // with fewer threads than cores, the pinned cores might be the busy ones
	for (i = 0; i < c->threads; i++) {
		cpu_set_t on = c->allowed;

		if (pinned) {
			do
				cpu = (cpu + 1) % CPU_SETSIZE;
			while (!CPU_ISSET(cpu, &c->allowed));
			CPU_ZERO(&on);
			CPU_SET(cpu, &on);
		}
		pthread_setaffinity_np(c->thread[i], sizeof on, &on); // a cpuset may forbid it, which is harmless
	}
	c->pinned = pinned;
#else
	(void)c;
	(void)pinned;
#endif
}

// place_threads pins the threads for the strips of a single picture, each to a
// core. Otherwise Linux often starts threads that are woken together on the
// same core. They then run one after the other while another core is idle. On a
// busy machine pinning does harm: the thread's core is busy while another
// becomes free. c->mu must be held.
static void place_threads(ng_pool *c, const ng_batch *b)
{
	int pinned = b->n > 1 && c->posted == 0 && now() - c->idle_since >= IDLE_NS;

	if (pinned != c->pinned)
		pin_threads(c, pinned);
}

ng_pool *ng_pool_new(int threads)
{
	ng_pool *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	pthread_mutex_init(&c->mu, NULL);
	pthread_cond_init(&c->work, NULL);
	while (c->threads < threads && c->threads < NG_POOL_THREADS && start(c))
		;
	if (c->threads == 0) {
		ng_pool_free(c);
		return NULL;
	}
	return c;
}

void ng_pool_free(ng_pool *c)
{
	pthread_mutex_lock(&c->mu);
	c->ending = 1;
	pthread_cond_broadcast(&c->work);
	pthread_mutex_unlock(&c->mu);
	while (c->threads > 0)
		pthread_join(c->thread[--c->threads], NULL);
	pthread_cond_destroy(&c->work);
	pthread_mutex_destroy(&c->mu);
	free(c);
}

void ng_pool_post(ng_pool *c, ng_batch *b)
{
	int n = b->n; // the pool owns b after the unlock; b's owner has a reference to c

	b->started = b->finished = 0;
	b->left = b->n;
	b->next = NULL;
	pthread_mutex_lock(&c->mu);
	place_threads(c, b);
	c->posted++;
	if (c->last != NULL)
		c->last->next = b;
	else
		c->first = b;
	c->last = b;
	pthread_mutex_unlock(&c->mu); // before the signal, so that the woken thread need not wait
	if (n == 1)
		pthread_cond_signal(&c->work);
	else
		pthread_cond_broadcast(&c->work);
}

// remove_waiting removes a batch from the list of those with jobs that no
// thread has started. It reports whether the batch was on the list. c->mu must
// be held.
static int remove_waiting(ng_pool *c, ng_batch *b)
{
	ng_batch **at = &c->first, *before = NULL;

	while (*at != NULL && *at != b) {
		before = *at;
		at = &before->next;
	}
	if (*at == NULL)
		return 0;
	*at = b->next;
	if (c->last == b)
		c->last = before;
	return 1;
}

void ng_pool_cancel(ng_pool *c, ng_batch *b)
{
	int i, waiting;

	pthread_mutex_lock(&c->mu);
	ng_batch_stop(b);
	if (remove_waiting(c, b)) {
		waiting = b->n - b->started;
		for (i = b->started; i < b->n; i++)
			b->jobs[i].result = BRIDGE_STOPPED;
		b->started = b->n;
		finish_jobs(c, b, waiting);
	}
	pthread_mutex_unlock(&c->mu);
}

int ng_pool_posted(ng_pool *c)
{
	int posted;

	pthread_mutex_lock(&c->mu);
	posted = c->posted;
	pthread_mutex_unlock(&c->mu);
	return posted;
}
