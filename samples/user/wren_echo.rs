// SPDX-License-Identifier: GPL-2.0

//! A server that sends back what it receives, and a client that asks it, over AF_WREN: the same as
//! `wren_echo.c`. The standard library has no sockets of this family, so module [`wren`] makes them
//! of system calls; what is below it is safe code.
//!
//! ```text
//! wren_echo_rust [-p PORT] DEVICE
//! wren_echo_rust [-p PORT] [-n COUNT] [-w MILLISECONDS] DEVICE MAC
//! ```

use std::{
    env,
    error::Error,
    io::{
        self,
        ErrorKind, //
    },
    process::ExitCode,
    time::{
        Duration,
        Instant, //
    },
};
use wren::{
    Address,
    Events,
    Socket, //
};

/// AF_WREN sockets.
mod wren {
    use std::{
        ffi::{
            c_char,
            c_int,
            c_short,
            c_uint,
            c_ulong,
            c_void,
            CString, //
        },
        io,
        mem,
        os::fd::{
            AsRawFd,
            FromRawFd,
            OwnedFd, //
        },
        time::Duration, //
    };

    const AF_WREN_DEFAULT: u16 = 18;
    const SOCK_DGRAM: c_int = 2;
    const SOCK_NONBLOCK: c_int = 0o4000;
    const SOCK_CLOEXEC: c_int = 0o2_000_000;

    /// `struct sockaddr_wren`
    #[repr(C)]
    #[derive(Clone, Copy, Debug)]
    pub struct Address {
        family: u16,
        port: [u8; 2],
        pub ifindex: c_uint,
        pub mac: [u8; 6],
        zero: [u8; 2],
    }

    /// What `<linux/wren.h>` says.
    const _: () = assert!(mem::size_of::<Address>() == 16);

    /// `struct pollfd`
    #[repr(C)]
    struct PollFd {
        fd: c_int,
        events: c_short,
        revents: c_short,
    }

    extern "C" {
        fn socket(family: c_int, kind: c_int, protocol: c_int) -> c_int;
        fn bind(fd: c_int, addr: *const Address, len: c_uint) -> c_int;
        fn connect(fd: c_int, addr: *const Address, len: c_uint) -> c_int;
        fn send(fd: c_int, data: *const c_void, len: usize, flags: c_int) -> isize;
        fn sendto(
            fd: c_int,
            data: *const c_void,
            len: usize,
            flags: c_int,
            addr: *const Address,
            addr_len: c_uint,
        ) -> isize;
        fn recvfrom(
            fd: c_int,
            data: *mut c_void,
            len: usize,
            flags: c_int,
            addr: *mut Address,
            addr_len: *mut c_uint,
        ) -> isize;
        fn poll(fds: *mut PollFd, count: c_ulong, timeout: c_int) -> c_int;
        fn if_nametoindex(name: *const c_char) -> c_uint;
    }

    const ADDRESS_BYTES: c_uint = mem::size_of::<Address>() as c_uint;

    /// What a system call has returned: a count, or -1 for the error in errno.
    fn result(value: isize) -> io::Result<usize> {
        usize::try_from(value).map_err(|_| io::Error::last_os_error())
    }

    impl Address {
        /// A port on an interface, of nobody yet.
        pub fn new(port: u16, ifindex: c_uint) -> Self {
            Self {
                family: AF_WREN_DEFAULT,
                port: port.to_be_bytes(),
                ifindex,
                mac: [0; 6],
                zero: [0; 2],
            }
        }

        pub fn port(&self) -> u16 {
            u16::from_be_bytes(self.port)
        }
    }

    /// The index of an interface.
    pub fn ifindex(name: &str) -> io::Result<c_uint> {
        let name = CString::new(name)?;
        // SAFETY: The text ends with a zero and lives until the call has returned.
        match unsafe { if_nametoindex(name.as_ptr()) } {
            0 => Err(io::Error::last_os_error()),
            index => Ok(index),
        }
    }

    /// What to wait for.
    #[derive(Clone, Copy)]
    #[repr(i16)]
    pub enum Events {
        Readable = 1,
        Writable = 4,
    }

    /// A datagram socket that never sleeps in a call, but in [`Socket::wait`].
    pub struct Socket(OwnedFd);

    impl Socket {
        pub fn new() -> io::Result<Self> {
            let kind = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
            // SAFETY: It takes no pointers.
            let fd = unsafe { socket(AF_WREN_DEFAULT.into(), kind, 0) };
            result(fd as isize)?;
            // SAFETY: The file is new, and nobody else has its number.
            Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
        }

        pub fn bind(&self, addr: &Address) -> io::Result<()> {
            // SAFETY: The address is one, of that size.
            result(unsafe { bind(self.0.as_raw_fd(), addr, ADDRESS_BYTES) } as isize).map(drop)
        }

        pub fn connect(&self, addr: &Address) -> io::Result<()> {
            // SAFETY: As in `bind`.
            result(unsafe { connect(self.0.as_raw_fd(), addr, ADDRESS_BYTES) } as isize).map(drop)
        }

        /// Sends to the peer.
        pub fn send(&self, data: &[u8]) -> io::Result<usize> {
            // SAFETY: The pointer and the length are those of the slice.
            result(unsafe { send(self.0.as_raw_fd(), data.as_ptr().cast(), data.len(), 0) })
        }

        pub fn send_to(&self, data: &[u8], addr: &Address) -> io::Result<usize> {
            // SAFETY: As in `send` and `bind`.
            result(unsafe {
                sendto(
                    self.0.as_raw_fd(),
                    data.as_ptr().cast(),
                    data.len(),
                    0,
                    addr,
                    ADDRESS_BYTES,
                )
            })
        }

        /// Receives a datagram. Returns how much of it is in `data`, and where it came from.
        pub fn recv_from(&self, data: &mut [u8]) -> io::Result<(usize, Address)> {
            let mut addr = Address::new(0, 0);
            let mut len = ADDRESS_BYTES;
            // SAFETY: The kernel writes at most `data.len()` bytes to `data`, at most `len` to
            // `addr`, where any bytes are an address, and the length of that to `len`.
            let size = result(unsafe {
                recvfrom(
                    self.0.as_raw_fd(),
                    data.as_mut_ptr().cast(),
                    data.len(),
                    0,
                    &mut addr,
                    &mut len,
                )
            })?;
            Ok((size, addr))
        }

        /// Waits until something can be done, or for some time; false if that is over.
        pub fn wait(&self, events: Events, time: Option<Duration>) -> io::Result<bool> {
            let mut poll_fd = PollFd {
                fd: self.0.as_raw_fd(),
                events: events as c_short,
                revents: 0,
            };
            let time = time.map_or(-1, |time| time.as_millis().try_into().unwrap_or(c_int::MAX));
            // SAFETY: It is about one entry, which is there.
            match result(unsafe { poll(&mut poll_fd, 1, time) } as isize) {
                // What is waited for has come, or comes the next time.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
                ready => ready.map(|ready| ready != 0),
            }
        }
    }
}

/// More than a frame can have
const MAX_BYTES: usize = 65536;

/// How often the client asks the same before it gives up: a datagram may be lost.
const TRIES: usize = 5;

const USAGE: &str = "usage: wren_echo_rust [-p PORT] DEVICE
       wren_echo_rust [-p PORT] [-n COUNT] [-w MILLISECONDS] DEVICE MAC";

/// `ENODEV`
const NO_DEVICE: i32 = 19;
/// `EAFNOSUPPORT`
const NO_FAMILY: i32 = 97;

/// Why the program ends.
type Failure = Box<dyn Error>;

/// A call has failed: returns whether it is to be made again.
///
/// There is nothing to be done if the device is gone. If it is down it may come up again, and the
/// socket is still bound to it.
fn try_again(call: &str, error: io::Error) -> Result<bool, Failure> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => return Ok(true),
        _ if error.raw_os_error() == Some(NO_DEVICE) => {
            return Err(format!("{call}: {error}").into())
        }
        _ => eprintln!("wren_echo_rust: {call}: {error}"),
    }
    Ok(false)
}

fn open_socket() -> Result<Socket, Failure> {
    Socket::new().map_err(|error| match error.raw_os_error() {
        Some(NO_FAMILY) => "there is no AF_WREN: is the module af_wren loaded?".into(),
        _ => format!("socket: {error}").into(),
    })
}

/// What has come, and from where; nothing if nothing has.
fn receive<'a>(
    socket: &Socket,
    data: &'a mut [u8],
) -> Result<Option<(&'a [u8], Address)>, Failure> {
    match socket.recv_from(data) {
        Ok((size, from)) => Ok(Some((&data[..size], from))),
        Err(error) => try_again("recvfrom", error).map(|_| None),
    }
}

/// Answers whatever comes, until the device is gone.
fn serve(own: &Address) -> Result<(), Failure> {
    let socket = open_socket()?;
    let mut data = vec![0; MAX_BYTES];
    socket
        .bind(own)
        .map_err(|error| format!("bind to port {}: {error}", own.port()))?;
    println!("answering on port {}", own.port());
    loop {
        socket.wait(Events::Readable, None)?;
        let Some((question, from)) = receive(&socket, &mut data)? else {
            continue;
        };
        // Two servers would answer each other for ever.
        if from.port() == own.port() {
            continue;
        }
        // It is answered before more is received: so nothing piles up here. What cannot be sent is
        // lost, as it may be on the wire, too.
        while let Err(error) = socket.send_to(question, &from) {
            if !try_again("sendto", error)? {
                break;
            }
            socket.wait(Events::Writable, None)?;
        }
    }
}

/// Waits like [`Socket::wait`], but to a point in time.
fn wait_until(socket: &Socket, events: Events, end: Instant) -> io::Result<bool> {
    match end.checked_duration_since(Instant::now()) {
        Some(left) => socket.wait(events, Some(left)),
        None => Ok(false),
    }
}

/// Sends one question, and waits so long for its answer.
fn ask(socket: &Socket, question: &[u8], time: Duration) -> Result<bool, Failure> {
    let end = Instant::now() + time;
    let mut data = vec![0; MAX_BYTES];
    while let Err(error) = socket.send(question) {
        if !try_again("send", error)? {
            break;
        }
        if !wait_until(socket, Events::Writable, end)? {
            return Ok(false);
        }
    }
    while wait_until(socket, Events::Readable, end)? {
        // It may be the answer to an earlier question, which has come late.
        if receive(socket, &mut data)?.is_some_and(|(answer, _)| answer == question) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn ask_all(server: &Address, count: usize, time: Duration) -> Result<(), Failure> {
    let socket = open_socket()?;
    // From here on only the server's answers are received.
    socket
        .connect(server)
        .map_err(|error| format!("connect: {error}"))?;
    for number in 1..=count {
        let question = format!("question {number}");
        let mut answered = false;
        for _ in 0..TRIES {
            answered = ask(&socket, question.as_bytes(), time)?;
            if answered {
                break;
            }
        }
        if !answered {
            return Err(format!("no answer to \"{question}\"").into());
        }
    }
    println!("{count} of {count} answered");
    Ok(())
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut parts = text.split(':').map(|part| u8::from_str_radix(part, 16));
    let mut mac = [0; 6];
    for byte in &mut mac {
        *byte = parts.next()?.ok()?;
    }
    parts.next().is_none().then_some(mac)
}

fn run() -> Result<(), Failure> {
    let (mut port, mut count, mut milliseconds) = (7, 5, 1000);
    let mut words = Vec::new();
    let mut args = env::args().skip(1);
    while let Some(word) = args.next() {
        let mut value = || args.next().ok_or(USAGE);
        match word.as_str() {
            "-p" => port = value()?.parse()?,
            "-n" => count = value()?.parse()?,
            "-w" => milliseconds = value()?.parse()?,
            _ => words.push(word),
        }
    }
    let (device, mac) = match words.as_slice() {
        [device] => (device, None),
        [device, mac] => (device, Some(parse_mac(mac).ok_or(USAGE)?)),
        _ => return Err(USAGE.into()),
    };
    let index = wren::ifindex(device).map_err(|error| format!("{device}: {error}"))?;
    let mut addr = Address::new(port, index);
    match mac {
        None => serve(&addr),
        Some(mac) => {
            addr.mac = mac;
            ask_all(&addr, count, Duration::from_millis(milliseconds))
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wren_echo_rust: {error}");
            ExitCode::FAILURE
        }
    }
}
