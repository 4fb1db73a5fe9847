// reader is one JPEG being read by libjpeg: its errors, its memory, and what may
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
	int cut;     // the bytes have come to an end before EOI
	int closing; // the marker behind a strip is being read; see close_strip
	int result;  // when it has ended early
	size_t room; // for the JPEG that reader_mend makes
} reader;

// reader_init prepares a reader that frees nothing yet; reader_free may follow
// at any time.
void reader_init(reader *r, bridge_job *job, bridge_report *report);
void reader_free(reader *r);

// What follows ends in a longjmp to r->end on an error.

// reader_open reads the header.
void reader_open(reader *r, const unsigned char *jpeg, unsigned long size);
// reader_close reads what is behind the last scan, and ends it.
void reader_close(reader *r);
// reader_fail ends the reading with an error of our own.
void reader_fail(reader *r, const char *text);

int reader_decode(bridge_job *job);
int reader_check(bridge_job *job);
int reader_mend(bridge_job *job);

#endif
