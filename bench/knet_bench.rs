// SPDX-License-Identifier: GPL-2.0

//! `knet_bench`: what the calls of knet cost.
//!
//! Each row is a sequence of calls that a driver or a protocol makes for each packet. The functions
//! of the same names in `knet_bench_c.c` make the same calls in C: keep the two alike. The rows are
//! measured when the module is loaded, and the results are in the kernel's log.

use core::{
    mem::MaybeUninit,
    sync::atomic::{
        compiler_fence,
        AtomicU32,
        Ordering, //
    }, //
};
use kernel::prelude::*;
use knet::{
    bh,
    new_skb_queue,
    skb::{
        Cloned,
        SkBuff,
        SkbList,
        SkbQueue, //
    },
    sock::KernelSocket,
    time, //
};

module! {
    type: KnetBench,
    name: "knet_bench",
    authors: ["The wren authors"],
    description: "What the calls of knet cost; knet_bench_c has the same calls in C",
    license: "GPL",
}

/// So few that most runs end before the next timer interrupt.
const ROUNDS: u32 = 1000;

/// The best of them has seen no interrupt.
const RUNS: u32 = 20;

const HEADROOM: usize = 64;
const PAYLOAD: usize = 64;

/// How many packets there are in a queue.
const QUEUED: usize = 4;

/// A datagram header of af_wren: version, type, ports, length, zero.
const HEADER: [u8; 12] = [1, 1, 0, 7, 0, 9, 0, 64, 0, 0, 0, 0];

/// What the rows work on.
struct Bench {
    skb: SkBuff<Cloned>,
    queue: Pin<KBox<SkbQueue>>,
    list: SkbList,
    sock: KernelSocket,
    /// Takes what a round has come to. In C that is WRITE_ONCE(), one instruction; storing to an
    /// atomic of the `kernel` crate is a call.
    sink: AtomicU32,
}

impl Bench {
    fn new() -> Result<Self> {
        let sock = KernelSocket::udp()?;
        let queue = KBox::pin_init(new_skb_queue!(), GFP_KERNEL)?;
        let mut skb = SkBuff::alloc(HEADROOM, PAYLOAD, GFP_KERNEL)?;
        let filled = fill(&mut skb);
        let mut bench = Self {
            skb: skb.into(),
            queue,
            list: SkbList::new(),
            sock,
            sink: AtomicU32::new(0),
        };
        match filled.and_then(|()| bench.fill_queues()) {
            Ok(()) => Ok(bench),
            Err(e) => {
                bench.consume();
                Err(e)
            }
        }
    }

    fn fill_queues(&mut self) -> Result {
        for _ in 0..QUEUED {
            self.queue.queue_tail(self.skb.try_clone(GFP_KERNEL)?);
            self.list.queue_tail(self.skb.try_clone(GFP_KERNEL)?);
        }
        Ok(())
    }

    fn consume(self) {
        self.queue.take_all().consume();
        self.list.consume();
        self.skb.consume();
    }
}

/// One row: what is done `rounds` times.
type Row = fn(bench: &mut Bench, rounds: u32) -> Result;

const ROWS: [(&str, Row); 8] = [
    ("empty", empty),
    ("alloc", alloc),
    ("clone", clone),
    ("charge", charge),
    ("queue", queue),
    ("list", list),
    ("header", header),
    ("header_pointer", header_pointer),
];

/// The loop alone, with what makes it stay there. It is taken off from the others.
fn empty(bench: &mut Bench, rounds: u32) -> Result {
    for _ in 0..rounds {
        bench.sink.store(0, Ordering::Relaxed);
    }
    Ok(())
}

#[inline(always)]
fn fill(skb: &mut SkBuff) -> Result {
    skb.put(PAYLOAD)?;
    skb.push_data(&HEADER)
}

/// A packet is made, filled and freed.
fn alloc(_bench: &mut Bench, rounds: u32) -> Result {
    for _ in 0..rounds {
        let mut skb = SkBuff::alloc(HEADROOM, PAYLOAD, GFP_ATOMIC)?;
        let filled = fill(&mut skb);
        skb.consume();
        filled?;
    }
    Ok(())
}

/// A packet is cloned, and the clone is freed.
fn clone(bench: &mut Bench, rounds: u32) -> Result {
    for _ in 0..rounds {
        bench.skb.try_clone(GFP_ATOMIC)?.consume();
    }
    Ok(())
}

/// A packet is charged to a socket, and orphaned.
fn charge(bench: &mut Bench, rounds: u32) -> Result {
    for _ in 0..rounds {
        bench.skb.set_owner_w(bench.sock.sk());
        bench.skb.orphan();
    }
    Ok(())
}

/// A packet is taken from a queue that has a lock, and put back at its end.
fn queue(bench: &mut Bench, rounds: u32) -> Result {
    for _ in 0..rounds {
        let skb = bench.queue.dequeue().ok_or(ENODATA)?;
        bench.queue.queue_tail(skb);
    }
    Ok(())
}

/// As [`queue`], without a lock: the list belongs to whoever has it.
fn list(bench: &mut Bench, rounds: u32) -> Result {
    for _ in 0..rounds {
        compiler_fence(Ordering::SeqCst);
        let skb = bench.list.dequeue().ok_or(ENODATA)?;
        bench.list.queue_tail(skb);
    }
    Ok(())
}

/// Reads three fields.
#[inline(always)]
fn sum(header: &[u8; HEADER.len()]) -> u32 {
    let [_, _, s0, s1, d0, d1, l0, l1, ..] = *header;
    let source = u16::from_be_bytes([s0, s1]);
    let dest = u16::from_be_bytes([d0, d1]);
    let len = u16::from_be_bytes([l0, l1]);
    u32::from(source) + u32::from(dest) + u32::from(len)
}

/// The header of a packet is made linear if need be, and read.
fn header(bench: &mut Bench, rounds: u32) -> Result {
    for _ in 0..rounds {
        // Each round finds another packet, for all that the compiler knows.
        compiler_fence(Ordering::SeqCst);
        let header = bench.skb.may_pull(HEADER.len())?;
        let sum = sum(header.first_chunk().ok_or(EINVAL)?);
        bench.sink.store(sum, Ordering::Relaxed);
    }
    Ok(())
}

/// The header of a packet is copied if it is not linear, and read.
fn header_pointer(bench: &mut Bench, rounds: u32) -> Result {
    for _ in 0..rounds {
        compiler_fence(Ordering::SeqCst);
        let mut buffer = MaybeUninit::uninit();
        let header = bench.skb.header_pointer(0, &mut buffer).ok_or(EINVAL)?;
        bench.sink.store(sum(header), Ordering::Relaxed);
    }
    Ok(())
}

/// Returns the nanoseconds of the best run, which are instructions where those are counted.
fn measure(bench: &mut Bench, row: Row) -> Result<i64> {
    let mut best = i64::MAX;
    for _ in 0..RUNS {
        let elapsed = bh::disabled(|| {
            let start = time::ktime_get_ns();
            row(bench, ROUNDS).map(|()| time::ktime_get_ns() - start)
        })?;
        best = best.min(elapsed);
    }
    Ok(best)
}

fn measure_all(bench: &mut Bench) -> Result {
    for (name, row) in ROWS {
        let best = measure(bench, row)?;
        pr_info!("{name}: {best} ns in {ROUNDS} rounds\n");
    }
    Ok(())
}

struct KnetBench;

impl kernel::Module for KnetBench {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut bench = Bench::new()?;
        let measured = measure_all(&mut bench);
        bench.consume();
        measured.map(|()| Self)
    }
}
