#include "reader.h"

#include <jerror.h>
#include <stdlib.h>
#include <string.h>

// What a send end does with a JPEG that it did not make: look for faults, and
// write the picture again without them.

// judge reads everything that libjpeg can object to. A picture of an eighth of
// the size in gray has all codes read, and next to nothing done with them.
static void judge(reader *r, bridge_job *job)
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
		judge(&r, job);
	reader_free(&r);
	return r.result;
}

// ---- the JPEG made: memory that grows ----

static void no_destination(j_compress_ptr out) { (void) out; }

static boolean grow(j_compress_ptr out)
{
	reader *r = out->client_data;
	size_t used = r->room;
	unsigned char *more = realloc(r->job->made, 2 * used);

	if (more == NULL)
		reader_fail(r, "out of memory");
	r->job->made = more;
	r->room = 2 * used;
	r->dst.next_output_byte = more + used;
	r->dst.free_in_buffer = r->room - used;
	return TRUE;
}

static void open_destination(reader *r)
{
	r->room = r->job->size + 4096;
	r->job->made = malloc(r->room);
	if (r->job->made == NULL)
		reader_fail(r, "out of memory");
	r->dst.init_destination = r->dst.term_destination = no_destination;
	r->dst.empty_output_buffer = grow;
	r->dst.next_output_byte = r->job->made;
	r->dst.free_in_buffer = r->room;
	r->out.dest = &r->dst;
}

// ---- mending ----

// complete reports whether a JPEG says all that it has to say of its most
// important coefficients. Where a progressive one does not, a reader smooths the
// picture, and would not if the same coefficients came in one scan.
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

// copied reports whether a marker of the JPEG read goes into the one made.
// libjpeg writes JFIF's and Adobe's itself. A color profile is left out, as its
// fault may be what is to be mended.
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

// rewrite does what jpegtran does: the coefficients stay, so the pixels do.
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
	// Made for the picture, the Huffman tables have a code for all that it has, and
	// libjpeg looks whether every coefficient is one that a JPEG can hold.
	r->out.optimize_coding = TRUE;
	jpeg_write_coefficients(&r->out, coefficients);
	for (m = r->in.marker_list; m != NULL; m = m->next)
		if (copied(r, m))
			jpeg_write_marker(&r->out, m->marker, m->data, m->data_length);
	jpeg_finish_compress(&r->out);
	jpeg_finish_decompress(&r->in);
	r->report->size = r->room - r->dst.free_in_buffer;
}

int reader_mend(bridge_job *job)
{
	reader r;

	reader_init(&r, job, &job->report);
	job->made = NULL;
	if (setjmp(r.end) == 0)
		rewrite(&r, job);
	reader_free(&r);
	if (r.result != BRIDGE_OK) {
		free(job->made);
		job->made = NULL;
	}
	return r.result;
}
