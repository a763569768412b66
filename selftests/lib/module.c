// SPDX-License-Identifier: GPL-2.0
/* Loading and unloading the modules, see module.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kselftest.h>

#include "module.h"
#include "sock.h"

static const char * const order[] = { "knet", "wren_nic", "af_wren" };

int module_load(const char *name, const char *parameters)
{
	const char *dir = getenv("WREN_KO");
	char path[256];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/%s.ko", dir ?: ".", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		printf("# %s: %m (WREN_KO names the directory)\n", path);
		return -errno;
	}
	ret = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return ret;
}

int module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

bool module_loaded(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	return !access(path, F_OK);
}

int modules_load(void)
{
	int ret = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(order) && !ret; i++) {
		if (!module_loaded(order[i]))
			ret = module_load(order[i], "");
	}
	return ret;
}

/* Packets that somebody forgot: the count goes when knet goes. */
static bool packets_forgotten(void)
{
	FILE *file = fopen("/sys/kernel/debug/knet/implicit_drops", "re");
	unsigned long count = 1;

	if (!file || fscanf(file, "%lu", &count) != 1)
		printf("# /sys/kernel/debug/knet/implicit_drops cannot be read\n");
	else if (count)
		printf("# %lu packets were dropped implicitly\n", count);
	if (file)
		fclose(file);
	return count;
}

/*
 * A module that is not in use may still be pinned for a moment, by a socket
 * that waits for its grace period.
 */
static int unload_soon(const char *name)
{
	long long deadline = now_ms() + LONG_MS;
	int ret;

	do {
		ret = module_unload(name);
	} while (ret == -EWOULDBLOCK && now_ms() < deadline && !usleep(2000));
	return ret;
}

int modules_unload(void)
{
	int ret = 0;
	size_t i;

	for (i = ARRAY_SIZE(order); i-- > 0 && !ret;) {
		if (!module_loaded(order[i]))
			continue;
		if (i == 0 && packets_forgotten())
			return -EUCLEAN;
		ret = unload_soon(order[i]);
	}
	return ret;
}

int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd < 0 ? -errno : fd;
}

bool kmsg_has(int fd, const char *one, const char *other)
{
	char line[8192];
	ssize_t len;

	while ((len = read(fd, line, sizeof(line) - 1)) > 0) {
		line[len] = 0;
		if (strstr(line, one) && strstr(line, other))
			return true;
	}
	return false;
}
