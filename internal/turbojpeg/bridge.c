#include "bridge.h"
#include "reader.h"
#include "writer.h"

#include <stdlib.h>
#include <string.h>

// keep_error copies TurboJPEG's text before the handle that owns it is
// destroyed.
static void keep_error(tjhandle handle, bridge_report *report)
{
	strncpy(report->text, tjGetErrorStr2(handle), sizeof(report->text) - 1);
	report->text[sizeof(report->text) - 1] = 0;
}

// encode_grown has TurboJPEG allocate the memory, and copies the JPEG if dst
// can hold it.
static int encode_grown(bridge_job *job)
{
	int result = BRIDGE_OK;
	unsigned char *grown = NULL;
	unsigned long size = 0;

	if (tjCompress2(job->encoder, (const unsigned char *) job->src, job->width, job->pitch, job->height, job->format,
	                &grown, &size, job->subsamp, job->quality, job->flags) != 0) {
		keep_error(job->encoder, &job->report);
		result = BRIDGE_FAILED;
	} else if (size > job->capacity) {
		result = BRIDGE_TOO_SMALL;
	} else {
		memcpy((unsigned char *) job->dst, grown, size);
	}
	job->report.size = size;
	tjFree(grown);
	return result;
}

// encode passes TJFLAG_NOREALLOC, with which TurboJPEG writes only into dst. It
// then ignores the length passed and assumes tjBufSize(). A noisy picture at a
// high quality can need more, as tjBufSize() ignores that K of CMYK is not
// subsampled. Only then the picture is encoded a second time.
static int encode(bridge_job *job)
{
	unsigned char *out = (unsigned char *) job->dst;

	job->report.size = job->capacity;
	if (tjCompress2(job->encoder, (const unsigned char *) job->src, job->width, job->pitch, job->height, job->format,
	                &out, &job->report.size, job->subsamp, job->quality, job->flags | TJFLAG_NOREALLOC) == 0)
		return BRIDGE_OK;
	return encode_grown(job);
}

void bridge_do(bridge_job *job)
{
	job->report.text[0] = 0;
	job->report.warnings = 0;
	switch (job->kind) {
	case JOB_ENCODE:
		job->result = encode(job);
		break;
	case JOB_DECODE:
		job->result = reader_decode(job);
		break;
	case JOB_CHECK:
		job->result = reader_check(job);
		break;
	case JOB_MEND:
		job->result = reader_mend(job);
		break;
	case JOB_PLANES:
		job->result = reader_planes(job);
		break;
	case JOB_WRITE:
		job->result = writer_write(job);
		break;
	}
}

void ng_batch_stop(ng_batch *b)
{
	__atomic_store_n(&b->stop, 1, __ATOMIC_RELAXED);
}
