#include "bridge.h"

#include <string.h>

// This file changes the order of channels in pixels.

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
		else
			reorder_row(dst, dst_format, src, src_format, width);
	}
}
