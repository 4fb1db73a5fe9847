// The few C functions that Go calls: each is one picture, one crossing.

#ifndef NETGEAR_TURBOJPEG_BRIDGE_H
#define NETGEAR_TURBOJPEG_BRIDGE_H

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

int bridge_decode(const unsigned char *jpeg, unsigned long size,
                  unsigned char *dst, int width, int pitch, int height,
                  int format, int flags, bridge_report *report);

int bridge_encode(tjhandle handle, const unsigned char *pix,
                  int width, int pitch, int height, int format,
                  int subsamp, int quality, int flags,
                  unsigned char *dst, unsigned long room, bridge_report *report);

#endif
