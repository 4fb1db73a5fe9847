#define _GNU_SOURCE // pthread_setaffinity_np

#include "bridge.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

// A picture that comes when the crew has had nothing to do for so long, in ns, comes alone.
#define REST 5000000

struct crew {
	pthread_mutex_t mu;
	pthread_cond_t work;
	crew_batch *first, *last; // with jobs that nobody has taken, oldest first
	crew_batch *finished;
	int in_hand;        // batches posted and not finished
	int64_t rest_since; // when the last of them was finished
	int apart;          // the threads are kept on a core each
#ifdef __linux__
	cpu_set_t anywhere; // where they may be otherwise; valid while they are apart
#endif
	int fd;
	int ending;
	int threads;
	pthread_t thread[CREW_THREADS];
};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

// take hands out the next job; the lock is held.
static bridge_job *take(crew *c, crew_batch **of)
{
	crew_batch *b = c->first;

	*of = b;
	if (b->taken + 1 == b->n) {
		c->first = b->next;
		if (c->first == NULL)
			c->last = NULL;
	}
	return &b->jobs[b->taken++];
}

// settle books so many jobs that are done; the lock is held.
static void settle(crew *c, crew_batch *b, int jobs)
{
	if ((b->left -= jobs) > 0)
		return;
	if (--c->in_hand == 0)
		c->rest_since = now();
	b->next = c->finished;
	c->finished = b;
	if (b->next == NULL)
		while (write(c->fd, "", 1) < 0 && errno == EINTR)
			; // a full pipe is as good: there is something to read
}

static void *work(void *arg)
{
	crew *c = arg;

	pthread_mutex_lock(&c->mu);
	for (;;) {
		crew_batch *b;
		bridge_job *job;

		while (c->first == NULL && !c->ending)
			pthread_cond_wait(&c->work, &c->mu);
		if (c->first == NULL)
			break;
		job = take(c, &b);
		pthread_mutex_unlock(&c->mu);
		bridge_do(job);
		pthread_mutex_lock(&c->mu);
		settle(c, b, 1);
	}
	pthread_mutex_unlock(&c->mu);
	return NULL;
}

// Signals are the Go runtime's, on its own threads.
static int start(crew *c)
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

// part keeps each thread on a core of its own, or lets the system choose again among those that it
// had before.
static void part(crew *c, int apart)
{
#ifdef __linux__
	int i, cpu = -1;

	if (apart && (pthread_getaffinity_np(c->thread[0], sizeof c->anywhere, &c->anywhere) != 0 ||
	              c->threads < CPU_COUNT(&c->anywhere)))
		return; // with fewer threads than cores, theirs might be the busy ones
	for (i = 0; i < c->threads; i++) {
		cpu_set_t on = c->anywhere;

		if (apart) {
			do
				cpu = (cpu + 1) % CPU_SETSIZE;
			while (!CPU_ISSET(cpu, &c->anywhere));
			CPU_ZERO(&on);
			CPU_SET(cpu, &on);
		}
		pthread_setaffinity_np(c->thread[i], sizeof on, &on); // a cpuset may forbid it: as good
	}
	c->apart = apart;
#else
	(void)c;
	(void)apart;
#endif
}

// place sees to it that the strips of a picture that comes alone are each on a core of their own.
// Left to the system, threads that are woken together often start on the same core, and stay there
// behind each other while another core is idle. Where the machine is at work all the time it is the
// other way round: the core on which a thread has to stay is busy, and another becomes free. The
// lock is held.
static void place(crew *c, const crew_batch *b)
{
	int apart = b->n > 1 && c->in_hand == 0 && now() - c->rest_since >= REST;

	if (apart != c->apart)
		part(c, apart);
}

crew *crew_new(int threads, int fd)
{
	crew *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->fd = fd;
	pthread_mutex_init(&c->mu, NULL);
	pthread_cond_init(&c->work, NULL);
	while (c->threads < threads && c->threads < CREW_THREADS && start(c))
		;
	if (c->threads == 0) {
		crew_free(c);
		return NULL;
	}
	return c;
}

void crew_free(crew *c)
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

void crew_post(crew *c, crew_batch *b)
{
	int n = b->n; // b is the crew's, once the lock is gone; c stays, as b's owner has a share in it

	b->taken = 0;
	b->left = b->n;
	b->next = NULL;
	pthread_mutex_lock(&c->mu);
	place(c, b);
	c->in_hand++;
	if (c->last != NULL)
		c->last->next = b;
	else
		c->first = b;
	c->last = b;
	pthread_mutex_unlock(&c->mu); // first, or who is woken has to wait for it
	if (n == 1)
		pthread_cond_signal(&c->work);
	else
		pthread_cond_broadcast(&c->work);
}

// unlist takes a batch off the list of those with jobs that no thread has taken,
// and reports whether it was there; the lock is held.
static int unlist(crew *c, crew_batch *b)
{
	crew_batch **at = &c->first, *before = NULL;

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

void crew_withdraw(crew *c, crew_batch *b)
{
	int i, untaken;

	pthread_mutex_lock(&c->mu);
	batch_stop(b);
	if (unlist(c, b)) {
		untaken = b->n - b->taken;
		for (i = b->taken; i < b->n; i++)
			b->jobs[i].result = BRIDGE_STOPPED;
		b->taken = b->n;
		settle(c, b, untaken);
	}
	pthread_mutex_unlock(&c->mu);
}

crew_batch *crew_finished(crew *c)
{
	crew_batch *b;

	pthread_mutex_lock(&c->mu);
	b = c->finished;
	if (b != NULL)
		c->finished = b->next;
	pthread_mutex_unlock(&c->mu);
	return b;
}
