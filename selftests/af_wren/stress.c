// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once: 64 threads send and receive datagrams of random sizes, are disturbed by
 * signals, close their sockets and open them again, while the devices go down and up and the wire
 * stops and runs. At the end what was sent was received, or is counted as dropped; who sleeps
 * wakes; and nothing is left.
 *
 * WREN_SECONDS is how long it goes on, WREN_SEED what is chosen.
 */
#include <linux/membarrier.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "../lib/drops.h"
#include "../lib/harness.h"
#include "../lib/rng.h"

#define CHANNELS	32
#define PORT		1000
#define DEFAULT_MS	300
#define MAX_LEN		(ETH_DATA_LEN - HEADER_BYTES)

/* What is in front of each datagram; the rest is made from it. */
struct stamp {
	__u32 channel;
	__u32 number;
};

/* How a thread waits for its socket */
enum way {
	BLOCK,
	POLL,
	EPOLL,
	WAYS,
};

/* One end of a channel, and what it has counted */
struct side {
	pthread_t thread;
	struct channel *channel;
	struct rng rng;
	enum way way;
	atomic_int fd;
	atomic_int tid;
	atomic_bool done;
	/* Datagrams and bytes of payload that were sent, or received */
	atomic_int packets;
	long long bytes;
	/* Sent, but dropped by the qdisc at once: send() says so. */
	int refused;
	/* SK_MEMINFO_DROPS of the sockets that it has closed, then of all */
	unsigned int drops;
	/* Errors of the device that it was told of */
	atomic_int told;
	/* The first error that there should not be, and where */
	atomic_int error;
	int line;
};

struct channel {
	int number;
	__u64 seed;
	struct side tx;
	struct side rx;
	/* Bytes of payload that did not arrive */
	long long missing;
	/* The number that is received next, if none is lost */
	__u32 next;
};

static struct channel channels[CHANNELS];
/* How many of them are in use: a debug kernel is slow, but where there is time. */
static int count;
static struct link stress_link;

/* No more datagrams, and no more new sockets */
static atomic_bool stop;

FIXTURE(stress) {
	struct drops all;
	struct drops full;
	int sockets;
};

static void nothing(int number)
{
	(void)number;
}

FIXTURE_SETUP(stress)
{
	struct sigaction action = { .sa_handler = nothing };

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, link_setup(&stress_link, LINK_WREN));
	ASSERT_EQ(0, drops_open(&self->all, NULL));
	ASSERT_EQ(0, drops_open(&self->full, "SOCKET_RCVBUFF"));
	self->sockets = proto_sockets();
}

FIXTURE_TEARDOWN(stress)
{
	link_teardown(&stress_link);
}

#define failed(side, what) failed_at(side, what, __LINE__)

static int failed_at(struct side *side, int what, int line)
{
	if (!side->error) {
		side->line = line;
		side->error = what;
	}
	return -1;
}

static int length_of(const struct channel *channel, __u32 number)
{
	struct rng rng = rng_of(channel->seed + channel->number, number);

	return rng_between(&rng, sizeof(struct stamp), MAX_LEN);
}

static void fill(const struct channel *channel, __u32 number, unsigned char *data, int len)
{
	struct stamp stamp = { channel->number, number };
	struct rng rng = rng_of(number, channel->number);

	memset(data, rng_next(&rng), len);
	memcpy(data, &stamp, sizeof(stamp));
}

/* A socket of an end, bound there and connected to the other; the caller is in its namespace. */
static int open_side(struct side *side, const struct end *here, const struct end *there)
{
	int fd = wren_socket(0), port = PORT + side->channel->number, ret;
	struct sockaddr_wren peer = wren_addr(here->index, port, there->mac);

	if (fd < 0)
		return failed(side, fd);
	ret = wren_bind(fd, here->index, port) ?: wren_connect(fd, &peer);
	if (!ret && rng_below(&side->rng, 2))
		ret = set_sockopt(fd, SO_SNDBUF, 4096) ?: set_sockopt(fd, SO_RCVBUF, 4096);
	if (ret) {
		close(fd);
		return failed(side, ret);
	}
	side->fd = fd;
	return 0;
}

static void close_side(struct side *side)
{
	int fd = side->fd;

	side->drops += meminfo(fd, SK_MEMINFO_DROPS);
	side->fd = -1;
	close(fd);
}

/*
 * What is dropped after it was counted would be missing in the sums. So the socket turns its back
 * on its peer first; after a grace period nobody is about to give it anything.
 */
static void retire(struct side *side)
{
	struct sockaddr_wren nobody = wren_addr(0, PORT, "\x02nobod");

	if (wren_connect(side->fd, &nobody) ||
	    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		failed(side, -errno);
}

/* Waits in the way of the thread until the socket may be ready. */
static void wait_side(struct side *side, int events)
{
	struct pollfd pfd = { .fd = side->fd, .events = events };
	struct epoll_event event = { .events = events | EPOLLET };
	int epoll;

	if (side->way == POLL) {
		poll(&pfd, 1, -1);
	} else if (side->way == EPOLL) {
		epoll = epoll_create1(EPOLL_CLOEXEC);
		epoll_ctl(epoll, EPOLL_CTL_ADD, side->fd, &event);
		epoll_wait(epoll, &event, 1, -1);
		close(epoll);
	}
}

static bool device_error(int error)
{
	return error == -ENETDOWN || error == -ENODEV;
}

/* Sends a datagram, however often it has to try. */
static int send_one(struct channel *channel)
{
	struct side *tx = &channel->tx;
	int number = tx->packets, len = length_of(channel, number), ret;
	unsigned char data[MAX_LEN];

	fill(channel, number, data, len);
	for (;;) {
		ret = wren_sendto(tx->fd, data, len, tx->way == BLOCK ? 0 : MSG_DONTWAIT, NULL);
		if (ret == len) {
			tx->bytes += len;
			tx->packets++;
			return 0;
		}
		if (ret == -ENOBUFS)
			tx->refused++;
		else if (ret == -EAGAIN && tx->way != BLOCK)
			wait_side(tx, POLLOUT);
		else if (device_error(ret))
			usleep(1000);
		else if (ret != -EINTR)
			return failed(tx, ret);
	}
}

static void *tx_run(void *arg)
{
	struct channel *channel = arg;
	struct side *tx = &channel->tx;

	tx->tid = gettid();
	while (!stop && !send_one(channel)) {
		if (rng_one_in(&tx->rng, 64)) {
			close_side(tx);
			if (open_side(tx, &stress_link.a, &stress_link.b))
				break;
		}
		tx->way = rng_one_in(&tx->rng, 16) ? rng_below(&tx->rng, WAYS) : tx->way;
	}
	tx->done = true;
	return NULL;
}

/* One datagram has come: is it what was sent, and later than the last one? */
static int check(struct channel *channel, const unsigned char *data, int len)
{
	unsigned char due[MAX_LEN];
	struct stamp stamp;

	if (len < (int)sizeof(stamp))
		return failed(&channel->rx, -EBADMSG);
	memcpy(&stamp, data, sizeof(stamp));
	if (stamp.channel != (__u32)channel->number || stamp.number < channel->next ||
	    len != length_of(channel, stamp.number))
		return failed(&channel->rx, -EILSEQ);
	fill(channel, stamp.number, due, len);
	if (memcmp(due, data, len))
		return failed(&channel->rx, -EBADMSG);
	while (channel->next < stamp.number)
		channel->missing += length_of(channel, channel->next++);
	channel->next++;
	channel->rx.bytes += len;
	channel->rx.packets++;
	return 0;
}

static void *rx_run(void *arg)
{
	struct channel *channel = arg;
	struct side *rx = &channel->rx;
	unsigned char data[MAX_LEN];
	int ret;

	rx->tid = gettid();
	close(ns_enter(stress_link.b.ns));
	while (!rx->error) {
		ret = wren_recv(rx->fd, data, sizeof(data), rx->way == BLOCK ? 0 : MSG_DONTWAIT);
		if (!ret)
			break;
		if (ret > 0)
			check(channel, data, ret);
		else if (ret == -EAGAIN && rx->way != BLOCK)
			wait_side(rx, POLLIN | POLLRDHUP);
		else if (device_error(ret))
			rx->told++;
		else if (ret != -EINTR)
			failed(rx, ret);
		if (!stop && rng_one_in(&rx->rng, 64)) {
			retire(rx);
			close_side(rx);
			open_side(rx, &stress_link.b, &stress_link.a);
		}
		if (rng_one_in(&rx->rng, 16))
			rx->way = rng_below(&rx->rng, WAYS);
	}
	rx->done = true;
	return NULL;
}

static int other_end_up(bool up)
{
	int old = ns_enter(stress_link.b.ns), ret;

	ret = link_up(stress_link.b.name, up);
	ns_leave(old);
	return ret;
}

static struct side *any_side(struct rng *rng)
{
	struct channel *channel = &channels[rng_below(rng, count)];

	return rng_below(rng, 2) ? &channel->tx : &channel->rx;
}

/* Something happens to the devices, or to a thread. */
static int disturb(struct rng *rng)
{
	switch (rng_below(rng, 24)) {
	case 0:
		return link_up(stress_link.a.name, false) ?: link_up(stress_link.a.name, true);
	case 1:
		return other_end_up(false) ?: other_end_up(true);
	case 2:
		return wire_stop(&stress_link);
	case 3:
	case 4:
		return wire_run(&stress_link);
	default:
		return -pthread_kill(any_side(rng)->thread, SIGUSR1);
	}
}

static bool asleep(struct side *side)
{
	char path[64], state = '?';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", side->tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	fclose(file);
	return state == 'S';
}

/* Has everything that was sent been received or dropped, and does every reader sleep? */
static bool quiet(void)
{
	int n;

	for (n = 0; n < count; n++) {
		if (outq(channels[n].tx.fd) || inq(channels[n].rx.fd) || !asleep(&channels[n].rx))
			return false;
	}
	return true;
}

/* Does that hold for each channel? */
#define all_channels(condition) ({					\
	struct channel *it = channels;					\
									\
	while (it < channels + count && (condition))			\
		it++;							\
	it == channels + count;						\
})

static void print_stack(struct side *side)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stack", side->tid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		printf("#   %s", line);
	if (file)
		fclose(file);
}

/* Who still sleeps? */
static void print_sleepers(void)
{
	int n;

	for (n = 0; n < count; n++) {
		if (!channels[n].tx.done) {
			printf("# writer %d, %d bytes in flight\n", n, outq(channels[n].tx.fd));
			print_stack(&channels[n].tx);
		}
		if (stop && !channels[n].rx.done) {
			printf("# reader %d, %d bytes to read\n", n, inq(channels[n].rx.fd));
			print_stack(&channels[n].rx);
		}
	}
	fflush(stdout);
}

static int start(__u64 seed)
{
	struct end *a = &stress_link.a, *b = &stress_link.b;
	struct channel *channel;
	int n, ret = 0;

	for (n = 0; n < count && !ret; n++) {
		channel = &channels[n];
		channel->number = n;
		channel->seed = seed;
		channel->tx = (struct side){
			.channel = channel, .rng = rng_of(seed, 2 * n), .way = n % WAYS,
		};
		channel->rx = (struct side){
			.channel = channel, .rng = rng_of(seed, 2 * n + 1), .way = n / 2 % WAYS,
		};
		ret = open_side(&channel->tx, a, b);
		close(ns_enter(b->ns));
		ret = ret ?: open_side(&channel->rx, b, a);
		close(ns_enter(a->ns));
		ret = ret ?: pthread_create(&channel->rx.thread, NULL, rx_run, channel);
		ret = ret ?: pthread_create(&channel->tx.thread, NULL, tx_run, channel);
	}
	return ret;
}

/* The sums: to the packet, and to the byte. */
struct sums {
	long long sent;
	long long refused;
	long long received;
	long long drops;
	long long bytes_sent;
	long long bytes_received;
	long long bytes_missing;
};

static struct sums sums(void)
{
	struct sums sums = {};
	struct channel *channel;
	int n;

	for (n = 0; n < count; n++) {
		channel = &channels[n];
		/* What is missing at the end nothing came after. */
		while ((int)channel->next < channel->tx.packets)
			channel->missing += length_of(channel, channel->next++);
		sums.sent += channel->tx.packets;
		sums.refused += channel->tx.refused;
		sums.received += channel->rx.packets;
		sums.drops += channel->rx.drops;
		sums.bytes_sent += channel->tx.bytes;
		sums.bytes_received += channel->rx.bytes;
		sums.bytes_missing += channel->missing;
	}
	return sums;
}

static int errors(void)
{
	int n, found = 0;

	for (n = 0; n < count; n++) {
		struct side *sides[] = { &channels[n].tx, &channels[n].rx };
		size_t i;

		for (i = 0; i < ARRAY_SIZE(sides); i++) {
			if (!sides[i]->error)
				continue;
			printf("# channel %d, %s, line %d: %s\n", n, i ? "reader" : "writer",
			       sides[i]->line, strerrorname_np(-sides[i]->error));
			found++;
		}
	}
	return found;
}

/* So many milliseconds of everything, then peace: 0 or -errno. */
static int storm(struct rng *rng, long long msecs)
{
	long long end = now_ms() + msecs;
	int ret = 0;

	while (now_ms() < end && !ret) {
		ret = disturb(rng);
		usleep(rng_below(rng, 10000));
	}
	return ret ?: wire_run(&stress_link);
}

/* Who sleeps hears that the device is down. */
static bool readers_hear_of_the_device(void)
{
	int before[CHANNELS], n;

	for (n = 0; n < count; n++)
		before[n] = channels[n].rx.told;
	return !other_end_up(false) &&
	       eventually(all_channels(it->rx.told > before[it->number])) &&
	       !other_end_up(true);
}

static bool readers_hear_of_the_end(void)
{
	int n;

	for (n = 0; n < count; n++) {
		if (shutdown(channels[n].rx.fd, SHUT_RDWR))
			return false;
	}
	return eventually(all_channels(it->rx.done));
}

static void join_all(void)
{
	int n;

	for (n = 0; n < count; n++) {
		pthread_join(channels[n].tx.thread, NULL);
		pthread_join(channels[n].rx.thread, NULL);
		close_side(&channels[n].tx);
		close_side(&channels[n].rx);
	}
}

/* It takes as long as whoever asks for it says. */
TEST_F_TIMEOUT(stress, what_was_sent_was_received_or_dropped, 1 << 24)
{
	__u64 seed = env_number("WREN_SEED", 1);
	struct rng rng = rng_of(seed, 2 * CHANNELS);
	struct link_stats tx, rx;
	struct sums all;
	int old;

	count = debug_kernel() && !getenv("WREN_SECONDS") ? CHANNELS / 4 : CHANNELS;
	ASSERT_EQ(0, start(seed));
	ASSERT_EQ(0, storm(&rng, env_number("WREN_SECONDS", 0) * 1000 ?: DEFAULT_MS));
	stop = true;
	/* No signals any more: what does not wake by itself sleeps for ever. */
	EXPECT_TRUE(eventually(all_channels(it->tx.done))) {
		print_sleepers();
		_exit(KSFT_FAIL);
	}
	ASSERT_EQ(0, errors());
	EXPECT_TRUE(eventually(quiet()) && readers_hear_of_the_device() &&
		    readers_hear_of_the_end()) {
		print_sleepers();
		_exit(KSFT_FAIL);
	}
	join_all();
	ASSERT_EQ(0, errors());
	EXPECT_TRUE(only_sockets(0));
	EXPECT_TRUE(eventually(proto_sockets() == self->sockets));

	all = sums();
	EXPECT_LT(0, all.received);
	EXPECT_EQ(all.sent + all.refused, all.received + drops_read(&self->all));
	EXPECT_EQ(all.bytes_sent, all.bytes_received + all.bytes_missing);
	EXPECT_EQ(drops_read(&self->full), all.drops);

	/* The same as the devices see it: what the one has sent the other has received. */
	ASSERT_EQ(0, link_stats(stress_link.a.name, &tx));
	old = ns_enter(stress_link.b.ns);
	ASSERT_EQ(0, link_stats(stress_link.b.name, &rx));
	ns_leave(old);
	EXPECT_EQ(tx.tx_packets, rx.rx_packets + rx.rx_dropped + rx.rx_errors);
	if (!rx.rx_dropped && !rx.rx_errors)
		EXPECT_EQ(tx.tx_bytes, rx.rx_bytes);
	EXPECT_LE(all.received, rx.rx_packets);
	EXPECT_LE(tx.tx_dropped, drops_read(&self->all));
	TH_LOG("%lld sent, %lld received, %lld had no room, %lld dropped in all", all.sent,
	       all.received, all.drops, drops_read(&self->all));
}

TEST_HARNESS_MAIN
