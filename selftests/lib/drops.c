// SPDX-License-Identifier: GPL-2.0
/* Drops of our EtherType, see drops.h: a counter of perf on each CPU. */
#include <errno.h>
#include <linux/perf_event.h>
#include <linux/wren.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kselftest.h>

#include "drops.h"

#define TRACEFS "/sys/kernel/tracing"
#define EVENT TRACEFS "/events/skb/kfree_skb/"

/* The number of a reason, as the format of the event lists it: -ENOENT if it does not. */
static int reason_number(const char *reason)
{
	FILE *file = fopen(EVENT "format", "re");
	char *line = NULL, *found, name[64];
	int number = -ENOENT;
	size_t size = 0;

	if (!file)
		return -errno;
	snprintf(name, sizeof(name), ", \"%s\" }", reason);
	while (number < 0 && getline(&line, &size, file) > 0) {
		found = strstr(line, name);
		while (found && found > line && *found != '{')
			found--;
		if (found)
			number = atoi(found + 1);
	}
	free(line);
	fclose(file);
	return number;
}

static int event_id(void)
{
	FILE *file;
	int id;

	/* It is there already, or cannot be: the file tells. */
	if (access(EVENT, F_OK))
		mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	file = fopen(EVENT "id", "re");
	if (!file)
		return -errno;
	if (fscanf(file, "%d", &id) != 1)
		id = -EIO;
	fclose(file);
	return id;
}

int drops_open(struct drops *drops, const char *reason)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
	};
	int cpu, fd, number, id = event_id(), cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char filter[64];

	drops->count = 0;
	if (id < 0)
		return id;
	snprintf(filter, sizeof(filter), "protocol == %d", WREN_ETHERTYPE_DEFAULT);
	if (reason) {
		number = reason_number(reason);
		if (number < 0)
			return number;
		snprintf(filter, sizeof(filter), "protocol == %d && reason == %d",
			 WREN_ETHERTYPE_DEFAULT, number);
	}
	attr.config = id;
	for (cpu = 0; cpu < cpus && drops->count < (int)ARRAY_SIZE(drops->fds); cpu++) {
		fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
		if (fd < 0)
			return -errno;
		drops->fds[drops->count++] = fd;
		if (ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter))
			return -errno;
	}
	return 0;
}

long long drops_read(const struct drops *drops)
{
	long long sum = 0, value;
	int i;

	for (i = 0; i < drops->count; i++) {
		if (read(drops->fds[i], &value, sizeof(value)) != sizeof(value)) {
			perror("# kfree_skb cannot be counted");
			exit(1);
		}
		sum += value;
	}
	return sum;
}

void drops_close(struct drops *drops)
{
	while (drops->count)
		close(drops->fds[--drops->count]);
}
