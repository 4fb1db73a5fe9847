// The few C functions that Go calls, and the threads that do its large pictures.

#ifndef NETGEAR_TURBOJPEG_BRIDGE_H
#define NETGEAR_TURBOJPEG_BRIDGE_H

#include <stdint.h>

#include <turbojpeg.h>

// bridge_report is what a call has to tell. It holds no pointers, so it may live in Go memory.
typedef struct {
	int width, height; // in pixels
	int colorspace;    // TJCS_*: how the JPEG stores its colours
	int subsamp;       // TJSAMP_*
	unsigned long size; // bytes of the JPEG made
	char error[256];   // zero-terminated; set when the call failed
} bridge_report;

// Results of the functions below.
enum { BRIDGE_OK = 0, BRIDGE_FAILED = -1, BRIDGE_TOO_SMALL = -2 };

int bridge_header(const unsigned char *jpeg, unsigned long size, bridge_report *report);

// bridge_job is one picture, or one strip of a picture, to make or to read.
typedef struct {
	tjhandle encoder; // makes the JPEG; NULL: it is to be read
	// Addresses, not pointers: this lies in C memory, and they may be of Go memory, for whose
	// pointers Go's collector must be the only bookkeeper.
	uintptr_t src;      // the pixels, or the JPEG
	unsigned long size; // of the JPEG
	uintptr_t dst;
	unsigned long room; // for the JPEG
	int width, pitch, height, format, flags;
	int subsamp, quality; // of the JPEG to make
	int result;
	bridge_report report;
} bridge_job;

// bridge_do does one job; what came of it is in the job.
void bridge_do(bridge_job *job);

// ---- the crew ----

enum { CREW_JOBS = 8, CREW_THREADS = 64 };

// crew_batch is some jobs that are done at the same time. From crew_post until it comes out of
// crew_finished it belongs to the crew.
typedef struct crew_batch crew_batch;
struct crew_batch {
	bridge_job jobs[CREW_JOBS];
	int n;     // jobs
	int taken; // by a thread
	int left;  // not yet done
	crew_batch *next;
};

typedef struct crew crew;

// crew_new starts so many threads; fd is where a byte is written when there is something finished.
crew *crew_new(int threads, int fd);
void crew_post(crew *c, crew_batch *b);
crew_batch *crew_finished(crew *c);
// crew_free ends the threads and waits for them. Nothing may be posted any more.
void crew_free(crew *c);

#endif
