// The writer encodes what TurboJPEG does not: planes of any offset and size,
// and pixels with alpha.

#ifndef NETGEAR_TURBOJPEG_WRITER_H
#define NETGEAR_TURBOJPEG_WRITER_H

#include "bridge.h"

// writer_write encodes the job's planes, or its pixels if it has any, into dst.
// The bytes are those of TurboJPEG for the same samples, quality and
// subsampling.
int writer_write(bridge_job *job);

#endif
