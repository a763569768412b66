// SPDX-License-Identifier: GPL-2.0
/* Reads a file while very many sockets are open: what memory they take. */

#include <stdio.h>

#include "crowd.h"

int main(int argc, char **argv)
{
	struct crowd crowd;

	if (argc < 3) {
		fputs("usage: crowd FILE NETNS CROWD\n" CROWD_USAGE, stderr);
		return 2;
	}
	crowd = parse_crowd(argc - 3, argv + 3);
	open_crowd(&crowd, argv[2]);
	execlp("cat", "cat", argv[1], NULL);
	err(1, "cat");
}
