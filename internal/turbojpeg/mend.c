#include "reader.h"

#include <jerror.h>
#include <stdlib.h>
#include <string.h>

// This file checks the JPEGs of other programs for errors, and writes the
// picture again without them.

// read_all reads everything that libjpeg can report an error about. It decodes
// to gray at an eighth of the size, which reads all codes at the least cost.
static void read_all(reader *r, bridge_job *job)
{
	JOCTET *profile;
	unsigned int size;
	JSAMPARRAY row;

	reader_open(r, (const unsigned char *) job->src, job->size);
	if (jpeg_read_icc_profile(&r->in, &profile, &size))
		free(profile);
	r->in.scale_num = 1;
	r->in.scale_denom = DCTSIZE;
	if (r->in.jpeg_color_space != JCS_CMYK && r->in.jpeg_color_space != JCS_YCCK)
		r->in.out_color_space = JCS_GRAYSCALE;
	r->in.dct_method = JDCT_FASTEST;
	r->in.do_fancy_upsampling = r->in.do_block_smoothing = FALSE;
	jpeg_start_decompress(&r->in);
	row = (*r->in.mem->alloc_sarray)((j_common_ptr) &r->in, JPOOL_IMAGE, r->in.output_width * r->in.output_components, 1);
	while (r->in.output_scanline < r->in.output_height)
		if (jpeg_read_scanlines(&r->in, row, 1) != 1)
			reader_fail(r, "libjpeg made no row");
	reader_close(r);
}

int reader_check(bridge_job *job)
{
	reader r;

	reader_init(&r, job, &job->report);
	if (setjmp(r.end) == 0)
		read_all(&r, job);
	reader_free(&r);
	return r.result;
}

// ---- the output JPEG: memory that grows ----

static void no_destination(j_compress_ptr out) { (void) out; }

static boolean grow(j_compress_ptr out)
{
	reader *r = out->client_data;
	size_t used = r->capacity;
	unsigned char *more = realloc(r->job->out, 2 * used);

	if (more == NULL)
		reader_no_memory(r);
	r->job->out = more;
	r->capacity = 2 * used;
	r->dst.next_output_byte = more + used;
	r->dst.free_in_buffer = r->capacity - used;
	return TRUE;
}

static void open_destination(reader *r)
{
	r->capacity = r->job->size + 4096;
	r->job->out = malloc(r->capacity);
	if (r->job->out == NULL)
		reader_no_memory(r);
	r->dst.init_destination = r->dst.term_destination = no_destination;
	r->dst.empty_output_buffer = grow;
	r->dst.next_output_byte = r->job->out;
	r->dst.free_in_buffer = r->capacity;
	r->out.dest = &r->dst;
}

// ---- mending ----

// complete reports whether a JPEG has all bits of its most important
// coefficients. A reader smooths a progressive JPEG that lacks some. It would
// not if the same coefficients were in one scan.
static int complete(const reader *r)
{
	int c, i;

	if (r->in.progressive_mode)
		for (c = 0; c < r->in.num_components; c++)
			for (i = 0; i < 10; i++)
				if (r->in.coef_bits[c][i] != 0)
					return 0;
	return 1;
}

static int begins(const struct jpeg_marker_struct *m, const char *text, unsigned int size)
{
	return m->data_length >= size && memcmp(m->data, text, size) == 0;
}

// copied reports whether a marker is copied to the output JPEG. libjpeg writes
// the markers of JFIF and Adobe itself. A color profile is left out, as it may
// be what is invalid.
static int copied(const reader *r, const struct jpeg_marker_struct *m)
{
	switch (m->marker) {
	case JPEG_APP0:
		return !(r->out.write_JFIF_header && begins(m, "JFIF", 5));
	case JPEG_APP0 + 2:
		return !begins(m, "ICC_PROFILE", 12);
	case JPEG_APP0 + 14:
		return !begins(m, "Adobe", 5);
	}
	return 1;
}

// rewrite copies the coefficients, as jpegtran does, so the pixels stay the
// same.
static void rewrite(reader *r, bridge_job *job)
{
	jvirt_barray_ptr *coefficients;
	struct jpeg_marker_struct *m;

	reader_open(r, (const unsigned char *) job->src, job->size);
	coefficients = jpeg_read_coefficients(&r->in);
	if (!complete(r))
		reader_fail(r, "a progressive JPEG that lacks scans has bytes too many");
	jpeg_create_compress(&r->out);
	open_destination(r);
	jpeg_copy_critical_parameters(&r->in, &r->out);
	r->out.JFIF_major_version = r->out.JFIF_minor_version = 1;
	r->out.restart_interval = r->in.restart_interval;
	// Huffman tables computed for the picture have a code for each of its
	// symbols. libjpeg then also checks that a JPEG can hold every coefficient.
	r->out.optimize_coding = TRUE;
	jpeg_write_coefficients(&r->out, coefficients);
	for (m = r->in.marker_list; m != NULL; m = m->next)
		if (copied(r, m))
			jpeg_write_marker(&r->out, m->marker, m->data, m->data_length);
	jpeg_finish_compress(&r->out);
	jpeg_finish_decompress(&r->in);
	r->report->size = r->capacity - r->dst.free_in_buffer;
}

int reader_mend(bridge_job *job)
{
	reader r;

	reader_init(&r, job, &job->report);
	job->out = NULL;
	if (setjmp(r.end) == 0)
		rewrite(&r, job);
	reader_free(&r);
	if (r.result != BRIDGE_OK) {
		free(job->out);
		job->out = NULL;
	}
	return r.result;
}
