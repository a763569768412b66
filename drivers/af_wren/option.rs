// SPDX-License-Identifier: GPL-2.0

//! Options of the level `SOL_WREN`, see `include/uapi/linux/wren.h`.

use crate::{
    group::Group,
    socket::{
        self,
        Wren, //
    },
};
use kernel::prelude::*;
use knet::sock::{
    LiveSocket,
    OptOut,
    OptVal, //
};

const SOL_WREN: i32 = 22354;
const WREN_ADD_MEMBERSHIP: i32 = 1;
const WREN_DROP_MEMBERSHIP: i32 = 2;
const WREN_CHECKSUM: i32 = 3;
const WREN_INFO: i32 = 4;

/// What a message from the error queue says it is: its level and type.
pub(crate) const RECVERR: (i32, i32) = (SOL_WREN, 5);

pub(crate) fn set(sk: &LiveSocket<Wren>, level: i32, name: i32, value: OptVal<'_>) -> Result {
    let data = sk.data();
    match (level, name) {
        (SOL_WREN, WREN_ADD_MEMBERSHIP) => {
            let group = Group::parse(sk, value.read()?)?;
            data.groups.join(sk, group)?;
            // Without a port the socket receives nothing. It comes last: it stays.
            if !data.is_raw() {
                socket::autobind(sk).inspect_err(|_| {
                    let _ = data.groups.leave(sk, group);
                })?;
            }
            Ok(())
        }
        (SOL_WREN, WREN_DROP_MEMBERSHIP) => data.groups.leave(sk, Group::parse(sk, value.read()?)?),
        (SOL_WREN, WREN_CHECKSUM) => match value.read::<i32>()? {
            on @ (0 | 1) => {
                data.set_checksum(on == 1);
                Ok(())
            }
            _ => Err(EINVAL),
        },
        _ => Err(ENOPROTOOPT),
    }
}

pub(crate) fn get(sk: &LiveSocket<Wren>, level: i32, name: i32, out: &mut OptOut<'_>) -> Result {
    let data = sk.data();
    match (level, name) {
        (SOL_WREN, WREN_CHECKSUM) => out.write(&i32::from(data.checksum())),
        (SOL_WREN, WREN_INFO) => out.write(&[
            sk.wmem_alloc(),
            sk.sndbuf(),
            sk.rmem_alloc(),
            sk.rcvbuf(),
            sk.drops(),
            data.groups.count() as u32,
        ]),
        _ => Err(ENOPROTOOPT),
    }
}
