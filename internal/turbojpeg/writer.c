#include "writer.h"

#include <setjmp.h>
#include <string.h>

// writer is one JPEG that libjpeg writes.
typedef struct {
	struct jpeg_compress_struct out;
	struct jpeg_error_mgr err;
	struct jpeg_destination_mgr dst;
	jmp_buf end;
	bridge_job *job;
	int result;         // of a writing that ended early
	unsigned long lost; // bytes that dst had no room for
	int full;           // dst has no more room: spill takes the rest
	JOCTET spill[4096];
} writer;

static void end(writer *w, int result)
{
	w->result = result;
	longjmp(w->end, 1);
}

static void fail(j_common_ptr c)
{
	writer *w = c->client_data;
	char text[JMSG_LENGTH_MAX];

	(*c->err->format_message)(c, text);
	strncpy(w->job->report.text, text, sizeof(w->job->report.text) - 1);
	w->job->report.text[sizeof(w->job->report.text) - 1] = 0;
	end(w, BRIDGE_FAILED);
}

static void no_output(j_common_ptr c) { (void) c; }

// ---- the bytes ----

static void no_destination(j_compress_ptr out) { (void) out; }

// overflow counts the bytes that do not fit, so that the error has the size of
// the whole JPEG.
static boolean overflow(j_compress_ptr out)
{
	writer *w = out->client_data;

	if (w->full)
		w->lost += sizeof w->spill;
	w->full = 1;
	w->dst.next_output_byte = w->spill;
	w->dst.free_in_buffer = sizeof w->spill;
	return TRUE;
}

static void open_destination(writer *w)
{
	w->dst.init_destination = w->dst.term_destination = no_destination;
	w->dst.empty_output_buffer = overflow;
	w->dst.next_output_byte = (JOCTET *) w->job->dst;
	w->dst.free_in_buffer = w->job->capacity;
	w->out.dest = &w->dst;
}

static void close_destination(writer *w)
{
	bridge_job *job = w->job;

	if (w->full) {
		job->report.size = job->capacity + w->lost + sizeof w->spill - w->dst.free_in_buffer;
		if (job->report.size > job->capacity)
			end(w, BRIDGE_TOO_SMALL);
		return; // the last byte has filled dst
	}
	job->report.size = job->capacity - w->dst.free_in_buffer;
}

// ---- the parameters ----

// open_output sets what TurboJPEG sets (setCompDefaults in its turbojpeg.c).
static void open_output(writer *w, J_COLOR_SPACE space, int components)
{
	bridge_job *job = w->job;
	j_compress_ptr out = &w->out;
	int i;

	jpeg_create_compress(out);
	open_destination(w);
	out->image_width = job->width;
	out->image_height = job->height;
	out->in_color_space = space;
	out->input_components = components;
	jpeg_set_defaults(out);
	jpeg_set_quality(out, job->quality, TRUE);
	out->dct_method = job->quality >= 96 ? JDCT_ISLOW : JDCT_FASTEST;
	jpeg_set_colorspace(out, job->across == 0 ? JCS_GRAYSCALE : JCS_YCbCr);
	for (i = 0; i < out->num_components; i++)
		out->comp_info[i].h_samp_factor = out->comp_info[i].v_samp_factor = 1;
	if (job->across > 0) {
		out->comp_info[0].h_samp_factor = job->across;
		out->comp_info[0].v_samp_factor = job->down;
	}
	out->restart_in_rows = job->restart_rows;
}

static void check_stop(const writer *w)
{
	if (__atomic_load_n(w->job->stop, __ATOMIC_RELAXED))
		end((writer *) w, BRIDGE_STOPPED);
}

// ---- planes ----

// component describes the samples of one component.
typedef struct {
	const bridge_plane *plane;
	int columns, rows;  // of the component
	int padded;         // columns of whole blocks
	int unit;           // rows in an MCU
	JSAMPROW row[4 * DCTSIZE];
	JSAMPARRAY copies; // rows of padded columns; NULL: the plane's own rows will do
} component;

static void open_component(writer *w, component *c, int i)
{
	const jpeg_component_info *info = &w->out.comp_info[i];

	c->plane = &w->job->planes[i];
	c->columns = info->downsampled_width;
	c->rows = info->downsampled_height;
	c->padded = info->width_in_blocks * DCTSIZE;
	c->unit = info->v_samp_factor * DCTSIZE;
	c->copies = NULL;
	if (c->columns < c->padded || c->plane->x_step > 1)
		c->copies = (*w->out.mem->alloc_sarray)((j_common_ptr) &w->out, JPOOL_IMAGE, c->padded, c->unit);
}

// fill_row copies a row of samples, and repeats the last one to the end of the
// block.
static void fill_row(const component *c, JSAMPROW dst, const unsigned char *src)
{
	int x, step = c->plane->x_step;

	if (step == 1)
		memcpy(dst, src, c->columns);
	else
		for (x = 0; x < c->columns; x++)
			dst[x] = src[(x + c->plane->dx) / step];
	memset(dst + c->columns, dst[c->columns - 1], c->padded - c->columns);
}

// set_rows points to the samples of one row of MCUs. The last row is repeated
// to the end of the block.
static void set_rows(component *c, int first)
{
	const bridge_plane *p = c->plane;
	int j;

	for (j = 0; j < c->unit; j++) {
		const unsigned char *src;

		if (first + j >= c->rows) {
			c->row[j] = c->row[j - 1];
			continue;
		}
		src = (const unsigned char *) p->at + (size_t) ((first + j + p->dy) / p->y_step) * (size_t) p->pitch;
		if (c->copies != NULL) {
			fill_row(c, c->copies[j], src);
			src = c->copies[j];
		}
		c->row[j] = (JSAMPROW) src; // which libjpeg only reads
	}
}

static void write_planes(writer *w)
{
	j_compress_ptr out = &w->out;
	component comps[BRIDGE_PLANES];
	JSAMPARRAY rows[BRIDGE_PLANES];
	int i, unit, units;

	open_output(w, w->job->across == 0 ? JCS_GRAYSCALE : JCS_YCbCr, w->job->across == 0 ? 1 : 3);
	out->raw_data_in = TRUE;
	jpeg_start_compress(out, TRUE);
	for (i = 0; i < out->num_components; i++)
		open_component(w, &comps[i], i);
	unit = out->max_v_samp_factor * DCTSIZE;
	for (units = 0; out->next_scanline < out->image_height; units++) {
		check_stop(w);
		for (i = 0; i < out->num_components; i++) {
			set_rows(&comps[i], units * comps[i].unit);
			rows[i] = comps[i].row;
		}
		jpeg_write_raw_data(out, rows, unit);
	}
	jpeg_finish_compress(out);
	close_destination(w);
}

// ---- pixels with alpha ----

static void write_pixels(writer *w)
{
	bridge_job *job = w->job;
	j_compress_ptr out = &w->out;
	JSAMPARRAY flat;

	open_output(w, JCS_EXT_RGBX, 4);
	jpeg_start_compress(out, TRUE);
	flat = (*out->mem->alloc_sarray)((j_common_ptr) out, JPOOL_IMAGE, 4 * job->width, 1);
	while (out->next_scanline < out->image_height) {
		const unsigned char *row = (const unsigned char *) job->src + (size_t) out->next_scanline * (size_t) job->pitch;
		JSAMPROW rows[1];

		if (out->next_scanline % DCTSIZE == 0)
			check_stop(w);
		rows[0] = (JSAMPROW) bridge_flatten(flat[0], row, job->width);
		jpeg_write_scanlines(out, rows, 1);
	}
	jpeg_finish_compress(out);
	close_destination(w);
}

int writer_write(bridge_job *job)
{
	writer w;

	w.job = job;
	w.result = BRIDGE_OK;
	w.full = 0;
	w.lost = 0;
	memset(&w.out, 0, sizeof w.out);
	w.out.err = jpeg_std_error(&w.err);
	w.out.client_data = &w;
	w.err.error_exit = fail;
	w.err.output_message = no_output;
	if (setjmp(w.end) == 0) {
		if (job->src != 0)
			write_pixels(&w);
		else
			write_planes(&w);
	}
	jpeg_destroy_compress(&w.out);
	return w.result;
}
