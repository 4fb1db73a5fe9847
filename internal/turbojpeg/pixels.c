#include "bridge.h"

#include <string.h>

// This file changes the order of channels in pixels, and makes pixels of
// pictures that have alpha or planes.

// bgr_to_rgba copies a row of the most frequent order, four bytes at a time.
static void bgr_to_rgba(unsigned char *dst, const unsigned char *src, int width)
{
	int x = 0;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (; x + 1 < width; x++) { // a load takes one byte of the next pixel
		uint32_t v;

		memcpy(&v, src + 3 * x, 4);
		v = __builtin_bswap32(v) >> 8 | 0xFF000000u;
		memcpy(dst + 4 * x, &v, 4);
	}
#endif
	for (; x < width; x++) {
		dst[4 * x] = src[3 * x + 2];
		dst[4 * x + 1] = src[3 * x + 1];
		dst[4 * x + 2] = src[3 * x];
		dst[4 * x + 3] = 255;
	}
}

// rgba_to_bgr copies a row of Go's most frequent order. A store of four bytes
// writes one of the next pixel, which follows.
static void rgba_to_bgr(unsigned char *dst, const unsigned char *src, int width)
{
	int x = 0;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (; x + 1 < width; x++) {
		uint32_t v;

		memcpy(&v, src + 4 * x, 4);
		v = __builtin_bswap32(v) >> 8;
		memcpy(dst + 3 * x, &v, 4);
	}
#endif
	for (; x < width; x++) {
		dst[3 * x] = src[4 * x + 2];
		dst[3 * x + 1] = src[4 * x + 1];
		dst[3 * x + 2] = src[4 * x];
	}
}

// reorder_row copies a row of pixels of any order. What the source lacks, alpha
// or an unused byte, is 255.
static void reorder_row(unsigned char *dst, int to, const unsigned char *src, int from, int width)
{
	int many = tjPixelSize[to], step = tjPixelSize[from], x;
	int r = tjRedOffset[from], g = tjGreenOffset[from], b = tjBlueOffset[from], a = tjAlphaOffset[from];
	int rest = 6 - tjRedOffset[to] - tjGreenOffset[to] - tjBlueOffset[to]; // the fourth byte of four

	for (x = 0; x < width; x++, dst += many, src += step) {
		dst[tjRedOffset[to]] = src[r];
		dst[tjGreenOffset[to]] = src[g];
		dst[tjBlueOffset[to]] = src[b];
		if (many == 4)
			dst[rest] = a >= 0 ? src[a] : 255;
	}
}

void bridge_reorder(unsigned char *dst, int dst_pitch, int dst_format, const unsigned char *src, int src_pitch, int src_format,
                    int width, int height)
{
	int y;

	for (y = 0; y < height; y++, dst += dst_pitch, src += src_pitch) {
		if (src_format == TJPF_BGR && dst_format == TJPF_RGBA)
			bgr_to_rgba(dst, src, width);
		else if (src_format == TJPF_RGBA && dst_format == TJPF_BGR)
			rgba_to_bgr(dst, src, width);
		else
			reorder_row(dst, dst_format, src, src_format, width);
	}
}

// ---- alpha ----

const unsigned char *bridge_flatten(unsigned char *dst, const unsigned char *src, int width)
{
	unsigned opaque = 255;
	int x, i;

	for (x = 0; x < width; x++)
		opaque &= src[4 * x + 3];
	if (opaque == 255)
		return src;
	for (x = 0; x < width; x++) {
		unsigned alpha = src[4 * x + 3] * 0x101u;

		for (i = 0; i < 3; i++)
			dst[4 * x + i] = src[4 * x + i] * alpha / 0xFF >> 8;
		dst[4 * x + 3] = 255;
	}
	return dst;
}

void bridge_flatten_bgr(unsigned char *dst, int dst_pitch, const unsigned char *src, int src_pitch, int width, int height)
{
	enum { PART = 1024 };
	unsigned char flat[4 * PART];
	int x, y;

	for (y = 0; y < height; y++, dst += dst_pitch, src += src_pitch)
		for (x = 0; x < width; x += PART) {
			int n = width - x < PART ? width - x : PART;

			rgba_to_bgr(dst + 3 * (size_t) x, bridge_flatten(flat, src + 4 * (size_t) x, n), n);
		}
}

// ---- planes ----

static inline unsigned char clamped(int v)
{
	v >>= 16;
	v = v < 0 ? 0 : v;
	return v > 255 ? 255 : v;
}

// planes_row is compiled for each number of columns that share a chroma sample.
static inline void planes_row(unsigned char *dst, const unsigned char *luma, const unsigned char *cb, const unsigned char *cr, int width, unsigned across,
                              unsigned dx)
{
	const unsigned char *end = luma + width;

	for (; luma < end; dx = 0, cb++, cr++) {
		int b = *cb - 128, r = *cr - 128;
		int blue = 116130 * b, green = -22554 * b - 46802 * r, red = 91881 * r;
		unsigned i;

		for (i = dx; i < across && luma < end; i++, luma++, dst += 3) {
			int y = *luma * 0x10101;

			dst[0] = clamped(y + blue);
			dst[1] = clamped(y + green);
			dst[2] = clamped(y + red);
		}
	}
}

void bridge_planes_bgr(unsigned char *dst, int dst_pitch, bridge_planes from, int width, int height)
{
	int y;

	for (y = 0; y < height; y++, dst += dst_pitch) {
		size_t c = (size_t) ((y + from.dy) / from.down) * (size_t) from.c_pitch;
		const unsigned char *luma = from.y + (size_t) y * (size_t) from.y_pitch, *cb = from.cb + c, *cr = from.cr + c;

		switch (from.across) {
		case 1:
			planes_row(dst, luma, cb, cr, width, 1, 0);
			break;
		case 2:
			planes_row(dst, luma, cb, cr, width, 2, from.dx);
			break;
		default:
			planes_row(dst, luma, cb, cr, width, 4, from.dx);
		}
	}
}
