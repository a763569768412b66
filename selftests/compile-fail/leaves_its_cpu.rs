// SPDX-License-Identifier: GPL-2.0

//! What is bound to a CPU or to a task that holds a lock cannot be sent to another one.

use kernel::sync::rcu;
use knet::{
    netdev::{
        Completion,
        Operations,
        PollContext,
        PollResult,
        TxQueue, //
    },
    sock::SockGuard,
};

/// A function that another CPU calls
fn elsewhere(_f: impl FnOnce() + Send) {}

/// The lock of the queue is held here.
pub fn queue(mut queue: TxQueue<'_, ()>) {
    // error[E0277]: cannot be sent between threads safely
    elsewhere(move || queue.state.sent(100));
}

/// Completions of a queue do not run at the same time.
pub fn completion(mut queue: Completion<'_>) {
    // error[E0277]: cannot be sent between threads safely
    elsewhere(move || drop(queue.reset()));
}

/// The instance is polled here.
pub fn poll<T: Operations>(ctx: PollContext<'_, T>) {
    // error[E0277]: cannot be shared between threads safely
    elsewhere(move || drop(ctx.complete_done()));
}

/// The result is that of the round on this CPU.
pub fn result(result: PollResult) {
    // error[E0277]: cannot be sent between threads safely
    elsewhere(move || drop(result));
}

/// The task that has taken the lock gives it back.
pub fn lock(guard: SockGuard<'_>) {
    // error[E0277]: cannot be sent between threads safely
    elsewhere(move || drop(guard));
}

/// It is this task that RCU waits for.
pub fn read_side(guard: rcu::Guard) {
    // error[E0277]: cannot be sent between threads safely
    elsewhere(move || drop(guard));
}
