// SPDX-License-Identifier: GPL-2.0
/*
 * What the calls of the C API cost. Each function does what the function of
 * the same name in knet_bench.rs does with knet: keep the two alike.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bottom_half.h>
#include <linux/in.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/skbuff.h>
#include <linux/unroll.h>
#include <linux/wren.h>
#include <net/net_namespace.h>
#include <net/sock.h>

/* So few that most runs end before the next timer interrupt. */
#define ROUNDS		1000

/* The best of them has seen no interrupt. */
#define RUNS		20

#define HEADROOM	64
#define PAYLOAD		64

/* How many packets there are in a queue. */
#define QUEUED		4

static const u8 frame_header[] = { 1, 1, 0, 7, 0, 9, 0, 64, 0, 0, 0, 0 };

/* What the rows work on. */
struct bench {
	struct sk_buff		*skb;
	struct sk_buff_head	queue;
	struct sk_buff_head	list;
	struct socket		*sock;
	u32			sink;	/* Takes what a round has come to */
};

struct row {
	const char	*name;
	int		(*run)(struct bench *bench, u32 rounds);
};

/* The loop alone, with what makes it stay there. It is taken off from the others. */
static int empty(struct bench *bench, u32 rounds)
{
	unrolled_none
	for (u32 i = 0; i < rounds; i++)
		WRITE_ONCE(bench->sink, 0);
	return 0;
}

static __always_inline void fill(struct sk_buff *skb)
{
	skb_put_zero(skb, PAYLOAD);
	memcpy(skb_push(skb, sizeof(frame_header)), frame_header, sizeof(frame_header));
}

/* A packet is made, filled and freed. */
static int alloc(struct bench *bench, u32 rounds)
{
	for (u32 i = 0; i < rounds; i++) {
		struct sk_buff *skb = alloc_skb(HEADROOM + PAYLOAD, GFP_ATOMIC);

		if (!skb)
			return -ENOMEM;
		skb_reserve(skb, HEADROOM);
		fill(skb);
		consume_skb(skb);
	}
	return 0;
}

/* A packet is cloned, and the clone is freed. */
static int clone(struct bench *bench, u32 rounds)
{
	struct sk_buff *skb = bench->skb;

	for (u32 i = 0; i < rounds; i++) {
		struct sk_buff *copy = skb_clone(skb, GFP_ATOMIC);

		if (!copy)
			return -ENOMEM;
		consume_skb(copy);
	}
	return 0;
}

/* A packet is charged to a socket, and orphaned. */
static int charge(struct bench *bench, u32 rounds)
{
	struct socket *sock = bench->sock;
	struct sk_buff *skb = bench->skb;

	for (u32 i = 0; i < rounds; i++) {
		skb_set_owner_w(skb, sock->sk);
		skb_orphan(skb);
	}
	return 0;
}

/* A packet is taken from a queue that has a lock, and put back at its end. */
static int queue(struct bench *bench, u32 rounds)
{
	for (u32 i = 0; i < rounds; i++) {
		struct sk_buff *skb = skb_dequeue(&bench->queue);

		if (!skb)
			return -ENODATA;
		skb_queue_tail(&bench->queue, skb);
	}
	return 0;
}

/* As queue(), without a lock: the list belongs to whoever has it. */
static int list(struct bench *bench, u32 rounds)
{
	for (u32 i = 0; i < rounds; i++) {
		struct sk_buff *skb;

		barrier();
		skb = __skb_dequeue(&bench->list);
		if (!skb)
			return -ENODATA;
		__skb_queue_tail(&bench->list, skb);
	}
	return 0;
}

/* Reads three fields. */
static __always_inline u32 sum(const struct wrenhdr *hdr)
{
	return ntohs(hdr->sport) + ntohs(hdr->dport) + ntohs(hdr->len);
}

/* The header of a packet is made linear if need be, and read. */
static int header(struct bench *bench, u32 rounds)
{
	struct sk_buff *skb = bench->skb;

	for (u32 i = 0; i < rounds; i++) {
		const struct wrenhdr *hdr;

		/* Each round finds another packet, for all that the compiler knows. */
		barrier();
		if (!pskb_may_pull(skb, sizeof(*hdr)))
			return -ENODATA;
		hdr = (const struct wrenhdr *)skb->data;
		WRITE_ONCE(bench->sink, sum(hdr));
	}
	return 0;
}

/* The header of a packet is copied if it is not linear, and read. */
static int header_pointer(struct bench *bench, u32 rounds)
{
	struct sk_buff *skb = bench->skb;

	for (u32 i = 0; i < rounds; i++) {
		const struct wrenhdr *hdr;
		struct wrenhdr buffer;

		barrier();
		hdr = skb_header_pointer(skb, 0, sizeof(buffer), &buffer);
		if (!hdr)
			return -ENODATA;
		WRITE_ONCE(bench->sink, sum(hdr));
	}
	return 0;
}

static const struct row rows[] = {
	{ "empty", empty },
	{ "alloc", alloc },
	{ "clone", clone },
	{ "charge", charge },
	{ "queue", queue },
	{ "list", list },
	{ "header", header },
	{ "header_pointer", header_pointer },
};

/* Nanoseconds of the best run, which are instructions where those are counted. */
static int measure(struct bench *bench, const struct row *row)
{
	s64 best = S64_MAX;

	for (u32 i = 0; i < RUNS; i++) {
		ktime_t start;
		s64 elapsed;
		int err;

		local_bh_disable();
		start = ktime_get();
		err = row->run(bench, ROUNDS);
		elapsed = ktime_get() - start;
		local_bh_enable();
		if (err)
			return err;
		best = min(best, elapsed);
	}
	pr_info("%s: %lld ns in %d rounds\n", row->name, best, ROUNDS);
	return 0;
}

static int fill_queues(struct bench *bench)
{
	for (u32 i = 0; i < 2 * QUEUED; i++) {
		struct sk_buff *skb = skb_clone(bench->skb, GFP_KERNEL);

		if (!skb)
			return -ENOMEM;
		skb_queue_tail(i % 2 ? &bench->queue : &bench->list, skb);
	}
	return 0;
}

static int __init knet_bench_c_init(void)
{
	struct bench bench = {};
	int err;

	skb_queue_head_init(&bench.queue);
	skb_queue_head_init(&bench.list);

	err = sock_create_kern(&init_net, AF_INET, SOCK_DGRAM, IPPROTO_UDP, &bench.sock);
	if (err)
		return err;
	bench.skb = alloc_skb(HEADROOM + PAYLOAD, GFP_KERNEL);
	if (!bench.skb) {
		err = -ENOMEM;
		goto out_sock;
	}
	skb_reserve(bench.skb, HEADROOM);
	fill(bench.skb);
	err = fill_queues(&bench);
	for (size_t i = 0; i < ARRAY_SIZE(rows) && !err; i++)
		err = measure(&bench, &rows[i]);
	skb_queue_purge_reason(&bench.queue, SKB_CONSUMED);
	skb_queue_purge_reason(&bench.list, SKB_CONSUMED);
	consume_skb(bench.skb);
out_sock:
	sock_release(bench.sock);
	return err;
}
module_init(knet_bench_c_init);

static void __exit knet_bench_c_exit(void)
{
}
module_exit(knet_bench_c_exit);

MODULE_AUTHOR("The wren authors");
MODULE_DESCRIPTION("What the calls of the C API cost; knet_bench has the same calls of knet");
MODULE_LICENSE("GPL");
