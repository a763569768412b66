// SPDX-License-Identifier: GPL-2.0
/*
 * A server that sends back what it receives, and a client that asks it, over AF_WREN:
 *
 *     wren_echo [-p PORT] DEVICE
 *     wren_echo [-p PORT] [-n COUNT] [-w MILLISECONDS] DEVICE MAC
 *
 * Without the address of a server it is one itself, until it is ended. It waits with poll() for the
 * network alone: neither for datagrams nor for room in the send buffer does it sleep anywhere else.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/wren.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* More than a frame can have */
#define MAX_BYTES	65536

/* How often the client asks the same before it gives up: a datagram may be lost. */
#define TRIES		5

static void print_usage(void)
{
	fputs("usage: wren_echo [-p PORT] DEVICE\n"
	      "       wren_echo [-p PORT] [-n COUNT] [-w MILLISECONDS] DEVICE MAC\n", stderr);
	exit(2);
}

static int parse_number(const char *text, int max)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < 1 || value > max)
		errx(2, "\"%s\" is not a number from 1 to %d", text, max);
	return value;
}

static int open_socket(void)
{
	int fd = socket(AF_WREN_DEFAULT, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 && errno == EAFNOSUPPORT)
		errx(1, "there is no AF_WREN: is the module af_wren loaded?");
	if (fd < 0)
		err(1, "socket");
	return fd;
}

/* Waits until something can be done, or for some time; false if that is over. */
static bool wait_for(int fd, short events, int milliseconds)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	int ready;

	/* If a signal comes, what is waited for has come, or comes the next time. */
	ready = poll(&poll_fd, 1, milliseconds);
	if (ready < 0 && errno != EINTR)
		err(1, "poll");
	return ready != 0;
}

/*
 * A call has failed: returns whether it is to be made again. There is nothing to be done if the
 * device is gone. If it is down it may come up again, and the socket is still bound to it.
 */
static bool try_again(const char *call)
{
	if (errno == EAGAIN || errno == EINTR)
		return true;
	if (errno == ENODEV)
		err(1, "%s", call);
	warn("%s", call);
	return false;
}

/* The number of bytes that have come, -1 if there are none. */
static ssize_t receive(int fd, char *data, struct sockaddr_wren *from)
{
	socklen_t len = sizeof(*from);
	ssize_t size = recvfrom(fd, data, MAX_BYTES, 0, (void *)from, &len);

	if (size < 0)
		try_again("recvfrom");
	return size;
}

/*
 * Whether an answer has left us; false if there is no room for it yet. If it cannot be sent it is
 * lost, as it may be on the wire, too.
 */
static bool answered(int fd, const char *data, size_t size, const struct sockaddr_wren *to)
{
	return sendto(fd, data, size, 0, (const void *)to, sizeof(*to)) >= 0 ||
	       !try_again("sendto");
}

static void serve(int fd, const struct sockaddr_wren *own)
{
	static char data[MAX_BYTES];
	struct sockaddr_wren from;
	ssize_t size = -1;

	if (bind(fd, (const void *)own, sizeof(*own)))
		err(1, "bind to port %d", ntohs(own->swren_port));
	printf("answering on port %d\n", ntohs(own->swren_port));
	fflush(stdout);
	for (;;) {
		/* What has been received is answered before more is: so nothing piles up here. */
		wait_for(fd, size < 0 ? POLLIN : POLLOUT, -1);
		if (size < 0)
			size = receive(fd, data, &from);
		/* Two servers would answer each other for ever. */
		if (size >= 0 && from.swren_port == own->swren_port)
			size = -1;
		if (size >= 0 && answered(fd, data, size, &from))
			size = -1;
	}
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits like wait_for(), but to a point in time. */
static bool wait_until(int fd, short events, long end)
{
	long left = end - now_ms();

	return left > 0 && wait_for(fd, events, left);
}

/* Sends one question, and waits so long for its answer. */
static bool ask(int fd, const char *question, int milliseconds)
{
	long end = now_ms() + milliseconds;
	ssize_t size = strlen(question);
	static char data[MAX_BYTES];
	struct sockaddr_wren from;

	while (send(fd, question, size, 0) < 0 && try_again("send"))
		if (!wait_until(fd, POLLOUT, end))
			return false;
	while (wait_until(fd, POLLIN, end))
		/* It may be the answer to an earlier question, which has come late. */
		if (receive(fd, data, &from) == size && !memcmp(data, question, size))
			return true;
	return false;
}

static int ask_all(int fd, const struct sockaddr_wren *server, int count, int milliseconds)
{
	char question[32];
	int i, tries;

	/* From here on only the server's answers are received. */
	if (connect(fd, (const void *)server, sizeof(*server)))
		err(1, "connect");
	for (i = 1; i <= count; i++) {
		snprintf(question, sizeof(question), "question %d", i);
		for (tries = 0; !ask(fd, question, milliseconds); tries++)
			if (tries == TRIES - 1)
				errx(1, "no answer to \"%s\"", question);
	}
	printf("%d of %d answered\n", count, count);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_wren addr = { .swren_family = AF_WREN_DEFAULT };
	int option, port = 7, count = 5, milliseconds = 1000;
	struct ether_addr *mac;

	while ((option = getopt(argc, argv, "p:n:w:")) >= 0) {
		switch (option) {
		case 'p':
			port = parse_number(optarg, 65535);
			break;
		case 'n':
			count = parse_number(optarg, 1000000);
			break;
		case 'w':
			milliseconds = parse_number(optarg, 1000000);
			break;
		default:
			print_usage();
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 1 || argc > 2)
		print_usage();
	addr.swren_port = htons(port);
	addr.swren_ifindex = if_nametoindex(argv[0]);
	if (!addr.swren_ifindex)
		err(1, "%s", argv[0]);
	if (argc == 1)
		serve(open_socket(), &addr);
	mac = ether_aton(argv[1]);
	if (!mac)
		errx(2, "\"%s\" is not an Ethernet address", argv[1]);
	memcpy(addr.swren_mac, mac, ETH_ALEN);
	return ask_all(open_socket(), &addr, count, milliseconds);
}
