// SPDX-License-Identifier: GPL-2.0
/*
 * Memory runs out: each allocation of an operation fails once, the first, the
 * second and so on (/proc/thread-self/fail-nth), until it succeeds. Whatever
 * failed must be undone: the end of each test looks for what was left behind.
 */
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <sys/syscall.h>
#include <time.h>

#include "../lib/harness.h"
#include "../lib/module.h"

#define PORT		1000
#define STEPS_MAX	5000

/* A failure is armed by fault_begin() and looked at by fault_end(). */
static int fault_fd;
static int fault_nth;
static int fault_first = 1, fault_step = 1;
static bool fault_injected;

static void fault_write(int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	/* The failure that is taken back may hit the attempt to do so. */
	if (pwrite(fault_fd, text, strlen(text), 0) < 0 &&
	    (errno != EFAULT ||
	     pwrite(fault_fd, text, strlen(text), 0) < 0)) {
		perror("# fail-nth");
		exit(1);
	}
}

/*
 * Some of the failures of an operation that has hundreds of steps, or takes
 * long: others in each run.
 */
static void fault_sample(int step)
{
	fault_step = step;
	fault_first = 1 + time(NULL) % step;
}

static void fault_begin(void)
{
	fault_write(fault_nth);
}

static void fault_end(void)
{
	char text[16] = {};
	int saved = errno;

	/*
	 * What is left to count down: nothing if the failure has happened. If
	 * it hits the copy of this very answer, then the operation had none.
	 */
	if (pread(fault_fd, text, sizeof(text) - 1, 0) > 0) {
		fault_injected |= atoi(text) == 0;
	} else if (errno != EFAULT) {
		perror("# fail-nth");
		exit(1);
	}
	fault_write(0);
	errno = saved;
}

/*
 * Runs the operation with the first, the second ... failure, until there is
 * none left to happen. It returns 0 or -errno; what it made is undone.
 */
#define FOR_EACH_FAULT(operation, undo) do {				\
	int ret_ = 0, errors_ = 0;					\
									\
	for (fault_nth = fault_first; fault_nth < STEPS_MAX;		\
	     fault_nth += fault_step) {					\
		fault_injected = false;					\
		ret_ = (operation);					\
		if (!ret_)						\
			undo;						\
		if (!fault_injected)					\
			break;						\
		errors_ += !!ret_;					\
		EXPECT_TRUE(!ret_ || ret_ == -ENOMEM || ret_ == -ENOBUFS || \
			    ret_ == -EFAULT || ret_ == -EAGAIN ||	\
			    ret_ == -ENFILE) {				\
			TH_LOG("failure %d gives %d", fault_nth, ret_);	\
		}							\
	}								\
	TH_LOG("%d failures from %d on, %d of them gave an error",	\
	       (fault_nth - fault_first) / fault_step, fault_first,	\
	       errors_);						\
	EXPECT_GT(STEPS_MAX, fault_nth);				\
	EXPECT_EQ(0, ret_);						\
	EXPECT_LT(0, errors_);						\
} while (0)

static bool debugfs_write(const char *file, const char *value)
{
	char path[128];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = write(fd, value, strlen(value)) > 0;
	close(fd);
	return ok;
}

/* Allocations that may sleep fail, too, and the log is not filled with it. */
static bool faults_on(void)
{
	return debugfs_write("failslab/ignore-gfp-wait", "N") &&
	       debugfs_write("failslab/verbose", "0") &&
	       debugfs_write("fail_page_alloc/ignore-gfp-wait", "N") &&
	       debugfs_write("fail_page_alloc/min-order", "0") &&
	       debugfs_write("fail_page_alloc/verbose", "0") &&
	       debugfs_write("fail_usercopy/verbose", "0");
}

/* Where the function and the one behind it begin, as the kernel says */
static bool function_range(const char *function, unsigned long *start,
			   unsigned long *end)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	unsigned long address;
	char line[512], name[256];

	*start = 0;
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx %*c %255s", &address, name) != 2)
			continue;
		if (*start && address > *start) {
			*end = address;
			break;
		}
		if (!strcmp(name, function))
			*start = address;
	}
	if (file)
		fclose(file);
	return *start;
}

/* Sets a range of addresses that a stack has to have, or must not have. */
static bool faults_range(const char *which, const char *function,
			 unsigned long start, unsigned long end)
{
	static const char * const what[] = {
		"failslab", "fail_page_alloc", "fail_usercopy",
	};
	char path[64], text[32];
	bool ok = true;
	size_t i;

	if (function && !function_range(function, &start, &end))
		return false;
	for (i = 0; i < ARRAY_SIZE(what); i++) {
		snprintf(path, sizeof(path), "%s/%s-start", what[i], which);
		snprintf(text, sizeof(text), "0x%lx", start);
		ok &= debugfs_write(path, text);
		snprintf(path, sizeof(path), "%s/%s-end", what[i], which);
		snprintf(text, sizeof(text), "0x%lx", end);
		ok &= debugfs_write(path, text);
	}
	return ok;
}

/* Failures happen only below that function of the kernel; NULL: everywhere. */
static bool faults_below(const char *function)
{
	return faults_range("require", function, 0, -1UL);
}

/* No failure happens below that function; NULL: there is none such. */
static bool no_faults_below(const char *function)
{
	return faults_range("reject", function, 0, 0);
}

FIXTURE(fault) {
};

FIXTURE_SETUP(fault)
{
	fault_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fault_fd < 0 || !faults_on())
		SKIP(return, "the kernel has no fault injection");
	ASSERT_EQ(0, modules_load());
}

FIXTURE_TEARDOWN(fault)
{
	faults_below(NULL);
	no_faults_below(NULL);
	EXPECT_EQ(0, modules_load());
}

static int load_with_fault(const char *name)
{
	char path[256];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/%s.ko", getenv("WREN_KO"), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	fault_begin();
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	fault_end();
	close(fd);
	return ret;
}

/* Only what its init allocates: the module loader is not ours to test. */
static void each_fault_in_init(struct __test_metadata *_metadata,
			       const char *name)
{
	ASSERT_TRUE(faults_below("do_init_module"));
	FOR_EACH_FAULT(load_with_fault(name), module_unload(name));
	EXPECT_TRUE(faults_below(NULL));
	EXPECT_FALSE(module_loaded(name));
}

TEST_F(fault, load_knet)
{
	ASSERT_EQ(0, modules_unload());
	each_fault_in_init(_metadata, "knet");
}

TEST_F(fault, load_wren_nic)
{
	ASSERT_EQ(0, modules_unload());
	ASSERT_EQ(0, module_load("knet", ""));
	each_fault_in_init(_metadata, "wren_nic");
	EXPECT_EQ(0, module_unload("knet"));
}

TEST_F(fault, load_af_wren)
{
	ASSERT_EQ(0, modules_unload());
	ASSERT_EQ(0, module_load("knet", ""));
	each_fault_in_init(_metadata, "af_wren");
	EXPECT_EQ(0, module_unload("knet"));
	EXPECT_EQ(-EAFNOSUPPORT, wren_socket(0));
}

static int socket_with_fault(int family, int *fd)
{
	fault_begin();
	*fd = socket(family, SOCK_DGRAM, 0);
	fault_end();
	return *fd < 0 ? -errno : 0;
}

TEST_F(fault, socket)
{
	int family = wren_family(), sockets = proto_sockets(), fd;

	ASSERT_LE(0, sockets);
	FOR_EACH_FAULT(socket_with_fault(family, &fd), close(fd));
	EXPECT_TRUE(eventually(proto_sockets() == sockets));
	EXPECT_TRUE(only_sockets(0));
}

static int add_pair_with_fault(void)
{
	bool there;
	int ret;

	link_request_hook = (struct link_hook){ fault_begin, fault_end };
	ret = link_add_pair("wren-a", "wren-b", -1, 2);
	link_request_hook = (struct link_hook){};

	/* device_add() says so if there was no memory for the device's name. */
	if (ret == -EINVAL)
		ret = -ENOMEM;
	/* The kernel's answer may be what could not be allocated. */
	there = link_exists("wren-a");
	if (there && ret == -ENOBUFS)
		ret = 0;
	/* All or nothing */
	return there == !ret && there == link_exists("wren-b") ?
	       ret : -ENOTRECOVERABLE;
}

/* By far the most steps */
TEST_F_TIMEOUT(fault, add_pair, 1000)
{
	int refs = module_refs("wren_nic"), ns = ns_new();

	ASSERT_LE(0, ns);
	ns_enter(ns);
	ASSERT_TRUE(no_faults_below("register_netdevice"));
	fault_sample(4);
	FOR_EACH_FAULT(add_pair_with_fault(), link_del("wren-a"));
	/* The core has hundreds of steps for each device. */
	ASSERT_TRUE(no_faults_below(NULL));
	fault_sample(41);
	FOR_EACH_FAULT(add_pair_with_fault(), link_del("wren-a"));
	EXPECT_FALSE(link_exists("wren-a"));
	EXPECT_FALSE(link_exists("wren-b"));
	EXPECT_EQ(refs, module_refs("wren_nic"));
}

static int up_with_fault(void)
{
	int ret;

	fault_begin();
	ret = link_up("wren-a", true);
	fault_end();
	return ret;
}

TEST_F(fault, up)
{
	int ns = ns_new();

	ASSERT_LE(0, ns);
	ns_enter(ns);
	ASSERT_EQ(0, link_add_pair("wren-a", "wren-b", -1, 2));
	ASSERT_EQ(0, link_up("wren-b", true));
	FOR_EACH_FAULT(up_with_fault(), link_up("wren-a", false));
	EXPECT_EQ(0, link_del("wren-a"));
}

typedef int (*shape_get)(const char *name, struct shape *shape);
typedef int (*shape_set)(const char *name, struct shape shape);

/* Either as before or as it was asked for, and the same at both ends */
static int shape_with_fault(struct __test_metadata *_metadata,
			    shape_get get, shape_set set,
			    struct shape before, struct shape after)
{
	struct shape a, b, *expected;
	int ret;

	fault_begin();
	ret = set("wren-a", after);
	fault_end();
	if (get("wren-a", &a) || get("wren-b", &b))
		return -ENOTRECOVERABLE;
	/* It was done, and the core could not copy its answer. */
	if (ret == -EFAULT && a.tx == after.tx && a.rx == after.rx)
		ret = 0;
	expected = ret ? &before : &after;
	if (a.rx != expected->rx || a.tx != expected->tx ||
	    b.rx != expected->tx || b.tx != expected->rx) {
		TH_LOG("after %d: %d %d, %d %d", ret, a.rx, a.tx, b.rx, b.tx);
		return -ENOTRECOVERABLE;
	}
	return ret;
}

static void each_fault_in_shape(struct __test_metadata *_metadata,
				shape_get get, shape_set set,
				struct shape before, struct shape after)
{
	int ns = ns_new();

	ASSERT_LE(0, ns);
	ns_enter(ns);
	ASSERT_EQ(0, link_add_pair("wren-a", "wren-b", -1, 3));
	ASSERT_EQ(0, link_up("wren-a", true));
	ASSERT_EQ(0, link_up("wren-b", true));
	ASSERT_EQ(0, set("wren-a", before));
	FOR_EACH_FAULT(shape_with_fault(_metadata, get, set, before, after),
		       set("wren-a", before));
	EXPECT_EQ(0, link_del("wren-a"));
}

TEST_F_TIMEOUT(fault, rings, 180)
{
	each_fault_in_shape(_metadata, link_rings, link_set_rings,
			    (struct shape){ 256, 256 },
			    (struct shape){ 1024, 8 });
}

TEST_F_TIMEOUT(fault, more_channels, 180)
{
	fault_sample(7);
	each_fault_in_shape(_metadata, link_channels, link_set_channels,
			    (struct shape){ 1, 1 }, (struct shape){ 3, 2 });
}

/* One direction gets more, and the other one fewer. */
TEST_F_TIMEOUT(fault, other_channels, 180)
{
	fault_sample(7);
	each_fault_in_shape(_metadata, link_channels, link_set_channels,
			    (struct shape){ 3, 1 }, (struct shape){ 1, 3 });
}

static int bind_with_fault(int fd, int ifindex)
{
	struct sockaddr_wren addr = wren_addr(ifindex, PORT, NULL);
	int ret;

	fault_begin();
	ret = bind(fd, (void *)&addr, sizeof(addr)) ? -errno : 0;
	fault_end();
	return ret;
}

TEST_F(fault, bind)
{
	struct link link;
	int fd;

	ASSERT_EQ(0, link_setup(&link, LINK_WREN));
	fd = wren_socket(0);
	FOR_EACH_FAULT(bind_with_fault(fd, link.a.index),
		       (close(fd), fd = wren_socket(0)));
	/* The failed ones did not take the port. */
	EXPECT_EQ(0, wren_bind(fd, link.a.index, PORT));
	link_teardown(&link);
}

static int send_with_fault(int fd, const struct sockaddr_wren *to)
{
	char data[1000] = {};
	int ret;

	fault_begin();
	ret = wren_sendto(fd, data, sizeof(data), 0, to);
	fault_end();
	if (!eventually(outq(fd) == 0))
		return -ENOTRECOVERABLE;
	return ret < 0 ? ret : 0;
}

/* The first send of a socket binds it, too. */
TEST_F(fault, send)
{
	struct sockaddr_wren to;
	int sockets, fd;
	struct link link;

	ASSERT_EQ(0, link_setup(&link, LINK_WREN));
	sockets = proto_sockets();
	to = wren_addr(link.a.index, PORT, link.b.mac);
	fd = wren_socket(0);
	FOR_EACH_FAULT(send_with_fault(fd, &to),
		       (close(fd), fd = wren_socket(0)));
	close(fd);
	EXPECT_TRUE(eventually(proto_sockets() == sockets));
	EXPECT_TRUE(only_sockets(0));
	link_teardown(&link);
}

static int receive_with_fault(int tx, const struct sockaddr_wren *to, int rx)
{
	struct sockaddr_wren from;
	socklen_t len = sizeof(from);
	char data[1000] = {};
	int ret;

	ret = wren_sendto(tx, data, sizeof(data), 0, to);
	if (ret < 0)
		return ret;
	if (!eventually(polled(rx, POLLIN) & POLLIN))
		return -ENOTRECOVERABLE;
	fault_begin();
	ret = recvfrom(rx, data, sizeof(data), MSG_DONTWAIT, (void *)&from,
		       &len);
	fault_end();
	return ret < 0 ? -errno : 0;
}

/* A copy that fails may cost the datagram, as in UDP, and nothing else. */
TEST_F(fault, receive)
{
	struct sockaddr_wren to;
	struct link link;
	char data[1000];
	int rx, tx;

	ASSERT_EQ(0, link_setup(&link, LINK_WREN));
	rx = wren_bound(&link.b, PORT);
	tx = wren_bound(&link.a, PORT);
	to = wren_addr(0, PORT, link.b.mac);
	FOR_EACH_FAULT(receive_with_fault(tx, &to, rx), (void)0);
	while (wren_recv(rx, data, sizeof(data), MSG_DONTWAIT) >= 0)
		;
	EXPECT_EQ(0, meminfo(rx, SK_MEMINFO_RMEM_ALLOC));
	link_teardown(&link);
}

/* The core may move the data of a packet at many places; here it always does. */
TEST_F(fault, buffers_that_move)
{
	char sent[1400], got[sizeof(sent)];
	struct sockaddr_wren to;
	struct link link;
	size_t len, i;
	int rx, tx;

	ASSERT_TRUE(debugfs_write("fail_skb_realloc/verbose", "0"));
	ASSERT_TRUE(debugfs_write("fail_skb_realloc/times", "-1"));
	ASSERT_EQ(0, link_setup(&link, LINK_WREN));
	rx = wren_bound(&link.b, PORT);
	tx = wren_bound(&link.a, PORT);
	to = wren_addr(0, PORT, link.b.mac);
	ASSERT_TRUE(debugfs_write("fail_skb_realloc/probability", "100"));
	for (len = 0; len <= sizeof(sent); len += 100) {
		for (i = 0; i < len; i++)
			sent[i] = len / 100 + i;
		EXPECT_EQ((int)len, wren_sendto(tx, sent, len, 0, &to));
		EXPECT_TRUE(eventually(polled(rx, POLLIN) & POLLIN));
		EXPECT_EQ((int)len,
			  wren_recv(rx, got, sizeof(got), MSG_DONTWAIT));
		EXPECT_EQ(0, memcmp(sent, got, len));
	}
	EXPECT_TRUE(debugfs_write("fail_skb_realloc/probability", "0"));
	link_teardown(&link);
}

TEST_HARNESS_MAIN
