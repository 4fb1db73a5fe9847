#include "reader.h"

#include <jerror.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

// ---- how a reading ends ----

static void end(reader *r, int result)
{
	r->result = result;
	longjmp(r->end, 1);
}

void reader_fail(reader *r, const char *text)
{
	strncpy(r->report->text, text, sizeof(r->report->text) - 1);
	r->report->text[sizeof(r->report->text) - 1] = 0;
	end(r, BRIDGE_FAILED);
}

// fail ends the reading with libjpeg's text. If the bytes ended too early, the
// report already holds that text, which is more useful than the errors that
// follow from it.
static void fail(j_common_ptr c)
{
	reader *r = c->client_data;
	char text[JMSG_LENGTH_MAX];

	if (r->cut)
		end(r, BRIDGE_FAILED);
	(*c->err->format_message)(c, text);
	reader_fail(r, text);
}

// harmless reports whether the picture is complete although libjpeg warns.
// These are all the warnings of libjpeg 6b to 9 and libjpeg-turbo 1.0 to 3.1:
//
//   JWRN_EXTRANEOUS_DATA   harmless from the first scan on: bytes before a marker
//                          were skipped. In the header they may have been a table.
//   JWRN_JFIF_MAJOR        harmless: an unknown JFIF version, which changes nothing
//   JWRN_NOT_SEQUENTIAL    harmless: SOS parameters that a sequential JPEG does not use
//   JWRN_BOGUS_ICC         harmless: a bad color profile, which is not used here
//   JWRN_JPEG_EOF          harmless where only EOI is missing: with one scan of
//                          Huffman codes, lacking codes bring JWRN_HIT_MARKER.
//                          Otherwise scans may be missing.
//   JWRN_HIT_MARKER        damage: codes are missing
//   JWRN_HUFF_BAD_CODE     damage: no such code
//   JWRN_ARITH_BAD_CODE    damage: no such code
//   JWRN_MUST_RESYNC       damage: a restart interval is missing or is another
//   JWRN_BOGUS_PROGRESSION damage: scans that do not fit each other
//   JWRN_ADOBE_XFORM       damage: how colors are stored would be a guess
//   JWRN_TOO_MUCH_DATA     damage: never comes, as only rows that exist are asked for
//
// A warning that a later libjpeg adds counts as damage.
static int harmless(const reader *r, int code)
{
	switch (code) {
	case JWRN_EXTRANEOUS_DATA:
		return r->in.input_scan_number > 0;
	case JWRN_JFIF_MAJOR:
	case JWRN_NOT_SEQUENTIAL:
	case JWRN_BOGUS_ICC:
		return 1;
	case JWRN_JPEG_EOF:
		return r->in.input_scan_number == 1 && r->in.comps_in_scan == r->in.num_components &&
		       !r->in.progressive_mode && !r->in.arith_code;
	}
	return 0;
}

static void warn(j_common_ptr c, int level)
{
	reader *r = c->client_data;
	int code = c->err->msg_code;

	if (level >= 0)
		return; // a trace, not a warning
	if (r->closing && code == JWRN_MUST_RESYNC)
		return; // caused by the marker that strip() appended
	if (!harmless(r, code) || r->strict)
		fail(c);
	if (r->report->warnings++ == 0 || code == JWRN_JPEG_EOF)
		(*c->err->format_message)(c, r->report->text);
	r->cut |= code == JWRN_JPEG_EOF;
}

static void no_output(j_common_ptr c) { (void) c; }

// watch checks the limits. libjpeg calls it for each row of MCUs.
static void watch(j_common_ptr c)
{
	reader *r = c->client_data;

	if (__atomic_load_n(r->job->stop, __ATOMIC_RELAXED))
		end(r, BRIDGE_STOPPED);
	if (r->in.input_scan_number > r->job->max_scans)
		reader_fail(r, "more scans than the limit allows");
}

// ---- the bytes ----

static void no_source(j_decompress_ptr in) { (void) in; }

// supply_eoi replaces missing bytes with an EOI, as often as libjpeg reads.
static boolean supply_eoi(j_decompress_ptr in)
{
	static const JOCTET eoi[] = {0xFF, JPEG_EOI};

	WARNMS(in, JWRN_JPEG_EOF);
	in->src->next_input_byte = eoi;
	in->src->bytes_in_buffer = sizeof eoi;
	return TRUE;
}

static void skip(j_decompress_ptr in, long n)
{
	struct jpeg_source_mgr *src = in->src;

	if (n <= 0)
		return;
	if ((size_t) n > src->bytes_in_buffer) {
		supply_eoi(in);
		return;
	}
	src->next_input_byte += n;
	src->bytes_in_buffer -= n;
}

// resync handles a marker that libjpeg does not expect. libjpeg calls it.
static boolean resync(j_decompress_ptr in, int desired)
{
	reader *r = in->client_data;
	boolean done = jpeg_resync_to_restart(in, desired);

	if (r->closing)
		end(r, BRIDGE_OK);
	return done;
}

// ---- a reader ----

void reader_init(reader *r, bridge_job *job, bridge_report *report)
{
	memset(r, 0, sizeof *r);
	r->job = job;
	r->report = report;
	r->in.err = r->out.err = jpeg_std_error(&r->err);
	r->in.client_data = r->out.client_data = r;
	r->err.error_exit = fail;
	r->err.emit_message = warn;
	r->err.output_message = no_output;
	r->progress.progress_monitor = watch;
}

void reader_free(reader *r)
{
	jpeg_destroy_compress(&r->out);
	jpeg_destroy_decompress(&r->in);
}

// Every picture has a new decompressor, as in simplejpeg. A used one keeps its
// tables, which a JPEG without tables would then use.
void reader_open(reader *r, const unsigned char *jpeg, unsigned long size)
{
	jpeg_create_decompress(&r->in);
	if (r->job != NULL) {
		r->in.progress = &r->progress;
		r->in.mem->max_memory_to_use = r->job->memory < LONG_MAX ? (long) r->job->memory : LONG_MAX;
	}
	if (r->job != NULL && r->job->kind != JOB_DECODE) {
		// libjpeg checks color profiles, and rewrite copies markers.
		int marker;

		for (marker = 0; marker < 16; marker++)
			jpeg_save_markers(&r->in, JPEG_APP0 + marker, 0xFFFF);
		jpeg_save_markers(&r->in, JPEG_COM, 0xFFFF);
	}
	r->src.init_source = r->src.term_source = no_source;
	r->src.fill_input_buffer = supply_eoi;
	r->src.skip_input_data = skip;
	r->src.resync_to_restart = resync;
	r->src.next_input_byte = jpeg;
	r->src.bytes_in_buffer = size;
	r->in.src = &r->src;
	jpeg_read_header(&r->in, TRUE);
}

// round_up rounds n up to a multiple of unit.
static int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// describe copies the header into the report.
static void describe(reader *r, unsigned long size)
{
	bridge_report *report = r->report;
	int i;

	report->width = r->in.image_width;
	report->height = r->in.image_height;
	report->colorspace = r->in.jpeg_color_space;
	report->components = r->in.num_components;
	report->multi_scan = jpeg_has_multiple_scans(&r->in);
	report->scan = size - r->src.bytes_in_buffer;
	report->coefficients = 0;
	for (i = 0; i < r->in.num_components; i++) {
		const jpeg_component_info *c = &r->in.comp_info[i];

		if (i < 4) {
			report->across[i] = c->h_samp_factor;
			report->down[i] = c->v_samp_factor;
		}
		report->coefficients += round_up(c->width_in_blocks, c->h_samp_factor) *
		                        round_up(c->height_in_blocks, c->v_samp_factor) * sizeof(JBLOCK);
	}
}

int bridge_header(const unsigned char *jpeg, unsigned long size, bridge_report *report)
{
	reader r;

	report->text[0] = 0;
	report->warnings = 0;
	reader_init(&r, NULL, report);
	if (setjmp(r.end) == 0) {
		reader_open(&r, jpeg, size);
		describe(&r, size);
	}
	reader_free(&r);
	return r.result;
}

// ---- pixels ----

// orders maps TurboJPEG's numbers to libjpeg-turbo's.
static const J_COLOR_SPACE orders[TJ_NUMPF] = {
	JCS_EXT_RGB, JCS_EXT_BGR, JCS_EXT_RGBX, JCS_EXT_BGRX, JCS_EXT_XBGR, JCS_EXT_XRGB,
	JCS_GRAYSCALE, JCS_EXT_RGBA, JCS_EXT_BGRA, JCS_EXT_ABGR, JCS_EXT_ARGB, JCS_CMYK};

static unsigned char *row_at(const bridge_job *job, JDIMENSION y)
{
	return (unsigned char *) job->dst + (size_t) y * (size_t) job->pitch;
}

// convert converts one row of CMYK to another colorspace with the formulas of
// simplejpeg's _color.c. They are for CMYK as Adobe stores it in JPEGs:
// inverted, 255 being no ink.
static void convert(unsigned char *dst, const unsigned char *cmyk, int width, int format)
{
	int channels = tjPixelSize[format], x;

	if (channels == 4)
		memset(dst, 255, (size_t) width * 4); // the X or the alpha
	for (x = 0; x < width; x++, cmyk += 4, dst += channels) {
		int k = cmyk[3];
		int r = k - ((255 - cmyk[0]) * k >> 8);
		int g = k - ((255 - cmyk[1]) * k >> 8);
		int b = k - ((255 - cmyk[2]) * k >> 8);

		if (format == TJPF_GRAY) {
			dst[0] = (r * 4899 + g * 9617 + b * 1868 + 8192) >> 14;
			continue;
		}
		dst[tjRedOffset[format]] = r;
		dst[tjGreenOffset[format]] = g;
		dst[tjBlueOffset[format]] = b;
	}
}

// read_rows has libjpeg write the pixels to dst.
static void read_rows(reader *r, const bridge_job *job)
{
	JSAMPROW rows[64];
	JDIMENSION n, i;

	while (r->in.output_scanline < (JDIMENSION) job->height) {
		for (n = 0; n < 64 && r->in.output_scanline + n < (JDIMENSION) job->height; n++)
			rows[n] = row_at(job, r->in.output_scanline + n);
		i = jpeg_read_scanlines(&r->in, rows, n);
		if (i == 0)
			reader_fail(r, "libjpeg made no row");
	}
}

// one_row allocates a row of any format, which is freed with the reader.
static JSAMPARRAY one_row(reader *r)
{
	return (*r->in.mem->alloc_sarray)((j_common_ptr) &r->in, JPOOL_IMAGE, r->in.output_width * 4, 1);
}

// read_converted decodes to a row of CMYK, the only output that libjpeg
// supports for such a JPEG, and converts it.
static void read_converted(reader *r, const bridge_job *job)
{
	JSAMPARRAY row = one_row(r);
	JDIMENSION y;

	for (y = 0; y < (JDIMENSION) job->height; y++) {
		if (jpeg_read_scanlines(&r->in, row, 1) != 1)
			reader_fail(r, "libjpeg made no row");
		convert(row_at(job, y), row[0], job->width, job->format);
	}
}

// close_strip has libjpeg read on to the marker after the strip, and so count
// the strip's extra bytes. It does not return. libjpeg does not expect that
// marker, so resync ends the reading, before any pixel of the row is written.
static void close_strip(reader *r)
{
	JSAMPARRAY row = one_row(r);

	r->closing = 1;
	jpeg_read_scanlines(&r->in, row, 1);
	reader_fail(r, "no marker behind a strip");
}

// reader_close searches for EOI within REST bytes after the last scan. Without
// that limit libjpeg would read everything that follows in one call.
void reader_close(reader *r)
{
	enum { REST = 32 << 20 };

	if (r->src.bytes_in_buffer > REST)
		r->src.bytes_in_buffer = REST;
	jpeg_finish_decompress(&r->in);
}

static void read_pixels(reader *r, bridge_job *job)
{
	int cmyk, height = job->height + (job->strip == STRIP_MORE ? DCTSIZE : 0);

	reader_open(r, (const unsigned char *) job->src, job->size);
	if (r->in.image_width != (JDIMENSION) job->width || r->in.image_height != (JDIMENSION) height)
		reader_fail(r, "the JPEG has another size than expected");
	cmyk = r->in.jpeg_color_space == JCS_CMYK || r->in.jpeg_color_space == JCS_YCCK;
	r->in.out_color_space = cmyk ? JCS_CMYK : orders[job->format];
	r->in.dct_method = job->flags & TJFLAG_FASTDCT ? JDCT_FASTEST : JDCT_ISLOW;
	r->in.do_fancy_upsampling = !(job->flags & TJFLAG_FASTUPSAMPLE);
	jpeg_start_decompress(&r->in);
	if (cmyk && job->format != TJPF_CMYK)
		read_converted(r, job);
	else
		read_rows(r, job);
	if (job->strip == STRIP_MORE)
		close_strip(r);
	reader_close(r);
}

int reader_decode(bridge_job *job)
{
	reader r;

	reader_init(&r, job, &job->report);
	r.strict = job->strip != 0;
	if (setjmp(r.end) == 0)
		read_pixels(&r, job);
	reader_free(&r);
	return r.result;
}
