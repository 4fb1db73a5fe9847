// A reader is one JPEG that libjpeg reads: its errors, its memory, and what may
// end it early.

#ifndef NETGEAR_TURBOJPEG_READER_H
#define NETGEAR_TURBOJPEG_READER_H

#include <setjmp.h>

#include "bridge.h"

typedef struct {
	struct jpeg_decompress_struct in;
	struct jpeg_compress_struct out; // reader_mend only
	struct jpeg_error_mgr err;
	struct jpeg_source_mgr src;
	struct jpeg_destination_mgr dst; // reader_mend only
	struct jpeg_progress_mgr progress;
	jmp_buf end;

	bridge_job *job; // NULL: only the header is read
	bridge_report *report;
	int strict;  // every warning is an error
	int cut;     // the bytes ended before EOI
	int closing; // reading the marker after a strip; see close_strip
	int result;  // of a reading that ended early
	size_t capacity; // of the JPEG that reader_mend writes, in bytes
} reader;

// reader_init initializes a reader. reader_free may follow at any time.
void reader_init(reader *r, bridge_job *job, bridge_report *report);
void reader_free(reader *r);

// The functions below call longjmp(r->end) on an error.

// reader_open reads the header.
void reader_open(reader *r, const unsigned char *jpeg, unsigned long size);
// reader_close reads what follows the last scan, and ends the reading.
void reader_close(reader *r);
// reader_fail ends the reading with this error text.
void reader_fail(reader *r, const char *text);

// reader_no_memory ends the reading because malloc returned no memory.
void reader_no_memory(reader *r);

int reader_decode(bridge_job *job);
int reader_planes(bridge_job *job);
int reader_check(bridge_job *job);
int reader_mend(bridge_job *job);

#endif
