// Bare libzmq as a contender of the bench: the lower bound for any NetGear on
// libzmq. A frame is one part of raw pixels, sent without a copy
// (zmq_msg_init_data) and read in libzmq's memory (zmq_msg_recv). In PAIR and
// REQ/REP an empty message answers it.
//
// It has the command line and prints the events that bench/process.go requires
// of every contender. The bench builds it.
//
//   --same-settings   every socket option as the library sets it (patterns.go)
//   --sndbuf, --rcvbuf, --iothreads   for the sweep of settings

#define _DEFAULT_SOURCE
#include <getopt.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

static const char *frames_file, *address = "127.0.0.1", *ports = "0", *protocol = "tcp";
static int width, height, pattern, warm, n, ends = 1, same_settings, sndbuf, rcvbuf, iothreads = 1, keep_times;
static int fresh;
static double idle, fps, seconds;

static void *context;
static unsigned char *pixels; // all frames, one after the other
static size_t frame_size;
static int frame_count;
static unsigned char *buffer; // with --fresh: the frame, written before it is sent
static int64_t wrote;
static int64_t *times;
static int time_count, time_room;

static void check(int ok, const char *what) {
	if (ok)
		return;
	fprintf(stderr, "bare: %s: %s\n", what, zmq_strerror(zmq_errno()));
	exit(1);
}

// ---- clock, CPU, events ----

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static double cpu(void) {
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static long sleeps(void) {
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return u.ru_nvcsw;
}

static void note_time(void) {
	if (!keep_times)
		return;
	if (time_count == time_room) {
		time_room = time_room ? 2 * time_room : 4096;
		times = realloc(times, time_room * sizeof *times);
		check(times != NULL, "memory");
	}
	times[time_count++] = now();
}

static void say(const char *event) {
	printf("{\"event\": \"%s\"}\n", event);
	fflush(stdout);
}

static void await_go(void) {
	char line[16];
	if (!fgets(line, sizeof line, stdin))
		exit(0);
}

static int64_t begun;
static double begun_cpu;
static long begun_sleeps;

static void start(void) {
	time_count = 0;
	begun_cpu = cpu();
	begun_sleeps = sleeps();
	begun = now();
}

static void done(long count) {
	int64_t end = now();
	printf("{\"event\": \"done\", \"start\": %" PRId64 ", \"end\": %" PRId64 ", \"cpu\": %.6f, \"switches\": %ld, \"count\": %ld, \"wrote\": %" PRId64 ", \"times\": [",
		begun, end, cpu() - begun_cpu, sleeps() - begun_sleeps, count, wrote);
	for (int i = 0; i < time_count; i++)
		printf("%s%" PRId64, i ? "," : "", times[i]);
	printf("]}\n");
	fflush(stdout);
	await_go();
}

// ---- sockets ----

static void set(void *s, int option, int value) { check(zmq_setsockopt(s, option, &value, sizeof value) == 0, "setsockopt"); }

// The same settings as in patterns.go, for a connection within one machine.
// Change both.
static void set_same(void *s, int sending) {
	int64_t most = (int64_t) 256 << 20;
	check(zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &most, sizeof most) == 0, "setsockopt");
	set(s, ZMQ_RECONNECT_IVL, 100);
	set(s, ZMQ_CONNECT_TIMEOUT, 1000);
	set(s, ZMQ_HANDSHAKE_IVL, 5000);
	set(s, ZMQ_TCP_KEEPALIVE, 1);
	set(s, ZMQ_TCP_KEEPALIVE_IDLE, 1);
	set(s, ZMQ_TCP_KEEPALIVE_INTVL, 1);
	set(s, ZMQ_TCP_KEEPALIVE_CNT, 3);
	set(s, ZMQ_TCP_MAXRT, 4000);
	if (sending)
		set(s, ZMQ_SNDBUF, 512 << 10);
	set(s, ZMQ_RCVHWM, 0);
	if (pattern == 1 && sending) {
		set(s, ZMQ_REQ_RELAXED, 1);
		set(s, ZMQ_REQ_CORRELATE, 1);
	}
	if (pattern == 2 && sending)
		set(s, ZMQ_SNDHWM, 1);
}

static const int kinds[3][2] = {{ZMQ_PAIR, ZMQ_PAIR}, {ZMQ_REP, ZMQ_REQ}, {ZMQ_SUB, ZMQ_PUB}};

static void *new_socket(int sending) {
	void *s = zmq_socket(context, kinds[pattern][sending]);
	check(s != NULL, "socket");
	set(s, ZMQ_LINGER, 0);
	if (same_settings)
		set_same(s, sending);
	if (sndbuf)
		set(s, ZMQ_SNDBUF, sndbuf);
	if (rcvbuf)
		set(s, ZMQ_RCVBUF, rcvbuf);
	if (pattern == 2 && !sending)
		check(zmq_setsockopt(s, ZMQ_SUBSCRIBE, "", 0) == 0, "subscribe");
	return s;
}

static void endpoint(char *out, size_t room, const char *port) { snprintf(out, room, "%s://%s:%s", protocol, address, port); }

// The receive end binds, on every port: one socket, or with --ends one a port.
static int open_receivers(void **s) {
	char list[4096], ep[256], *rest = list;
	snprintf(list, sizeof list, "%s", ports);
	int opened = 0;
	for (char *port; (port = strsep(&rest, ","));) {
		if (opened < ends)
			s[opened++] = new_socket(0);
		endpoint(ep, sizeof ep, port);
		check(zmq_bind(s[opened - 1], ep) == 0, ep);
	}
	return opened;
}

// ---- frames ----

// Allocates pages as numpy does, which requests huge ones.
static unsigned char *allocate(size_t size) {
	unsigned char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(p != MAP_FAILED, "memory");
#ifdef MADV_HUGEPAGE
	madvise(p, size, MADV_HUGEPAGE);
#endif
	return p;
}

static void load_frames(void) {
	FILE *f = fopen(frames_file, "rb");
	check(f != NULL, frames_file);
	fseek(f, 0, SEEK_END);
	long size = ftell(f);
	rewind(f);
	pixels = allocate(size);
	if (fresh)
		buffer = allocate(frame_size);
	check(fread(pixels, 1, size, f) == (size_t) size, frames_file);
	fclose(f);
	frame_count = size / frame_size;
}

static uint32_t crc32(const unsigned char *p, size_t size) {
	uint32_t crc = ~0u;
	while (size--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void still_mine(void *data, void *hint) { (void) data, (void) hint; }

static unsigned char *take_frame(long i) {
	unsigned char *frame = pixels + frame_size * (i % frame_count);
	if (!fresh)
		return frame;
	int64_t begin = now();
	memcpy(buffer, frame, frame_size);
	wrote += now() - begin;
	return buffer;
}

static void send_frame(void *s, unsigned char *frame) {
	zmq_msg_t m;
	check(zmq_msg_init_data(&m, frame, frame_size, still_mine, NULL) == 0, "msg");
	check(zmq_msg_send(&m, s, 0) >= 0, "send");
	if (pattern == 2)
		return;
	check(zmq_msg_init(&m) == 0 && zmq_msg_recv(&m, s, 0) >= 0, "answer");
	zmq_msg_close(&m);
}

// Receives and answers, and reads the pixels if their sum is requested.
static void receive_frame(void *s, uint32_t *sum) {
	zmq_msg_t m;
	check(zmq_msg_init(&m) == 0 && zmq_msg_recv(&m, s, 0) >= 0, "recv");
	if (pattern != 2)
		check(zmq_send(s, "", 0, 0) == 0, "answer");
	note_time();
	if (sum)
		*sum = crc32(zmq_msg_data(&m), zmq_msg_size(&m));
	zmq_msg_close(&m);
}

// ---- roles ----

static void sleep_until(int64_t t) {
	struct timespec at = {t / 1000000000, t % 1000000000};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void run_send(void) {
	char ep[256];
	load_frames();
	void *s = new_socket(1);
	endpoint(ep, sizeof ep, ports);
	check(zmq_connect(s, ep) == 0, ep);
	say("ready");
	for (int i = 0; i < warm; i++) {
		send_frame(s, take_frame(i));
		if (pattern == 2)
			sleep_until(now() + 20000000);
	}
	say("warm");
	await_go();
	start();
	wrote = 0;
	long count = 0;
	for (; seconds > 0 ? now() - begun < seconds * 1e9 : count < n; count++) {
		if (fps > 0)
			sleep_until(begun + (int64_t) (count * 1e9 / fps));
		unsigned char *frame = take_frame(count);
		note_time();
		send_frame(s, frame);
	}
	done(count);
}

// Publishes until "go", then prints the times of all frames received.
static void count_frames(void *s) {
	zmq_pollitem_t items[] = {{s, 0, ZMQ_POLLIN, 0}, {NULL, 0, ZMQ_POLLIN, 0}};
	long count = 0;
	while (zmq_poll(items, 2, -1) > 0 && !(items[1].revents & ZMQ_POLLIN))
		if (items[0].revents & ZMQ_POLLIN)
			receive_frame(s, NULL), count++;
	await_go();
	done(count);
}

static void wait_idle(void **s, int count) {
	zmq_pollitem_t items[count];
	for (int i = 0; i < count; i++)
		items[i] = (zmq_pollitem_t) {s[i], 0, ZMQ_POLLIN, 0};
	await_go();
	start();
	int64_t until = begun + (int64_t) (idle * 1e9);
	for (int64_t left; (left = until - now()) > 0;)
		zmq_poll(items, count, left / 1000000 + 1);
	done(0);
}

static void run_recv(void) {
	void *s[ends];
	int opened = open_receivers(s);
	say("ready");
	uint32_t sum = 0;
	for (int i = 0; i < warm; i++)
		receive_frame(s[0], i == 0 ? &sum : NULL);
	start();
	printf("{\"event\": \"warm\", \"sum\": %" PRIu32 "}\n", sum);
	fflush(stdout);
	if (idle > 0) {
		wait_idle(s, opened);
		return;
	}
	if (pattern == 2) {
		count_frames(s[0]);
		return;
	}
	for (int i = 0; i < n; i++)
		receive_frame(s[0], NULL);
	done(n);
}

int main(int argc, char **argv) {
	static const struct option options[] = {
		{"frames", 1, 0, 'f'}, {"width", 1, 0, 'w'}, {"height", 1, 0, 'h'}, {"address", 1, 0, 'a'}, {"port", 1, 0, 'p'},
		{"protocol", 1, 0, 'P'}, {"pattern", 1, 0, 'o'}, {"warm", 1, 0, 'W'}, {"n", 1, 0, 'n'}, {"idle", 1, 0, 'i'},
		{"fps", 1, 0, 'F'}, {"seconds", 1, 0, 's'}, {"ends", 1, 0, 'e'}, {"times", 0, 0, 't'}, {"multiserver", 0, 0, 'm'},
		{"same-settings", 0, 0, 'S'}, {"fresh", 0, 0, 'R'}, {"sndbuf", 1, 0, 'b'}, {"rcvbuf", 1, 0, 'r'}, {"iothreads", 1, 0, 'I'}, {0}};
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'f': frames_file = optarg; break;
		case 'w': width = atoi(optarg); break;
		case 'h': height = atoi(optarg); break;
		case 'a': address = optarg; break;
		case 'p': ports = optarg; break;
		case 'P': protocol = optarg; break;
		case 'o': pattern = atoi(optarg); break;
		case 'W': warm = atoi(optarg); break;
		case 'n': n = atoi(optarg); break;
		case 'i': idle = atof(optarg); break;
		case 'F': fps = atof(optarg); break;
		case 's': seconds = atof(optarg); break;
		case 'e': ends = atoi(optarg); break;
		case 't': keep_times = 1; break;
		case 'm': break; // one REP socket serves them all
		case 'S': same_settings = 1; break;
		case 'R': fresh = 1; break;
		case 'b': sndbuf = atoi(optarg); break;
		case 'r': rcvbuf = atoi(optarg); break;
		case 'I': iothreads = atoi(optarg); break;
		default: return 2;
		}
	}
	frame_size = (size_t) width * height * 3;
	context = zmq_ctx_new();
	check(context && zmq_ctx_set(context, ZMQ_IO_THREADS, iothreads) == 0, "context");
	check(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 4096) == 0, "context");
	const char *role = optind < argc ? argv[optind] : "";
	if (!strcmp(role, "send"))
		run_send();
	else if (!strcmp(role, "recv"))
		run_recv();
	else
		return 2;
	_exit(0);
}
