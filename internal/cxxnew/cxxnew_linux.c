// Replaces the C++ operator with which libzmq creates its objects: see doc.go.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

// The name of operator new(size_t, const std::nothrow_t &) in the C++ ABI.
#if SIZE_MAX > 0xffffffff
#define NEW _ZnwmRKSt9nothrow_t
#define NAME "_ZnwmRKSt9nothrow_t"
#else
#define NEW _ZnwjRKSt9nothrow_t
#define NAME "_ZnwjRKSt9nothrow_t"
#endif

typedef void *(*new_func)(size_t, const void *);

// Objects of fewer than LEAST bytes are not filled: that of a CURVE client has
// seven keys and a copy of all options, and peers that subscribe make libzmq
// create a small one for each byte of a topic. MOST is the most bytes that are
// filled of one object. libzmq's have a few thousand.
enum { LEAST = 256, MOST = 32 << 10 };

static atomic_long filled;

long ng_objects_filled(void) { return atomic_load(&filled); }

// fill writes random bytes. The kernel's generator does not fail; Go's
// crypto/rand ends the process as well if it does.
static void fill(unsigned char *p, size_t n) {
	while (n > 0) {
		size_t step = n < 256 ? n : 256; // so much is never interrupted
		if (getentropy(p, step) != 0)
			abort();
		p += step;
		n -= step;
	}
}

// plain is used where the program has no other operator, as when the C++ library
// is linked statically: this one then stands in the place of the library's, which
// uses malloc as well, and so do the operators that delete.
static void *plain(size_t n, const void *nothrow) {
	(void) nothrow;
	return malloc(n > 0 ? n : 1);
}

// NEW replaces the operator of the C++ library, which it calls. It is weak, so
// that a program may have one of its own. It looks for the other operator once:
// the loader's lock, which that takes, is held by a thread that loads a library
// while the constructors of that run. A constructor that creates an object has the
// lock itself, and may take it again.
__attribute__((weak, visibility("default"))) void *NEW(size_t n, const void *nothrow) {
	static _Atomic(new_func) next;
	new_func f = atomic_load(&next);
	if (f == NULL) {
		f = (new_func) dlsym(RTLD_NEXT, NAME);
		if (f == NULL)
			f = plain;
		atomic_store(&next, f);
	}
	void *p = f(n, nothrow);
	if (p == NULL || n < LEAST)
		return p;
	fill(p, n < MOST ? n : MOST);
	atomic_fetch_add(&filled, 1);
	return p;
}
