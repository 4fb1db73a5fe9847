// The few C functions that Go calls, and the threads that do its large pictures.

#ifndef NETGEAR_TURBOJPEG_BRIDGE_H
#define NETGEAR_TURBOJPEG_BRIDGE_H

#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h>
#include <turbojpeg.h>

#ifndef JCS_EXTENSIONS
#error "this libjpeg is not libjpeg-turbo: install libjpeg-turbo's development files"
#endif

// bridge_report is the outcome of a call. It holds no pointers, so it may live
// in Go memory.
typedef struct {
	// From a JPEG's header.
	int width, height; // in pixels
	int colorspace;    // J_COLOR_SPACE: how the JPEG stores its colors
	int components;
	int across[4], down[4]; // sampling factors of each component
	int several;            // the JPEG has, or may have, several scans
	int64_t coefficients;   // bytes that all its coefficients take in memory
	unsigned long scan;     // offset of the first scan's data

	int warnings;       // harmless ones; see harmless() in reader.c
	unsigned long size; // bytes of the JPEG made
	// The error if the call failed, otherwise the first harmless warning;
	// zero-terminated.
	char text[256];
} bridge_report;

// Results of a job, and of bridge_header.
enum { BRIDGE_OK = 0, BRIDGE_FAILED = -1, BRIDGE_TOO_SMALL = -2, BRIDGE_STOPPED = -3 };

int bridge_header(const unsigned char *jpeg, unsigned long size, bridge_report *report);

enum {
	JOB_ENCODE, // pixels to a JPEG
	JOB_DECODE, // a JPEG to pixels
	JOB_CHECK,  // read all of a JPEG and keep nothing
	JOB_MEND    // write the same picture as a JPEG without faults
};

// bridge_job is one picture, or one strip of a picture.
typedef struct {
	int kind;         // JOB_*
	tjhandle encoder; // of JOB_ENCODE
	// Addresses, not pointers: this lies in C memory, and they may be of Go
	// memory, for whose pointers Go's collector must be the only bookkeeper.
	uintptr_t src;      // the pixels, or the JPEG
	unsigned long size; // of the JPEG
	uintptr_t dst;
	unsigned long room; // for the JPEG
	int width, pitch, height, format, flags;
	int subsamp, quality; // of the JPEG to make
	int strip;            // a STRIP_*; 0: the whole picture
	int max_scans;        // more are an error
	int64_t memory;       // bytes that libjpeg's arrays may take
	const int *stop;      // becomes 1 when the work is to end; see crew_withdraw
	unsigned char *made;  // JOB_MEND: the JPEG, from malloc; the caller frees it
	int result;
	bridge_report report;
} bridge_job;

enum {
	STRIP_LAST = 1, // ends where the picture ends
	STRIP_MORE = 2  // another follows; see Decoder.decodeStrips
};

// bridge_do does one job. Its outcome is in the job.
void bridge_do(bridge_job *job);

// ---- the crew ----

enum { CREW_JOBS = 8, CREW_THREADS = 64 };

// crew_batch is some jobs that are done at the same time. From crew_post until
// it comes out of crew_finished it belongs to the crew.
typedef struct crew_batch crew_batch;
struct crew_batch {
	bridge_job jobs[CREW_JOBS];
	int n;     // jobs
	int taken; // by a thread
	int left;  // not yet done
	int stop;  // 1: the jobs are to end; their stop points here
	crew_batch *next;
};

typedef struct crew crew;

// crew_new starts so many threads; fd is where a byte is written when there is
// something finished.
crew *crew_new(int threads, int fd);
void crew_post(crew *c, crew_batch *b);
// crew_withdraw makes the jobs of a posted batch end soon, as BRIDGE_STOPPED.
// It comes out of crew_finished all the same.
void crew_withdraw(crew *c, crew_batch *b);
crew_batch *crew_finished(crew *c);
// crew_free ends the threads and waits for them. Nothing may be posted any more.
void crew_free(crew *c);

// batch_stop makes the jobs of a batch that is not the crew's end soon.
void batch_stop(crew_batch *b);

#endif
