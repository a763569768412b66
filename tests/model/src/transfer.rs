// SPDX-License-Identifier: GPL-2.0

//! What has to hold for every transfer.

use crate::{
    af_wren::flow::{Flags, State},
    net::{Net, SECOND},
    scenario::{assert_whole, scenarios, Scenario},
    wire::Faults,
};
use proptest::prelude::*;

/// Both have closed, and nothing is on the wire that could wake them up.
fn assert_silent(net: &mut Net) {
    net.hosts.iter_mut().for_each(|host| {
        host.history = true;
        host.sent.clear();
    });
    net.pass(100 * SECOND);
    assert!(net.hosts.iter().all(|host| host.sent.is_empty()));
}

/// A wire that only takes its time.
fn good(faults: Faults) -> Faults {
    Faults {
        delay: faults.delay,
        ..Faults::NONE
    }
}

proptest! {
    #[test]
    fn every_byte_arrives_once_in_order_and_both_ends_end(scenario in scenarios()) {
        let mut net = scenario.run();
        assert_whole(&net);
        assert_silent(&mut net);
    }

    #[test]
    fn what_is_not_lost_is_sent_once(scenario in scenarios()) {
        let faults = scenario.faults.map(good);
        let mut scenario = Scenario { faults, history: true, ..scenario };
        // Nobody is so slow that he does not let the peer send.
        for program in &mut scenario.programs {
            program.config.room = program.config.room.max(1_000_000);
        }
        let net = scenario.run();
        assert_whole(&net);
        for host in &net.hosts {
            let data = host.sent.iter().filter(|(_, segment)| segment.len > 0);
            let sent: usize = data.map(|(_, segment)| usize::from(segment.len)).sum();
            prop_assert_eq!(sent, host.written.bytes.len());
            let fins = host.sent.iter().filter(|(_, segment)| segment.flags.has(Flags::FIN));
            prop_assert_eq!(fins.count(), 1);
        }
    }

    #[test]
    fn a_small_window_is_never_silly(scenario in scenarios()) {
        let faults = scenario.faults.map(good);
        let net = Scenario { faults, history: true, ..scenario.clone() }.run();
        assert_whole(&net);
        for end in 0..2 {
            // The window of the peer moves by half of its room, or by a segment.
            let (config, peer) = (scenario.programs[end].config, scenario.programs[1 - end].config);
            let payload = u32::from(config.payload.min(peer.payload));
            let step = (peer.room / 2).min(payload).max(1);
            let sent = net.hosts[1 - end].sent.iter().map(|(_, segment)| segment);
            let mut edges = sent
                .filter(|segment| segment.flags.has(Flags::ACK))
                .map(|segment| segment.ack + segment.window);
            let mut last = edges.next().expect("the peer has sent something");
            for edge in edges {
                let moved = edge.since(last);
                // A FIN needs no room, but takes a number.
                prop_assert!(moved <= 1 || moved >= step, "moved by {moved}");
                last = edge;
            }
        }
    }

    /// Who goes away with something unread tells so, and the peer learns it in any case.
    #[test]
    fn a_close_without_reading_ends_both(
        scenario in scenarios(),
        after in 0..30 * SECOND,
        abort in any::<bool>(),
    ) {
        let mut net = scenario.start();
        net.pass(after);
        for wire in &mut net.wires {
            wire.calm();
        }
        let now = net.now;
        let host = &mut net.hosts[0];
        if host.connection.is_some() && !host.closed {
            let connection = host.established();
            let news = if abort { connection.abort() } else { connection.close(now) };
            host.note(news);
        }
        // The peer only finds out if it says something.
        net.pass(SECOND);
        let host = &mut net.hosts[1];
        if matches!(host.state(), State::Established | State::CloseWait) {
            host.write(b"anybody there?", false);
            net.flush();
        }
        net.pass(300 * SECOND);
        let now = net.now;
        let host = &mut net.hosts[1];
        if host.connection.is_some() && !host.closed {
            let news = host.established().close(now);
            host.note(news);
        }
        net.pass(300 * SECOND);
        for host in &net.hosts {
            prop_assert_eq!(host.state(), State::Closed);
        }
        assert_silent(&mut net);
    }
}
