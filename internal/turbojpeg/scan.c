#include "scan.h"

#include <string.h>

// This file reads Huffman codes only to find out whether they are complete and
// valid. What they say about a coefficient's value is skipped. So one look at
// the next bits takes in several codes, and there is no branch for each of
// them: branches that depend on the picture cost most of the time.

// ---- tables ----

// set_codes assigns the codes in order of their length (T.81, C.2). It returns
// 0 if there are more than fit. As in libjpeg, no code is all ones.
static int set_codes(scan_codes *c)
{
	int32_t code = 0, index = 0;
	int length;

	for (length = 1; length <= 16; length++) {
		c->offset[length] = index - code;
		code += c->counts[length];
		index += c->counts[length];
		c->limit[length] = code;
		if (code >= 1 << length || index > 256)
			return 0;
		code <<= 1;
	}
	return 1;
}

// A step is what is read at once. In its low byte is how many coefficients it
// covers, of which EOB is one, and END if the block ends. In the second byte
// are its bits, with those that hold the values.
enum { END = 128, BLOCK = 64, LOOKS = 1 << SCAN_LOOK };

static uint32_t step_of(int length, int symbol, int dc)
{
	int zeros = symbol >> 4, size = symbol & 15;

	if (dc)
		return (uint32_t) (length + symbol) << 8 | 1;
	if (size == 0 && zeros != 15)
		return (uint32_t) length << 8 | END | 1; // EOB; libjpeg takes the unassigned codes for it as well
	return (uint32_t) (length + size) << 8 | (zeros + 1);
}

// list_singles lists the steps of one code that begin with each SCAN_LOOK bits,
// and above each the length of its code. 0 is a longer code, or none.
static void list_singles(const scan_codes *c, int dc, uint32_t *singles)
{
	int length, i, index = 0;

	memset(singles, 0, LOOKS * sizeof *singles);
	for (length = 1; length <= SCAN_LOOK; length++) {
		int code = c->limit[length] - c->counts[length], spare = SCAN_LOOK - length;

		for (; code < c->limit[length]; code++, index++)
			for (i = 0; i < 1 << spare; i++)
				singles[code << spare | i] = step_of(length, c->values[index], dc) | (uint32_t) length << 16;
	}
}

// combine sets the steps of as many codes as are complete in SCAN_LOOK bits,
// and in the high half the step of the first one. next has the codes that
// follow.
static void combine(uint32_t *steps, const uint32_t *first, const uint32_t *next)
{
	int i;

	for (i = 0; i < LOOKS; i++) {
		const uint32_t *from = first;
		uint32_t covers = 0, bits = 0;

		while (bits < SCAN_LOOK && !(covers & END)) {
			uint32_t step = from[i << bits & (LOOKS - 1)];

			if (step == 0 || bits + (step >> 16) > SCAN_LOOK || covers + (step & (END - 1)) > BLOCK)
				break;
			covers += step & 0xFF;
			bits += step >> 8 & 0xFF;
			from = next;
		}
		steps[i] = (first[i] & 0xFFFF) << 16 | bits << 8 | covers;
	}
}

int scan_build(scan_pair *p)
{
	uint32_t dc[LOOKS], ac[LOOKS];
	int i;

	for (i = 0; i < 256; i++)
		if (p->dc.values[i] > 15)
			return 0;
	if (!set_codes(&p->dc) || !set_codes(&p->ac))
		return 0;
	list_singles(&p->dc, 1, dc);
	list_singles(&p->ac, 0, ac);
	combine(p->first, dc, ac);
	combine(p->rest, ac, ac);
	return 1;
}

// ---- bits ----

typedef struct {
	uint64_t buf;
	int left;
	const unsigned char *at, *end;
	const unsigned char *plain; // up to here no FF is within 8 bytes
} bits;

static inline uint64_t load(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

// find_plain sets plain, which depends on the next FF.
static void find_plain(bits *b)
{
	const unsigned char *next = memchr(b->at, 0xFF, b->end - b->at);

	b->plain = (next != NULL ? next : b->end) - 8;
}

// fill_bytes adds single bytes, up to the next marker.
static void fill_bytes(bits *b)
{
	while (b->left < 56 && b->at < b->end) {
		uint64_t c = *b->at;

		if (c == 0xFF) {
			if (b->end - b->at < 2 || b->at[1] != 0)
				return;
			b->at++;
		}
		b->at++;
		b->buf |= c << (56 - b->left);
		b->left += 8;
	}
}

// fill_slowly does what fill does, near an FF and at the end.
static __attribute__((noinline)) int fill_slowly(bits *b)
{
	if (b->left < 0)
		return 0;
	fill_bytes(b);
	if (b->at > b->plain + 8)
		find_plain(b);
	return 1;
}

// fill adds bits until there are at least 56, or up to the next marker. It may
// leave more bits in buf than left counts: those that it adds the next time. It
// returns 0 if more bits have been dropped than there were.
static inline __attribute__((always_inline)) int fill(bits *b)
{
	if (__builtin_expect(b->at > b->plain, 0))
		return fill_slowly(b);
	b->buf |= load(b->at) >> b->left;
	b->at += (63 - b->left) >> 3;
	b->left |= 56;
	return 1;
}

// drop removes bits, which the shift is for: a sanitizer that reports lost bits
// passes over it.
#ifdef __clang__
__attribute__((no_sanitize("unsigned-shift-base")))
#endif
static inline void drop(bits *b, int n)
{
	b->buf <<= n;
	b->left -= n;
}

// ---- blocks ----

// long_step returns the step of a code that is longer than SCAN_LOOK, or 0.
static uint32_t long_step(uint64_t buf, const scan_codes *c, int dc)
{
	int length;

	for (length = SCAN_LOOK + 1; length <= 16; length++) {
		int32_t code = buf >> (64 - length);

		if (code < c->limit[length])
			return code + c->offset[length] < 0 ? 0 : step_of(length, c->values[(code + c->offset[length]) & 255], dc);
	}
	return 0;
}

// single reads one code: a long one, or the last of a block. It returns the
// coefficients that have been read of the block, or -1 for an odd code. Before
// and behind it the bits are filled.
static __attribute__((noinline)) int single(bits *b, const scan_pair *p, uint32_t entry, int k)
{
	uint32_t step;

	if (!fill(b))
		return -1;
	step = entry != 0 ? entry >> 16 : long_step(b->buf, k == 0 ? &p->dc : &p->ac, k == 0);
	k += step & 0xFF;
	if (step == 0 || (k & (END - 1)) > BLOCK)
		return -1;
	drop(b, step >> 8);
	return fill(b) ? k : -1;
}

// place is where in a scan the next code is.
typedef struct {
	uint64_t block; // in the MCU
	uint64_t k;     // coefficients of the block that have been read
	const uint32_t *steps;
	int64_t blocks; // that are left
	// Of each block of an MCU: the next block, the steps of its own, and those
	// at the beginning of the next.
	uint64_t next[SCAN_BLOCKS];
	const uint32_t *rest[SCAN_BLOCKS], *first[SCAN_BLOCKS];
} place;

// advance takes one step, of at most 26 bits unless it fills them. It returns 0
// if a code is odd. What follows from the end of a block is selected with a
// mask, not with a branch.
static inline __attribute__((always_inline)) int advance(bits *b, place *p, const scan_state *s)
{
	uint32_t entry = p->steps[b->buf >> (64 - SCAN_LOOK)];
	uint64_t ended;

	if (__builtin_expect(entry == 0 || ((p->k + (entry & 0xFF)) & (END - 1)) > BLOCK, 0)) {
		int k = single(b, &s->pairs[s->pair[p->block]], entry, p->k);

		if (k < 0)
			return 0;
		p->k = k;
	} else {
		drop(b, entry >> 8 & 0xFF);
		p->k += entry & 0xFF;
	}
	ended = -(uint64_t) (p->k >= BLOCK);
	p->blocks += (int64_t) ended;
	p->steps = (const uint32_t *) (((uintptr_t) p->rest[p->block] & ~(uintptr_t) ended) | ((uintptr_t) p->first[p->block] & (uintptr_t) ended));
	p->k &= ~ended;
	p->block = (p->next[p->block] & ended) | (p->block & ~ended);
	return 1;
}

// read_units reads so many MCUs, and returns 0 if there is anything odd in
// them. Where the data ends before, left becomes negative, and the next fill
// ends the reading.
static int read_units(bits *in, const scan_state *s, int64_t units)
{
	bits b = *in;
	place p = {.steps = s->pairs[s->pair[0]].first, .blocks = units * s->blocks};
	int i;

	for (i = 0; i < s->blocks; i++) {
		p.next[i] = i + 1 < s->blocks ? i + 1 : 0;
		p.rest[i] = s->pairs[s->pair[i]].rest;
		p.first[i] = s->pairs[s->pair[p.next[i]]].first;
	}
	while (p.blocks > 0) {
		if (!fill(&b) || !advance(&b, &p, s))
			return 0;
		if (p.blocks > 0 && !advance(&b, &p, s))
			return 0;
	}
	*in = b;
	return b.left >= 0;
}

// ---- a scan ----

// back returns the offset behind the last bit that was read. Bytes are left in
// buf that belong to what follows.
static const unsigned char *back(const bits *b, const unsigned char *begin)
{
	const unsigned char *at = b->at;
	int n;

	for (n = b->left; n >= 8; n -= 8)
		at -= at - begin >= 2 && at[-1] == 0 && at[-2] == 0xFF ? 2 : 1;
	return at;
}

// restart reads a restart marker, which must follow at once. It returns 0 if it
// does not.
static int restart(scan_state *s, bits *b)
{
	fill_bytes(b);
	if (b->left >= 8 || b->end - b->at < 2 || b->at[0] != 0xFF || b->at[1] != 0xD0 + s->restarts % 8)
		return 0;
	b->at += 2;
	b->buf = b->left = 0;
	find_plain(b);
	s->restarts++;
	s->until = s->interval;
	return 1;
}

int scan_run(scan_state *s, const unsigned char *jpeg, unsigned long size, int64_t units)
{
	bits b = {s->buf, s->left, jpeg + s->at, jpeg + size, NULL};

	find_plain(&b);
	while (units > 0 && s->units > 0) {
		int64_t n = units < s->units ? units : s->units;

		if (s->interval > 0) {
			if (s->until == 0 && !restart(s, &b))
				return SCAN_ODD;
			n = n < s->until ? n : s->until;
			s->until -= n;
		}
		if (!read_units(&b, s, n))
			return SCAN_ODD;
		units -= n;
		s->units -= n;
	}
	s->buf = b.buf;
	s->left = b.left;
	s->at = (s->units > 0 ? b.at : back(&b, jpeg)) - jpeg;
	return s->units > 0 ? SCAN_MORE : SCAN_DONE;
}
