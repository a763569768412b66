// SPDX-License-Identifier: GPL-2.0

//! The states of a connection: those of RFC 9293, less LISTEN, which is no connection (see
//! [`answer`](super::answer)).

/// What the two ends have agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// We have asked for a connection.
    SynSent,
    /// We were asked, and have answered; or both have asked at the same time.
    SynReceived,
    /// Both ends may write.
    Established,
    /// We have nothing more to write; our FIN is not acknowledged.
    FinWait1,
    /// It is, and the peer may still write.
    FinWait2,
    /// The peer has nothing more to write; we may.
    CloseWait,
    /// Both have nothing more to write, and our FIN, sent before the peer's came, is not
    /// acknowledged.
    Closing,
    /// The same, but the peer was the first.
    LastAck,
    /// All is said; our last acknowledgment may have been lost.
    TimeWait,
    /// There is no connection any more.
    Closed,
}

impl State {
    /// The handshake is over, and the connection not.
    pub(super) fn is_synchronised(self) -> bool {
        !matches!(self, Self::SynSent | Self::SynReceived | Self::Closed)
    }

    /// Data and FIN may come from the peer.
    pub(super) fn can_receive(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// The program may write.
    pub(super) fn can_write(self) -> bool {
        matches!(self, Self::Established | Self::CloseWait)
    }

    /// Data and FIN may be sent, for the first time or again.
    pub(super) fn can_send(self) -> bool {
        self.can_write() || matches!(self, Self::FinWait1 | Self::Closing | Self::LastAck)
    }

    /// Both ends have said all that they had to say: a reset loses nothing.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Closing | Self::LastAck | Self::TimeWait)
    }

    /// We have nothing more to write.
    pub(super) fn after_shutdown(self) -> Self {
        match self {
            Self::Established => Self::FinWait1,
            Self::CloseWait => Self::LastAck,
            other => other,
        }
    }

    /// The peer has nothing more to write.
    pub(super) fn after_fin(self) -> Self {
        match self {
            Self::Established => Self::CloseWait,
            Self::FinWait1 => Self::Closing,
            Self::FinWait2 => Self::TimeWait,
            other => other,
        }
    }

    /// Our FIN is acknowledged.
    pub(super) fn after_ack_of_fin(self) -> Self {
        match self {
            Self::FinWait1 => Self::FinWait2,
            Self::Closing => Self::TimeWait,
            Self::LastAck => Self::Closed,
            other => other,
        }
    }
}
