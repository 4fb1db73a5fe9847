// Fuzz targets in C for libFuzzer, which sees the coverage of the C code, and of
// libjpeg if that is built for it. TARGET is the function to build; see
// scripts/sanitize.sh. Go calls bridge.h's functions only with arguments that it
// has checked. So the targets choose arguments that pass these checks, and give
// each function memory of exactly the size that it may use.

#include "bridge.h"
#include "scan.h"

#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define MUST_BE_SET(at, n) __msan_check_mem_is_initialized(at, n)
#endif
#endif
#ifndef MUST_BE_SET
#define MUST_BE_SET(at, n) ((void) (at), (void) (n))
#endif

#define MUST(condition) \
	do { \
		if (!(condition)) \
			abort(); \
	} while (0)

// ---- the input ----

typedef struct {
	const uint8_t *at, *end;
} input;

static unsigned next(input *in) { return in->at < in->end ? *in->at++ : 0; }

// up_to returns a number of the input, 0 to limit.
static int up_to(input *in, int limit)
{
	unsigned high = next(in);

	return (int) ((high << 8 | next(in)) % ((unsigned) limit + 1));
}

// samples returns a block of so many bytes of the input, repeated.
static unsigned char *samples(const input *in, size_t n)
{
	unsigned char *block = malloc(n > 0 ? n : 1);
	size_t i, have = (size_t) (in->end - in->at);

	MUST(block != NULL);
	for (i = 0; i < n; i++)
		block[i] = have > 0 ? in->at[i % have] : (unsigned char) (i * 37);
	return block;
}

// ---- reading JPEGs ----

enum { PIXELS = 1 << 14, SCANS = 50 }; // of a picture that is fast to read

static int ceil_div(int n, int by) { return (n + by - 1) / by; }

static void decode(bridge_job *job, input *in, int inks)
{
	int across = ceil_div(job->width, job->reduce), down = ceil_div(job->height, job->reduce), channels, y;
	size_t n;
	unsigned char *dst;

	job->kind = JOB_DECODE;
	job->format = up_to(in, TJ_NUMPF - 1);
	if (job->format == TJPF_CMYK && !inks)
		job->format = TJPF_BGR;
	channels = tjPixelSize[job->format];
	job->left = up_to(in, across - 1);
	job->columns = 1 + up_to(in, across - job->left - 1);
	job->top = up_to(in, down - 1);
	job->rows = 1 + up_to(in, down - job->top - 1);
	job->pitch = job->columns * channels + up_to(in, 9);
	n = (size_t) (job->rows - 1) * (size_t) job->pitch + (size_t) (job->columns * channels);
	dst = malloc(n);
	MUST(dst != NULL);
	job->dst = (uintptr_t) dst;
	bridge_do(job);
	for (y = 0; y < job->rows && job->result == BRIDGE_OK; y++)
		MUST_BE_SET(dst + (size_t) y * (size_t) job->pitch, (size_t) (job->columns * channels));
	free(dst);
}

// planes gives each plane a width and a height of the input's: those that do not
// fit are refused.
static void planes(bridge_job *job, input *in, const bridge_report *header)
{
	unsigned char *at[BRIDGE_PLANES] = {NULL};
	int i, most = 1, units, n = 1 + up_to(in, BRIDGE_PLANES - 1);

	job->kind = JOB_PLANES;
	for (i = 0; i < header->components && i < 4; i++)
		most = header->down[i] > most ? header->down[i] : most;
	units = ceil_div(job->height, 8 * most);
	job->top = up_to(in, units - 1);
	job->rows = 1 + up_to(in, units - job->top - 1);
	for (i = 0; i < n; i++) {
		job->planes[i].unit = 1 << up_to(in, 5);
		job->planes[i].pitch = 8 * up_to(in, ceil_div(job->width, 8) + 2);
		at[i] = malloc((size_t) job->rows * (size_t) (job->planes[i].unit * job->planes[i].pitch) + 1);
		MUST(at[i] != NULL);
		job->planes[i].at = (uintptr_t) at[i];
	}
	bridge_do(job);
	for (i = 0; i < BRIDGE_PLANES; i++)
		free(at[i]);
}

// fuzz_read reads a JPEG in one of all ways: to pixels, to planes, checked and
// written again.
static int fuzz_read(const uint8_t *data, size_t size)
{
	input in = {data, data + (size < 32 ? size : 32)};
	const uint8_t *jpeg = in.end;
	bridge_report header;
	bridge_job job;
	static const int stop = 0;
	int inks, kind = (int) next(&in);
	unsigned char *copy;

	size -= (size_t) (jpeg - data);
	if (size == 0)
		return 0;
	copy = malloc(size);
	MUST(copy != NULL);
	memcpy(copy, jpeg, size);
	if (bridge_header(copy, size, &header) == BRIDGE_OK && (int64_t) header.width * header.height <= PIXELS) {
		MUST(header.width > 0 && header.height > 0 && header.coefficients > 0 && header.scan <= size);
		memset(&job, 0, sizeof job);
		job.src = (uintptr_t) copy;
		job.size = size;
		job.width = header.width;
		job.height = header.height;
		job.reduce = 1 << up_to(&in, 3);
		job.flags = up_to(&in, 1) * TJFLAG_FASTDCT | up_to(&in, 1) * TJFLAG_FASTUPSAMPLE;
		job.strip = up_to(&in, 2);
		job.max_scans = SCANS;
		job.memory = (header.multi_scan ? header.coefficients : 0) + (1 << 20) + 256 * header.width;
		job.stop = &stop;
		inks = header.colorspace == JCS_CMYK || header.colorspace == JCS_YCCK;
		switch (kind % 4) {
		case 0:
			decode(&job, &in, inks);
			break;
		case 1:
			planes(&job, &in, &header);
			break;
		default:
			job.kind = kind % 4 == 2 ? JOB_CHECK : JOB_MEND;
			job.strip = 0;
			job.memory += header.coefficients + (int64_t) size;
			bridge_do(&job);
			MUST((job.out != NULL) == (job.kind == JOB_MEND && job.result == BRIDGE_OK));
			if (job.out != NULL) {
				MUST_BE_SET(job.out, job.report.size);
				MUST(bridge_header(job.out, job.report.size, &header) == BRIDGE_OK && header.width == job.width && header.height == job.height);
			}
			free(job.out);
		}
		MUST(memchr(job.report.text, 0, sizeof job.report.text) != NULL && job.result != BRIDGE_STOPPED);
	}
	free(copy);
	return 0;
}

// ---- Huffman codes ----

static void codes(scan_codes *c, input *in, int dc)
{
	int i, n = 0;

	for (i = 1; i <= 16; i++) {
		int count = (int) next(in);

		n += c->counts[i] = (uint8_t) (n + count > 256 ? 256 - n : count);
	}
	for (i = 0; i < n; i++)
		c->values[i] = (uint8_t) (next(in) & (dc ? 15 : 255));
}

// fuzz_scan reads codes with tables of the input. Reading in steps of any size
// has the same result, at the same offset, as reading at once.
static int fuzz_scan(const uint8_t *data, size_t size)
{
	static scan_state once, steps;
	input in = {data, data + size};
	unsigned char *scan;
	size_t n;
	int i, at_once, in_steps = SCAN_MORE, step;

	memset(&once, 0, sizeof once);
	step = 1 + up_to(&in, 300);
	once.blocks = 1 + up_to(&in, SCAN_BLOCKS - 1);
	for (i = 0; i < once.blocks; i++)
		once.pair[i] = (uint8_t) up_to(&in, SCAN_PAIRS - 1);
	once.units = 1 + up_to(&in, 5000);
	once.interval = once.until = up_to(&in, 40);
	for (i = 0; i < SCAN_PAIRS; i++) {
		codes(&once.pairs[i].dc, &in, 1);
		codes(&once.pairs[i].ac, &in, 0);
		if (!scan_build(&once.pairs[i]))
			return 0;
	}
	n = (size_t) (in.end - in.at);
	scan = samples(&in, n);
	steps = once;
	at_once = scan_run(&once, scan, n, INT64_MAX);
	MUST(at_once == SCAN_DONE || at_once == SCAN_ODD);
	while (in_steps == SCAN_MORE)
		in_steps = scan_run(&steps, scan, n, step);
	MUST(in_steps == at_once);
	if (at_once == SCAN_DONE)
		MUST(once.at <= n && steps.at == once.at && steps.restarts == once.restarts);
	free(scan);
	return 0;
}

// ---- pixels ----

enum { SIDE = 70 }; // the longest of a picture

static void reorder(input *in)
{
	static const int formats[] = {TJPF_RGB, TJPF_BGR, TJPF_RGBX, TJPF_BGRX, TJPF_XBGR, TJPF_XRGB, TJPF_RGBA, TJPF_BGRA, TJPF_ABGR, TJPF_ARGB};
	int from = formats[up_to(in, 9)], to = formats[up_to(in, 9)], width = 1 + up_to(in, SIDE), height = 1 + up_to(in, 5);
	int src_pitch = width * tjPixelSize[from] + up_to(in, 5), dst_pitch = width * tjPixelSize[to] + up_to(in, 5), x, y;
	unsigned char *src = samples(in, (size_t) ((height - 1) * src_pitch + width * tjPixelSize[from]));
	unsigned char *dst = malloc((size_t) ((height - 1) * dst_pitch + width * tjPixelSize[to]));

	MUST(dst != NULL);
	bridge_reorder(dst, dst_pitch, to, src, src_pitch, from, width, height);
	for (y = 0; y < height; y++) {
		MUST_BE_SET(dst + y * dst_pitch, (size_t) (width * tjPixelSize[to]));
		for (x = 0; x < width; x++) {
			const unsigned char *a = src + y * src_pitch + x * tjPixelSize[from], *b = dst + y * dst_pitch + x * tjPixelSize[to];

			MUST(a[tjRedOffset[from]] == b[tjRedOffset[to]] && a[tjGreenOffset[from]] == b[tjGreenOffset[to]] && a[tjBlueOffset[from]] == b[tjBlueOffset[to]]);
		}
	}
	free(src);
	free(dst);
}

static void flatten(input *in)
{
	int width = 1 + up_to(in, 2 * 1024 + 3), height = 1 + up_to(in, 2), src_pitch = 4 * width + up_to(in, 5), dst_pitch = 3 * width + up_to(in, 5);
	unsigned char *src = samples(in, (size_t) ((height - 1) * src_pitch + 4 * width));
	unsigned char *dst = malloc((size_t) ((height - 1) * dst_pitch + 3 * width));

	MUST(dst != NULL);
	bridge_flatten_bgr(dst, dst_pitch, src, src_pitch, width, height);
	MUST_BE_SET(dst + (height - 1) * dst_pitch, (size_t) (3 * width));
	free(src);
	free(dst);
}

static void planes_bgr(input *in)
{
	int width = 1 + up_to(in, SIDE), height = 1 + up_to(in, SIDE), columns, rows, dst_pitch = 3 * width + up_to(in, 5);
	unsigned char *y, *cb, *cr, *dst = malloc((size_t) ((height - 1) * dst_pitch + 3 * width));
	bridge_planes p;

	MUST(dst != NULL);
	p.across = 1 << up_to(in, 2);
	p.down = 1 + up_to(in, 1);
	p.dx = up_to(in, p.across - 1);
	p.dy = up_to(in, p.down - 1);
	p.y_pitch = width + up_to(in, 5);
	columns = ceil_div(width + p.dx, p.across);
	rows = ceil_div(height + p.dy, p.down);
	p.c_pitch = columns + up_to(in, 5);
	p.y = y = samples(in, (size_t) ((height - 1) * p.y_pitch + width));
	p.cb = cb = samples(in, (size_t) ((rows - 1) * p.c_pitch + columns));
	p.cr = cr = samples(in, (size_t) ((rows - 1) * p.c_pitch + columns));
	bridge_planes_bgr(dst, dst_pitch, p, width, height);
	MUST_BE_SET(dst + (height - 1) * dst_pitch, (size_t) (3 * width));
	free(y);
	free(cb);
	free(cr);
	free(dst);
}

static void shrink(input *in)
{
	int width = 1 + up_to(in, SIDE), height = 1 + up_to(in, SIDE), alpha = up_to(in, 1), channels = alpha ? 4 : 1 + up_to(in, 3);
	int dst_width = 1 + up_to(in, width - 1), dst_height = 1 + up_to(in, height - 1), pitch = width * channels + up_to(in, 5), x, y;
	unsigned char low = 255, high = 0, *src = samples(in, (size_t) ((height - 1) * pitch + width * channels));
	unsigned char *dst = malloc((size_t) (dst_width * dst_height * channels));

	MUST(dst != NULL);
	for (y = 0; y < height; y++)
		for (x = 0; x < width * channels; x++) {
			low = src[y * pitch + x] < low ? src[y * pitch + x] : low;
			high = src[y * pitch + x] > high ? src[y * pitch + x] : high;
		}
	MUST(bridge_shrink(dst, dst_width, dst_height, src, pitch, width, height, channels, alpha ? BRIDGE_MULTIPLY : BRIDGE_AS_IS) == BRIDGE_OK);
	MUST_BE_SET(dst, (size_t) (dst_width * dst_height * channels));
	for (x = 0; x < dst_width * dst_height * channels && !alpha; x++)
		MUST(dst[x] >= low && dst[x] <= high);
	free(src);
	free(dst);
}

// fuzz_pixels converts and scales pixels.
static int fuzz_pixels(const uint8_t *data, size_t size)
{
	static void (*const ways[])(input *) = {reorder, flatten, planes_bgr, shrink};
	input in = {data, data + size};

	ways[up_to(&in, 3)](&in);
	return 0;
}

// ---- writing JPEGs ----

// write_planes sets the planes of a job, and returns their memory.
static void write_planes(bridge_job *job, input *in, unsigned char *memory[BRIDGE_PLANES])
{
	int i;

	job->kind = JOB_WRITE;
	for (i = 0; i < (job->across == 0 ? 1 : BRIDGE_PLANES); i++) {
		bridge_plane *p = &job->planes[i];
		int columns = i == 0 ? job->width : ceil_div(job->width, job->across), rows = i == 0 ? job->height : ceil_div(job->height, job->down);

		p->x_step = p->y_step = 1;
		if (i > 0 && job->across == 1)
			p->dx = up_to(in, (p->x_step = 1 << up_to(in, 2)) - 1);
		if (i > 0 && job->down == 1)
			p->dy = up_to(in, (p->y_step = 1 + up_to(in, 1)) - 1);
		columns = (columns - 1 + p->dx) / p->x_step + 1;
		rows = (rows - 1 + p->dy) / p->y_step + 1;
		p->pitch = columns + up_to(in, 5);
		memory[i] = samples(in, (size_t) ((rows - 1) * p->pitch + columns));
		p->at = (uintptr_t) memory[i];
	}
}

// fuzz_write writes JPEGs, into memory that may be too small.
static int fuzz_write(const uint8_t *data, size_t size)
{
	static tjhandle encoder;
	static const int stop = 0;
	static const struct {
		int across, down, subsamp;
	} mcus[] = {{0, 0, TJSAMP_GRAY}, {1, 1, TJSAMP_444}, {2, 1, TJSAMP_422}, {2, 2, TJSAMP_420}, {1, 2, TJSAMP_440}, {4, 1, TJSAMP_411}};
	input in = {data, data + size};
	unsigned char *memory[BRIDGE_PLANES] = {NULL}, *dst;
	int way = up_to(&in, 2), mcu = up_to(&in, 5);
	size_t room;
	bridge_job job;
	bridge_report header;

	if (encoder == NULL)
		encoder = tjInitCompress();
	MUST(encoder != NULL);
	memset(&job, 0, sizeof job);
	job.encoder = encoder;
	job.stop = &stop;
	job.width = 1 + up_to(&in, SIDE);
	job.height = 1 + up_to(&in, SIDE);
	job.quality = 1 + up_to(&in, 99);
	job.flags = up_to(&in, 1) * TJFLAG_FASTDCT;
	job.across = mcus[mcu].across;
	job.down = mcus[mcu].down;
	job.subsamp = mcus[mcu].subsamp;
	room = 2048 + (size_t) ((job.width + 32) * (job.height + 32)) * 8; // more than Picture.bound
	if (way == 0) {
		job.restart_rows = up_to(&in, 3);
		room = (size_t) up_to(&in, 9000);
		write_planes(&job, &in, memory);
	} else {
		int channels;

		job.kind = way == 1 ? JOB_WRITE : JOB_ENCODE;
		job.format = way == 1 ? TJPF_RGBX : up_to(&in, TJ_NUMPF - 2); // all but CMYK, which needs more room
		if (job.format == TJPF_GRAY)
			job.subsamp = TJSAMP_GRAY;
		channels = tjPixelSize[job.format];
		job.pitch = job.width * channels + up_to(&in, 5);
		memory[0] = samples(&in, (size_t) ((job.height - 1) * job.pitch + job.width * channels));
		job.src = (uintptr_t) memory[0];
	}
	dst = malloc(room > 0 ? room : 1);
	MUST(dst != NULL);
	job.dst = (uintptr_t) dst;
	job.capacity = room;
	if (room > 0)
		bridge_do(&job);
	if (room > 0 && job.result == BRIDGE_OK) {
		MUST(job.report.size <= room);
		MUST_BE_SET(dst, job.report.size);
		MUST(bridge_header(dst, job.report.size, &header) == BRIDGE_OK && header.width == job.width && header.height == job.height);
	} else {
		MUST(room == 0 || (job.result == BRIDGE_TOO_SMALL && job.report.size > room));
	}
	free(dst);
	free(memory[0]);
	free(memory[1]);
	free(memory[2]);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void) fuzz_read, (void) fuzz_scan, (void) fuzz_pixels, (void) fuzz_write;
	return TARGET(data, size);
}
