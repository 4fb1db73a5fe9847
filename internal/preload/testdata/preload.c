// Loaded before the C library, it makes chosen allocations return NULL, and
// shifts the wall clock. The test controls it through a file that both map.

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// control is the file; preload.go has the same.
struct control {
	int32_t threads[64]; // whose allocations are counted, ended by 0
	int32_t left;        // allocations that succeed before one fails; below 0 none fails
	int32_t all;         // all that follow fail as well
	int32_t seen, failed;
	int64_t offset; // nanoseconds added to the wall clock
};
static struct control *control;

__attribute__((constructor)) static void map(void)
{
	const char *path = getenv("NETGEAR_TEST_PRELOAD");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	void *p = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		control = p;
}

// ---- memory ----

// Of glibc, which allocate without this file.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static int fails(void)
{
	int32_t self, before;
	int i;

	if (!control || __atomic_load_n(&control->threads[0], __ATOMIC_ACQUIRE) == 0)
		return 0;
	self = syscall(SYS_gettid);
	for (i = 0; i < 64 && control->threads[i] != self; i++)
		if (control->threads[i] == 0)
			return 0;
	if (i == 64)
		return 0;
	__atomic_fetch_add(&control->seen, 1, __ATOMIC_RELAXED);
	before = __atomic_fetch_sub(&control->left, 1, __ATOMIC_RELAXED);
	if (before != 0 && !(before < 0 && control->all))
		return 0;
	__atomic_fetch_add(&control->failed, 1, __ATOMIC_RELAXED);
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t n) { return fails() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return fails() ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return fails() ? NULL : __libc_realloc(p, n); }
void *memalign(size_t align, size_t n) { return fails() ? NULL : __libc_memalign(align, n); }
void *aligned_alloc(size_t align, size_t n) { return memalign(align, n); }

int posix_memalign(void **p, size_t align, size_t n)
{
	int before = errno;
	void *got = memalign(align, n);

	errno = before;
	if (!got)
		return ENOMEM;
	*p = got;
	return 0;
}

// ---- the clock ----

int clock_gettime(clockid_t clock, struct timespec *t)
{
	int64_t offset, nsec;

	if (syscall(SYS_clock_gettime, clock, t) != 0)
		return -1;
	if (clock == CLOCK_REALTIME && control && (offset = __atomic_load_n(&control->offset, __ATOMIC_RELAXED)) != 0) {
		nsec = t->tv_nsec + offset % 1000000000;
		t->tv_sec += offset / 1000000000 + (nsec < 0 ? -1 : nsec / 1000000000);
		t->tv_nsec = nsec < 0 ? nsec + 1000000000 : nsec % 1000000000;
	}
	return 0;
}
