// SPDX-License-Identifier: GPL-2.0
/* Who pays for a socket, and what the kernel's tools see of it, as with UDP. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../lib/harness.h"

#define SOCKETS		800
#define CGROUP_ROOT	"/tmp/wren-cgroup"

FIXTURE(accounting) {
	struct link link;
	char path[64];
};

static int write_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* A cgroup of our own with memory accounting: 0 or -errno */
static int cgroup_new(char *path, size_t len)
{
	int ret;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	if (mkdir(CGROUP_ROOT, 0755) && errno != EEXIST)
		return -errno;
	if (mount("none", CGROUP_ROOT, "cgroup2", 0, NULL))
		return -errno;
	ret = write_file(CGROUP_ROOT, "cgroup.subtree_control", "+memory");
	if (ret)
		return ret;
	snprintf(path, len, "%s/wren-test-%d", CGROUP_ROOT, getpid());
	return mkdir(path, 0755) ? -errno : 0;
}

FIXTURE_SETUP(accounting)
{
	struct rlimit limit = { 2 * SOCKETS, 2 * SOCKETS };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(0, link_setup(&self->link, LINK_WREN));
}

FIXTURE_TEARDOWN(accounting)
{
	if (self->path[0]) {
		write_file(CGROUP_ROOT, "cgroup.procs", "0");
		rmdir(self->path);
	}
	umount2(CGROUP_ROOT, MNT_DETACH);
	rmdir(CGROUP_ROOT);
	link_teardown(&self->link);
}

/* A line of memory.stat, or -1 */
static long memory_stat(const char *cgroup, const char *name)
{
	char path[128], key[64];
	long value, found = -1;
	FILE *file;

	snprintf(path, sizeof(path), "%s/memory.stat", cgroup);
	file = fopen(path, "re");
	while (file && fscanf(file, "%63s %ld", key, &value) == 2) {
		if (!strcmp(key, name))
			found = value;
	}
	if (file)
		fclose(file);
	return found;
}

/* What a protocol says of the size of its sockets, or -1 */
static int object_size(const char *proto)
{
	FILE *file = fopen("/proc/thread-self/net/protocols", "re");
	char line[256], name[32];
	int size, found = -1;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%31s %d", name, &size) == 2 && !strcmp(name, proto))
			found = size;
	}
	if (file)
		fclose(file);
	return found;
}

/* Bytes that so many sockets cost their cgroup, until they are closed; -1: that is not so */
static long cost_of(const char *cgroup, int family, int type)
{
	long before = memory_stat(cgroup, "slab");
	int fds[SOCKETS], i;
	long cost;

	for (i = 0; i < SOCKETS; i++)
		fds[i] = socket(family, type | SOCK_CLOEXEC, 0);
	cost = fds[SOCKETS - 1] < 0 ? -1 : memory_stat(cgroup, "slab") - before;
	for (i = 0; i < SOCKETS; i++)
		close(fds[i]);
	if (!eventually(memory_stat(cgroup, "slab") < before + cost / 10))
		return -1;
	return cost;
}

/*
 * The cgroup of its process pays for a socket: as much as for one of UDP, less
 * what it is smaller.
 */
TEST_F(accounting, memory_of_sockets_is_charged)
{
	long ours, theirs, smaller = object_size("UDP") - object_size("WREN");
	int ret = cgroup_new(self->path, sizeof(self->path));

	if (ret)
		SKIP(return, "no cgroup with memory accounting: %s", strerror(-ret));
	ASSERT_EQ(0, write_file(self->path, "cgroup.procs", "0"));
	theirs = cost_of(self->path, AF_INET, SOCK_DGRAM);
	ours = cost_of(self->path, wren_family(), SOCK_DGRAM);
	ASSERT_LT(SOCKETS * object_size("UDP") / 2, theirs);
	EXPECT_LT(theirs - SOCKETS * smaller - theirs / 5, ours) {
		TH_LOG("%ld bytes, %ld of UDP, %ld less each", ours, theirs, smaller);
	}
}

/* Is there a lock class whose name begins so? */
static bool lock_class(const char *name)
{
	FILE *file = fopen("/proc/lockdep", "re");
	char line[512];
	bool found = false;

	while (file && fgets(line, sizeof(line), file))
		found |= !!strstr(line, name);
	if (file)
		fclose(file);
	return found;
}

/* The locks of our sockets are those of our family, and not mixed up with others. */
TEST_F(accounting, lock_classes_of_the_family)
{
	int fd = wren_bound(&self->link.a, 0);

	if (access("/proc/lockdep", R_OK))
		SKIP(return, "a kernel without lockdep");
	if (wren_family() != AF_WREN_DEFAULT)
		SKIP(return, "lockdep has the name of another family");
	ASSERT_LE(0, fd);
	EXPECT_TRUE(lock_class(": sk_lock-AF_ASH"));
	EXPECT_TRUE(lock_class(": slock-AF_ASH"));
	EXPECT_TRUE(lock_class(": knet_sock_table"));
	EXPECT_FALSE(lock_class(": k-sk_lock-AF_ASH"));
}

TEST_HARNESS_MAIN
