#include "bridge.h"

#include <string.h>

// keep_error copies TurboJPEG's text before the handle that owns it goes away.
static void keep_error(tjhandle handle, bridge_report *report)
{
	strncpy(report->error, tjGetErrorStr2(handle), sizeof(report->error) - 1);
	report->error[sizeof(report->error) - 1] = 0;
}

// read_header works like simplejpeg: a warning (TurboJPEG returns -1 for it too) is an error.
static int read_header(tjhandle handle, const unsigned char *jpeg, unsigned long size, bridge_report *report)
{
	report->width = report->height = -1;
	if (tjDecompressHeader3(handle, jpeg, size, &report->width, &report->height,
	                        &report->subsamp, &report->colorspace) != 0)
		return BRIDGE_FAILED;
	// TurboJPEG 2 says OK to a stream of tables without a picture and sets nothing.
	return report->width > 0 && report->height > 0 ? BRIDGE_OK : BRIDGE_FAILED;
}

int bridge_header(const unsigned char *jpeg, unsigned long size, bridge_report *report)
{
	int result;
	tjhandle handle = tjInitDecompress();

	report->error[0] = 0;
	if (handle == NULL)
		return BRIDGE_FAILED;
	result = read_header(handle, jpeg, size, report);
	if (result != BRIDGE_OK)
		keep_error(handle, report);
	tjDestroy(handle);
	return result;
}

// Every picture gets a new handle, as in simplejpeg: a handle keeps the tables of the picture
// before, and a JPEG that lacks its own would decode with those of a stranger.
static int decode(bridge_job *job)
{
	int result = BRIDGE_OK;
	tjhandle handle = tjInitDecompress();

	if (handle == NULL)
		return BRIDGE_FAILED;
	if (tjDecompress2(handle, (const unsigned char *) job->src, job->size, (unsigned char *) job->dst, job->width, job->pitch, job->height,
	                  job->format, job->flags) != 0) {
		keep_error(handle, &job->report);
		result = BRIDGE_FAILED;
	}
	tjDestroy(handle);
	return result;
}

// encode_grown lets TurboJPEG find the room itself and copies the JPEG if dst can hold it.
static int encode_grown(bridge_job *job)
{
	int result = BRIDGE_OK;
	unsigned char *grown = NULL;
	unsigned long size = 0;

	if (tjCompress2(job->encoder, (const unsigned char *) job->src, job->width, job->pitch, job->height, job->format,
	                &grown, &size, job->subsamp, job->quality, job->flags) != 0) {
		keep_error(job->encoder, &job->report);
		result = BRIDGE_FAILED;
	} else if (size > job->room) {
		result = BRIDGE_TOO_SMALL;
	} else {
		memcpy((unsigned char *) job->dst, grown, size);
	}
	job->report.size = size;
	tjFree(grown);
	return result;
}

// With TJFLAG_NOREALLOC TurboJPEG writes into dst and nowhere else, but takes its length to be
// tjBufSize() whatever it is told. A noisy picture at a high quality can need more (CMYK: tjBufSize
// forgets that K is not subsampled), and only then the work is done a second time.
static int encode(bridge_job *job)
{
	unsigned char *out = (unsigned char *) job->dst;

	job->report.size = job->room;
	if (tjCompress2(job->encoder, (const unsigned char *) job->src, job->width, job->pitch, job->height, job->format,
	                &out, &job->report.size, job->subsamp, job->quality, job->flags | TJFLAG_NOREALLOC) == 0)
		return BRIDGE_OK;
	return encode_grown(job);
}

void bridge_do(bridge_job *job)
{
	job->report.error[0] = 0;
	job->result = job->encoder != NULL ? encode(job) : decode(job);
}
