// A scan is the Huffman codes of a sequential JPEG of one scan, which are read
// without decoding the picture.

#ifndef NETGEAR_TURBOJPEG_SCAN_H
#define NETGEAR_TURBOJPEG_SCAN_H

#include <stdint.h>

enum {
	SCAN_LOOK = 11,   // bits that one step looks at; more take more time, as the tables do not stay in cache
	SCAN_PAIRS = 2,   // of tables that have a default (T.81, K.3)
	SCAN_BLOCKS = 10, // in an MCU (T.81, B.2.3)
};

// scan_codes is a Huffman table (T.81, annex C).
typedef struct {
	uint8_t counts[17]; // how many codes have each length
	uint8_t values[256];
	int32_t limit[17];  // behind the last code of each length
	int32_t offset[17]; // from a code to its value's index
} scan_codes;

// scan_pair holds the tables of a component.
typedef struct {
	scan_codes dc, ac;
	uint32_t first[1 << SCAN_LOOK]; // the steps that begin a block
	uint32_t rest[1 << SCAN_LOOK];  // the others
} scan_pair;

// scan_state is a scan and how much of it has been read. It holds no pointers,
// so it may be in Go memory.
typedef struct {
	// Set by the caller.
	scan_pair pairs[SCAN_PAIRS];
	int blocks; // in an MCU
	uint8_t pair[SCAN_BLOCKS]; // each block's tables
	int64_t units;    // MCUs that have not been read
	int interval;     // MCUs between restart markers; 0: there are none
	int until;        // and until the next one; at first the same
	unsigned long at; // offset of the next byte

	// Zero before the first call.
	uint64_t buf; // the next bits, the first in the highest place
	int left;     // how many of them are valid
	int restarts; // markers so far
} scan_state;

// scan_build prepares a pair whose counts and values are set. It returns 0 if
// libjpeg refuses one of the tables.
int scan_build(scan_pair *pair);

enum { SCAN_MORE, SCAN_DONE, SCAN_ODD };

// scan_run reads up to so many MCUs. It returns SCAN_DONE behind the last MCU,
// with at as the offset of the byte behind its last bit. It returns SCAN_ODD if
// a code or a restart marker is missing or is another than T.81 allows.
int scan_run(scan_state *s, const unsigned char *jpeg, unsigned long size, int64_t units);

#endif
