//! Ports for brokers that are restarted on the same port.
//!
//! They lie below the ephemeral range (which starts at 32768): a client that polls a closed port
//! inside that range can be given the very port as its own and so connect to itself.

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// A port on which nothing listens at this moment, another one at each call and in each process.
pub fn unused() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run side by side start far from each other.
    let start = (process::id().wrapping_mul(613) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (u32::from(start) + u32::from(step)).rem_euclid(COUNT.into()) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no unused port from {FIRST} on");
}
