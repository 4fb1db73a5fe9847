// The C functions that Go calls, and the threads that process its large
// pictures.

#ifndef NETGEAR_TURBOJPEG_BRIDGE_H
#define NETGEAR_TURBOJPEG_BRIDGE_H

#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h>
#include <turbojpeg.h>

#ifndef JCS_EXTENSIONS
#error "this libjpeg is not libjpeg-turbo: install libjpeg-turbo's development files"
#endif

// bridge_report is the outcome of a call. It holds no pointers, so it may be in
// Go memory.
typedef struct {
	// From a JPEG's header.
	int width, height; // in pixels
	int colorspace;    // J_COLOR_SPACE: how the JPEG stores its colors
	int components;
	int across[4], down[4]; // sampling factors of each component
	int multi_scan;            // the JPEG may have several scans
	int64_t coefficients;   // bytes that all its coefficients need in memory
	unsigned long scan;     // offset of the first scan's data

	int warnings;       // harmless ones; see harmless() in reader.c
	unsigned long size; // of the JPEG written, in bytes
	// The error if the call failed, otherwise the first harmless warning. It is
	// zero-terminated.
	char text[256];
} bridge_report;

// Results of a job, and of bridge_header.
enum { BRIDGE_OK = 0, BRIDGE_FAILED = -1, BRIDGE_TOO_SMALL = -2, BRIDGE_STOPPED = -3, BRIDGE_NO_MEMORY = -4 };

int bridge_header(const unsigned char *jpeg, unsigned long size, bridge_report *report);

enum {
	JOB_ENCODE, // pixels to a JPEG
	JOB_DECODE, // a JPEG to pixels
	JOB_CHECK,  // read all of a JPEG and discard the pixels
	JOB_MEND,   // write the same picture as a JPEG without errors
	JOB_PLANES, // a JPEG to planes of luma and chroma
	JOB_WRITE   // planes, or pixels with alpha, to a JPEG; see writer.c
};

enum { BRIDGE_PLANES = 3 }; // Y, Cb and Cr

// bridge_plane is one plane of a picture.
//
// JOB_WRITE reads the sample in column x and row y of a component at column
// (x + dx) / x_step and row (y + dy) / y_step of its plane. A step is larger
// than 1 if the JPEG has more samples of this component than the plane.
//
// JOB_PLANES writes to the plane, and fails if the JPEG needs a longer row than
// pitch or has another number of rows in an MCU than unit.
typedef struct {
	uintptr_t at; // address of the first sample
	int pitch;    // bytes from row to row
	int x_step, dx, y_step, dy;
	int unit;
} bridge_plane;

// bridge_job is one picture, or one strip of a picture.
typedef struct {
	int kind;         // JOB_*
	tjhandle encoder; // of JOB_ENCODE
	// Addresses, not pointers: the job is in C memory, which must not hold
	// pointers into Go memory.
	uintptr_t src;      // the pixels (of JOB_WRITE: 0 for planes), or the JPEG
	unsigned long size; // of the JPEG
	uintptr_t dst;
	unsigned long capacity; // for the JPEG
	int width, pitch, height, format, flags; // the size is the JPEG's
	int reduce; // the picture that is read is so many times smaller: 1, 2, 4, 8
	// The part of the reduced picture that is read. JOB_PLANES reads rows of
	// MCUs: so many (rows) from the one at top.
	int left, top, columns, rows;
	bridge_plane planes[BRIDGE_PLANES]; // of JOB_PLANES and JOB_WRITE
	int subsamp, quality; // of the JPEG to write
	int across, down;     // JOB_WRITE: luma's sampling factors; 0: no chroma
	int restart_rows;     // JOB_WRITE: a restart marker after so many rows of MCUs
	int strip;            // a STRIP_*; 0: the whole picture
	int max_scans;        // more scans are an error
	int64_t memory;       // bytes that libjpeg may allocate
	const int *stop;      // becomes 1 when the job must end; see ng_pool_cancel
	unsigned char *out;   // JOB_MEND: the JPEG, from malloc; the caller frees it
	int result;
	bridge_report report;
} bridge_job;

enum {
	STRIP_LAST = 1, // the last strip of the picture
	STRIP_MORE = 2  // another strip follows; see Decoder.decodeStrips
};

// bridge_do runs one job, and stores the outcome in it.
void bridge_do(bridge_job *job);

// bridge_reorder copies pixels from one order of channels to another. Both are
// a TJPF_* other than TJPF_GRAY and TJPF_CMYK. It multiplies nothing by alpha.
void bridge_reorder(unsigned char *dst, int dst_pitch, int dst_format, const unsigned char *src, int src_pitch, int src_format,
                    int width, int height);

// bridge_flatten multiplies a row of RGBA pixels by its alpha, with the formula
// of Go's package image/draw. It returns the row itself if all of it is opaque.
const unsigned char *bridge_flatten(unsigned char *dst, const unsigned char *src, int width);

// bridge_flatten_bgr copies RGBA pixels, multiplied by their alpha, as BGR.
void bridge_flatten_bgr(unsigned char *dst, int dst_pitch, const unsigned char *src, int src_pitch, int width, int height);

// bridge_planes is the planes of a picture, of which across columns and down
// rows share a chroma sample. dx and dy are how many of them are to the left of
// the picture, and above it.
typedef struct {
	const unsigned char *y, *cb, *cr;
	int y_pitch, c_pitch;
	int across, down, dx, dy;
} bridge_planes;

// bridge_planes_bgr copies planes as BGR, with the formula of Go's package
// image/color. across is 1, 2 or 4.
void bridge_planes_bgr(unsigned char *dst, int dst_pitch, bridge_planes from, int width, int height);

// Of pixels that are scaled down: whether they are multiplied by their alpha
// before. Otherwise transparent pixels, which are black when they are encoded,
// would give their color to the others.
enum { BRIDGE_AS_IS, BRIDGE_MULTIPLY };

// bridge_shrink scales pixels of some channels down. The new ones have no gaps
// between rows. BRIDGE_MULTIPLY is for RGBA.
int bridge_shrink(unsigned char *dst, int dst_width, int dst_height, const unsigned char *src, int pitch, int width,
                  int height, int channels, int alpha);

// ---- the worker pool ----

enum { NG_POOL_JOBS = 8, NG_POOL_THREADS = 64 };

// ng_batch is a set of jobs that run at the same time. The pool owns it from
// ng_pool_post until finished is 1.
typedef struct ng_batch ng_batch;
struct ng_batch {
	bridge_job jobs[NG_POOL_JOBS];
	int n;     // jobs
	int started; // by the threads
	int left;  // not yet done
	int stop;  // 1: the jobs are to end; their stop points here
	int finished; // atomic
	int fd;    // 8 bytes are written to it when finished is 1
	ng_batch *next;
};

typedef struct ng_pool ng_pool;

// ng_pool_new starts so many threads.
ng_pool *ng_pool_new(int threads);
void ng_pool_post(ng_pool *c, ng_batch *b);
// ng_pool_cancel makes the jobs of a posted batch end soon, with
// BRIDGE_STOPPED. The batch is finished by a thread all the same.
void ng_pool_cancel(ng_pool *c, ng_batch *b);
// ng_pool_posted returns the number of batches that are not finished. It first
// waits until no thread writes to the fd of a finished one.
int ng_pool_posted(ng_pool *c);
// ng_pool_free ends the threads and waits for them. No batch may be posted.
void ng_pool_free(ng_pool *c);

// ng_batch_stop makes the jobs of a batch end soon that the pool does not own.
void ng_batch_stop(ng_batch *b);

#endif
