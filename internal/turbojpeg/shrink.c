#include "bridge.h"

#include <stdlib.h>
#include <string.h>

// The loops below gain from vectors, which -O2 does not always use.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

// This file scales 8-bit pixels down. Each new sample is the mean of the area
// that it covers, where samples at the edge count by their share.

enum { ONE = 1 << 8 }; // the weight of a whole sample

// edge is the part of a source that one new row or column covers: from is the
// first, count how many, and first and last are the weights of the outer ones.
typedef struct {
	int from, count, first, last;
} edge;

// cover returns what new element i of dst covers of src elements.
static edge cover(int i, int dst, int src)
{
	int64_t begin = (int64_t)i * src * ONE / dst, end = (int64_t)(i + 1) * src * ONE / dst;
	edge e;

	e.from = (int)(begin / ONE);
	e.count = (int)((end + ONE - 1) / ONE) - e.from;
	e.first = ONE - (int)(begin % ONE);
	e.last = end % ONE ? (int)(end % ONE) : ONE;
	if (e.count == 1)
		e.first = e.last = ONE;
	return e;
}

static int weight(const edge *e, int k)
{
	return k == 0 ? e->first : k == e->count - 1 ? e->last : ONE;
}

// add_row adds a weighted row to the sums.
static void add_row(uint32_t *restrict sums, const unsigned char *restrict row, int samples, uint32_t w)
{
	int x;

	for (x = 0; x < samples; x++)
		sums[x] += w * row[x];
}

// write_row writes a new row from the sums of its rows. share is the reciprocal
// of their weights.
static void write_row(unsigned char *dst, const uint32_t *sums, const edge *columns, int width, int channels, float share)
{
	int x, c, k;

	for (x = 0; x < width; x++) {
		const edge *e = &columns[x];
		float part = share / (float)(e->count == 1 ? ONE : e->first + e->last + (e->count - 2) * ONE);

		for (c = 0; c < channels; c++) {
			const uint32_t *at = sums + e->from * channels + c;
			uint64_t sum = 0;

			for (k = 0; k < e->count; k++)
				sum += (uint64_t)at[k * channels] * weight(e, k);
			*dst++ = (unsigned char)((float)sum * part + 0.5f);
		}
	}
}

int bridge_shrink(unsigned char *dst, int dst_width, int dst_height, const unsigned char *src, int pitch, int width,
                  int height, int channels, int alpha)
{
	size_t samples = (size_t)width * channels;
	uint32_t *sums = malloc(samples * sizeof *sums);
	edge *columns = malloc(dst_width * sizeof *columns);
	unsigned char *flat = alpha == BRIDGE_MULTIPLY ? malloc(samples) : NULL;
	int x, y, k;

	if (!sums || !columns || (alpha == BRIDGE_MULTIPLY && !flat)) {
		free(sums);
		free(columns);
		free(flat);
		return BRIDGE_NO_MEMORY;
	}
	for (x = 0; x < dst_width; x++)
		columns[x] = cover(x, dst_width, width);
	for (y = 0; y < dst_height; y++, dst += (size_t)dst_width * channels) {
		edge rows = cover(y, dst_height, height);
		uint32_t total = 0;

		memset(sums, 0, samples * sizeof *sums);
		for (k = 0; k < rows.count; k++) {
			uint32_t w = weight(&rows, k);
			const unsigned char *row = src + (size_t)(rows.from + k) * pitch;

			add_row(sums, flat ? bridge_flatten(flat, row, width) : row, (int)samples, w);
			total += w;
		}
		write_row(dst, sums, columns, dst_width, channels, 1 / (float)total);
	}
	free(sums);
	free(columns);
	free(flat);
	return BRIDGE_OK;
}
