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

static void keep_text(reader *r, const char *text)
{
	strncpy(r->report->text, text, sizeof(r->report->text) - 1);
	r->report->text[sizeof(r->report->text) - 1] = 0;
}

void reader_fail(reader *r, const char *text)
{
	keep_text(r, text);
	end(r, BRIDGE_FAILED);
}

void reader_no_memory(reader *r)
{
	keep_text(r, "malloc returned no memory");
	end(r, BRIDGE_NO_MEMORY);
}

// no_memory reports whether libjpeg fails because malloc did. libjpeg has the
// same code for sizes in a JPEG that it refuses; the number distinguishes them
// (out_of_memory in its jmemmgr.c).
static int no_memory(j_common_ptr c)
{
	int where = c->err->msg_parm.i[0];

	return c->err->msg_code == JERR_OUT_OF_MEMORY && (where == 0 || where == 2 || where == 4);
}

// fail ends the reading with libjpeg's text. If the bytes ended too early, the
// report already holds that text, which is more useful than the errors that
// follow from it.
static void fail(j_common_ptr c)
{
	reader *r = c->client_data;
	char text[JMSG_LENGTH_MAX];

	if (no_memory(c))
		reader_no_memory(r);
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
	if (r->job != NULL && (r->job->kind == JOB_CHECK || r->job->kind == JOB_MEND)) {
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

// check_stop ends the reading if the job must end. libjpeg calls watch only
// where it decodes.
static void check_stop(reader *r)
{
	if (__atomic_load_n(r->job->stop, __ATOMIC_RELAXED))
		end(r, BRIDGE_STOPPED);
}

// read_row reads one row.
static void read_row(reader *r, JSAMPARRAY row)
{
	if (jpeg_read_scanlines(&r->in, row, 1) != 1)
		reader_fail(r, "libjpeg made no row");
}

// read_rows has libjpeg write the pixels to dst.
static void read_rows(reader *r, const bridge_job *job)
{
	JSAMPROW rows[64];
	JDIMENSION n, i, end = job->top + job->rows;

	while (r->in.output_scanline < end) {
		for (n = 0; n < 64 && r->in.output_scanline + n < end; n++)
			rows[n] = row_at(job, r->in.output_scanline + n - job->top);
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

// EXACT_PARTS is set if jpeg_crop_scanline and jpeg_skip_scanlines of this
// libjpeg-turbo change no pixel. Versions before 2.1 had errors in them.
#define EXACT_PARTS (LIBJPEG_TURBO_VERSION_NUMBER >= 2001000)

// crop has libjpeg convert only the columns of the part, and some beside them:
// colors are interpolated between columns. It returns the first column that is
// read.
static JDIMENSION crop(reader *r, const bridge_job *job)
{
	JDIMENSION from, width, beside = r->in.max_h_samp_factor * DCTSIZE;

	if (!EXACT_PARTS || job->columns == (int) r->in.output_width || jpeg_has_multiple_scans(&r->in))
		return 0;
	from = (JDIMENSION) job->left > beside ? job->left - beside : 0;
	width = job->left + job->columns + beside - from;
	if (width > r->in.output_width - from)
		width = r->in.output_width - from;
	jpeg_crop_scanline(&r->in, &from, &width);
	return from;
}

// skip_rows reads on to the first row of the part.
static void skip_rows(reader *r, const bridge_job *job)
{
	enum { AT_ONCE = 256 }; // rows between two checks
	JDIMENSION top = job->top;
	JSAMPARRAY row = EXACT_PARTS ? NULL : one_row(r);

	while (r->in.output_scanline < top) {
		JDIMENSION n = top - r->in.output_scanline;

		check_stop(r);
		if (row != NULL)
			read_row(r, row);
		else if (jpeg_skip_scanlines(&r->in, n < AT_ONCE ? n : AT_ONCE) == 0)
			reader_fail(r, "libjpeg skipped no row");
	}
}

// read_part reads row by row, and copies the part's columns. inks means that
// the rows are CMYK, the only output that libjpeg supports for such a JPEG, and
// are converted.
static void read_part(reader *r, const bridge_job *job, int inks)
{
	JSAMPARRAY row = one_row(r);
	JDIMENSION from = crop(r, job);
	int bytes = inks ? 4 : tjPixelSize[job->format], y;
	const unsigned char *pixels = row[0] + (size_t) (job->left - from) * bytes;

	skip_rows(r, job);
	for (y = 0; y < job->rows; y++) {
		read_row(r, row);
		if (inks)
			convert(row_at(job, y), pixels, job->columns, job->format);
		else
			memcpy(row_at(job, y), pixels, (size_t) job->columns * bytes);
	}
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

// ---- what is common to pixels and planes ----

// close_strip has libjpeg read on to the marker after the strip, and so count
// the strip's extra bytes. It does not return. libjpeg does not expect that
// marker, so resync ends the reading, before any pixel of the row is written.
static void close_strip(reader *r, JSAMPIMAGE planes)
{
	r->closing = 1;
	if (planes != NULL)
		jpeg_read_raw_data(&r->in, planes, UINT_MAX);
	else
		jpeg_read_scanlines(&r->in, one_row(r), 1);
	reader_fail(r, "no marker behind a strip");
}

// close_part ends the reading behind a part of the picture. What follows the
// part is not read.
static void close_part(reader *r, JSAMPIMAGE planes)
{
	if (r->job->strip == STRIP_MORE)
		close_strip(r, planes);
	if (r->in.output_scanline >= r->in.output_height)
		reader_close(r);
}

// open_part reads the header, and sets what the job requires.
static void open_part(reader *r, const bridge_job *job)
{
	reader_open(r, (const unsigned char *) job->src, job->size);
	if (r->in.image_width != (JDIMENSION) job->width || r->in.image_height != (JDIMENSION) job->height)
		reader_fail(r, "the JPEG has another size than expected");
	r->in.scale_num = 1;
	r->in.scale_denom = job->reduce;
	r->in.dct_method = job->flags & TJFLAG_FASTDCT ? JDCT_FASTEST : JDCT_ISLOW;
	r->in.do_fancy_upsampling = !(job->flags & TJFLAG_FASTUPSAMPLE);
}

// ---- pixels ----

static void read_pixels(reader *r, bridge_job *job)
{
	int inks;

	open_part(r, job);
	inks = r->in.jpeg_color_space == JCS_CMYK || r->in.jpeg_color_space == JCS_YCCK;
	r->in.out_color_space = inks ? JCS_CMYK : orders[job->format];
	jpeg_start_decompress(&r->in);
	if (job->left + job->columns > (int) r->in.output_width || job->top + job->rows > (int) r->in.output_height)
		reader_fail(r, "the JPEG has another size than expected");
	inks = inks && job->format != TJPF_CMYK;
	if (inks || job->columns < (int) r->in.output_width) {
		read_part(r, job, inks);
	} else {
		skip_rows(r, job);
		read_rows(r, job);
	}
	close_part(r, NULL);
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

// ---- planes ----

#if JPEG_LIB_VERSION >= 70
#define BLOCK_SIZE(c) ((c)->DCT_v_scaled_size)
#define MIN_BLOCK_SIZE(in) ((in)->min_DCT_v_scaled_size)
#else
#define BLOCK_SIZE(c) ((c)->DCT_scaled_size)
#define MIN_BLOCK_SIZE(in) ((in)->min_DCT_scaled_size)
#endif

// check_planes checks that the JPEG's samples have the places that the job has
// for them.
static void check_planes(reader *r, const bridge_job *job)
{
	int i, units = round_up(r->in.image_height, r->in.max_v_samp_factor * DCTSIZE) / (r->in.max_v_samp_factor * DCTSIZE);

	if (r->in.num_components > BRIDGE_PLANES || job->top + job->rows > units)
		reader_fail(r, "the JPEG has other planes than expected");
	for (i = r->in.num_components; i < BRIDGE_PLANES; i++)
		if (job->planes[i].at != 0)
			reader_fail(r, "the JPEG has fewer planes than expected");
	for (i = 0; i < r->in.num_components; i++) {
		const jpeg_component_info *c = &r->in.comp_info[i];

		if (job->planes[i].at == 0 || c->v_samp_factor * BLOCK_SIZE(c) != job->planes[i].unit ||
		    (int64_t) c->width_in_blocks * BLOCK_SIZE(c) > job->planes[i].pitch)
			reader_fail(r, "the JPEG has other planes than expected");
	}
}

// need sets whether the rows of MCUs that are read next are needed. If not,
// libjpeg only reads their codes.
static void need(reader *r, boolean needed)
{
	int i;

	for (i = 0; i < r->in.num_components; i++)
		r->in.comp_info[i].component_needed = needed;
}

static void read_planes(reader *r, bridge_job *job)
{
	JSAMPROW rows[BRIDGE_PLANES][4 * DCTSIZE];
	JSAMPARRAY planes[BRIDGE_PLANES];
	int i, j, unit, at;

	open_part(r, job);
	r->in.out_color_space = r->in.jpeg_color_space;
	r->in.do_fancy_upsampling = FALSE;
	r->in.raw_data_out = TRUE;
	jpeg_start_decompress(&r->in);
	check_planes(r, job);
	unit = r->in.max_v_samp_factor * MIN_BLOCK_SIZE(&r->in);
	for (at = 0; at < job->top + job->rows; at++) {
		int skipped = at < job->top;

		need(r, !skipped);
		for (i = 0; i < r->in.num_components; i++) {
			const bridge_plane *p = &job->planes[i];
			unsigned char *first = (unsigned char *) p->at;

			if (!skipped)
				first += (size_t) (at - job->top) * (size_t) p->unit * (size_t) p->pitch;
			for (j = 0; j < p->unit; j++)
				rows[i][j] = first + (size_t) j * (size_t) p->pitch;
			planes[i] = rows[i];
		}
		if (jpeg_read_raw_data(&r->in, planes, unit) == 0)
			reader_fail(r, "libjpeg made no row");
	}
	need(r, FALSE);
	close_part(r, planes);
}

int reader_planes(bridge_job *job)
{
	reader r;

	reader_init(&r, job, &job->report);
	r.strict = job->strip != 0;
	if (setjmp(r.end) == 0)
		read_planes(&r, job);
	reader_free(&r);
	return r.result;
}
