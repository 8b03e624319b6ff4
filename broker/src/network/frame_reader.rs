//! From a socket's bytes to whole request frames.
//!
//! **Invariants:**
//! - Memory follows the bytes that arrived, never a declared length: a request that has begun holds
//!   at most four times what arrived of it, or 4 KiB; sixteen times, once 64 KiB have arrived.
//! - A connection between two requests holds no buffer.
//! - A byte is copied at most once on average: small requests into a buffer of their size, large
//!   ones when they outgrow a buffer.
//!
//! It does not know what is in a frame, except the API key, which decides how long it may be.

use std::{io, mem};

use bytes::Bytes;
use odradek_protocol::frame::{self, FrameError, LENGTH_PREFIX_LEN};
use tokio::{io::Interest, net::TcpStream, time::Instant};

use crate::{
    api,
    network::{
        Resources,
        buffer_pool::Buffer,
        memory_budget::{Charge, Turn},
        pace::Pace,
    },
};

/// So much of a request is read even while the memory budget is used up, so that small requests
/// always get through. It is what a connection that has begun a request costs.
pub(crate) const FREE_BYTES: usize = 4 * 1024;

/// The first read of a request may take so much. What arrived is then moved to a buffer of its
/// size, unless this one is at least a quarter full.
const FIRST_READ_BYTES: usize = 64 * 1024;

/// One request as it arrived, without the length in front.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The bytes; they return to the pool when the last slice of them is dropped.
    pub(crate) bytes: Bytes,
    /// The right to exceed the memory budget, if the request needed it; kept until the answer left.
    pub(crate) turn: Option<Turn>,
}

/// Collects the frames of one connection.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    /// Read, and not yet cut into frames.
    arrived: Bytes,
    /// A frame whose end has not arrived; then `arrived` is empty.
    partial: Option<Box<Partial>>,
    /// For the frame that is being read.
    turn: Option<Turn>,
    /// The kernel may have told of new bytes while nobody wanted to read: do not wait to be told.
    unread_edge: bool,
}

/// A frame that is arriving, its length prefix included.
#[derive(Debug)]
struct Partial {
    buffer: Buffer,
    charge: Charge,
    pace: Pace,
    /// Reading waits for memory: the time is the broker's, not the peer's.
    paused: bool,
}

/// A buffer that became the memory of `Bytes`.
struct Arrived {
    buffer: Buffer,
    /// Released with the buffer.
    _charge: Charge,
}

impl AsRef<[u8]> for Arrived {
    fn as_ref(&self) -> &[u8] {
        self.buffer.filled()
    }
}

impl FrameReader {
    /// The next frame among the bytes that arrived, if all of it is there.
    pub(crate) fn take_frame(
        &mut self,
        resources: &Resources,
    ) -> Result<Option<Frame>, FrameError> {
        if let Some(partial) = &self.partial {
            let wanted = wanted_bytes(partial.buffer.filled(), resources.request_bytes_max)?;
            if partial.buffer.filled().len() < wanted {
                return Ok(None);
            }
            self.arrived = self
                .partial
                .take()
                .map(|partial| partial.freeze())
                .unwrap_or_default();
        }
        if self.arrived.is_empty() {
            return Ok(None);
        }
        let wanted = wanted_bytes(&self.arrived, resources.request_bytes_max)?;
        if wanted <= self.arrived.len() {
            let bytes = self.arrived.split_to(wanted).slice(LENGTH_PREFIX_LEN..);
            if self.arrived.is_empty() {
                // An empty rest would still hold the buffer.
                self.arrived = Bytes::new();
            }
            return Ok(Some(Frame {
                bytes,
                turn: self.turn.take(),
            }));
        }
        let tail = mem::take(&mut self.arrived);
        self.partial = Some(Box::new(Partial::begin(&tail, wanted, resources)));
        Ok(None)
    }

    /// Waits for bytes and reads them once; 0 says that the peer will send no more.
    ///
    /// Call it when [`FrameReader::take_frame`] found none. With `may_read` false it reads nothing
    /// and waits for the peer to end its side only. Cancellation safe: what was read is kept in
    /// `self`.
    pub(crate) async fn fill(
        &mut self,
        socket: &TcpStream,
        resources: &Resources,
        may_read: bool,
    ) -> io::Result<usize> {
        if !may_read {
            return self.peer_closed(socket).await.map(|()| 0);
        }
        let bytes_max = self.wait_for_room(resources).await;
        loop {
            let told = !mem::take(&mut self.unread_edge);
            if told {
                socket.readable().await?;
            }
            match self.read(socket, resources, bytes_max, told) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    // Read without being told: there may be more, of which nobody will tell.
                    self.unread_edge |= !told;
                    return result;
                }
            }
        }
    }

    async fn peer_closed(&mut self, socket: &TcpStream) -> io::Result<()> {
        loop {
            let ready = socket.ready(Interest::READABLE).await?;
            if ready.is_read_closed() {
                return Ok(());
            }
            // Bytes arrived that nobody wants yet. Forget about them, or this would spin, and
            // remember to look before waiting again: the kernel tells only once.
            self.unread_edge = true;
            let forget = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = socket.try_io(Interest::READABLE, forget);
        }
    }

    /// Whether a frame has begun to arrive.
    pub(crate) fn is_amid_frame(&self) -> bool {
        self.partial.is_some()
    }

    /// The pace of the frame that is arriving, unless the broker holds it up itself.
    pub(crate) fn pace(&self) -> Option<Pace> {
        self.partial
            .as_ref()
            .filter(|partial| !partial.paused)
            .map(|partial| partial.pace)
    }

    /// Obeys the memory budget; returns how many bytes of the frame may be in memory.
    async fn wait_for_room(&mut self, resources: &Resources) -> usize {
        if self.turn.is_some() || !resources.budget.is_used_up() {
            return usize::MAX;
        }
        let Some(partial) = &mut self.partial else {
            return FREE_BYTES;
        };
        if partial.buffer.filled().len() < FREE_BYTES {
            return FREE_BYTES;
        }
        // An illegal length was reported by `take_frame`, which came before this.
        let wanted = wanted_bytes(partial.buffer.filled(), resources.request_bytes_max);
        partial.paused = true;
        self.turn = resources
            .budget
            .room_or_turn(wanted.unwrap_or_default())
            .await;
        usize::MAX
    }

    fn read(
        &mut self,
        socket: &TcpStream,
        resources: &Resources,
        bytes_max: usize,
        told: bool,
    ) -> io::Result<usize> {
        let Some(partial) = &mut self.partial else {
            let mut buffer = resources.pool.take(FIRST_READ_BYTES);
            let read = receive(socket, buffer.unfilled(bytes_max), told)?;
            buffer.advance(read);
            self.keep(buffer, resources);
            return Ok(read);
        };
        if mem::take(&mut partial.paused) {
            partial.pace = Pace::begin(Instant::now());
        }
        let wanted = wanted_bytes(partial.buffer.filled(), resources.request_bytes_max)
            .map_err(io::Error::other)?;
        partial.grow_towards(wanted, resources);
        let missing = wanted
            .min(bytes_max)
            .saturating_sub(partial.buffer.filled().len());
        let read = receive(socket, partial.buffer.unfilled(missing), told)?;
        partial.buffer.advance(read);
        partial.pace.progress(Instant::now(), read);
        Ok(read)
    }

    /// Keeps what the first read of a frame brought, in memory of about its size.
    fn keep(&mut self, buffer: Buffer, resources: &Resources) {
        let filled = buffer.filled().len();
        if filled < buffer.capacity() / 4 {
            let mut fitting = resources.pool.take(filled);
            fitting.append(buffer.filled());
            let charge = resources.budget.charge(filled);
            self.arrived = Bytes::from_owner(Arrived {
                buffer: fitting,
                _charge: charge,
            });
            return;
        }
        let charge = resources.budget.charge(buffer.capacity());
        // An illegal length is reported by `take_frame`.
        let wanted = wanted_bytes(buffer.filled(), resources.request_bytes_max).unwrap_or_default();
        if filled < wanted {
            let pace = Pace::begin(Instant::now());
            self.partial = Some(Box::new(Partial {
                buffer,
                charge,
                pace,
                paused: false,
            }));
        } else {
            self.arrived = Bytes::from_owner(Arrived {
                buffer,
                _charge: charge,
            });
        }
    }
}

impl Partial {
    /// Takes over the beginning of a frame that shall become `wanted` bytes long.
    fn begin(beginning: &[u8], wanted: usize, resources: &Resources) -> Self {
        // It grows with the next read, which asks the memory budget first.
        let mut buffer = resources.pool.take(beginning.len());
        buffer.append(beginning);
        let charge = resources.budget.charge(buffer.capacity().min(wanted));
        Self {
            buffer,
            charge,
            pace: Pace::begin(Instant::now()),
            paused: false,
        }
    }

    /// Moves to a larger buffer if this one is full and the frame goes on.
    fn grow_towards(&mut self, wanted: usize, resources: &Resources) {
        let filled = self.buffer.filled().len();
        if self.buffer.capacity() <= filled {
            let mut larger = resources.pool.take(affordable(filled, wanted));
            larger.append(self.buffer.filled());
            self.buffer = larger;
        }
        self.charge.resize(self.buffer.capacity().min(wanted));
    }

    fn freeze(self) -> Bytes {
        Bytes::from_owner(Arrived {
            buffer: self.buffer,
            _charge: self.charge,
        })
    }
}

/// The size of buffer that `filled` bytes of a frame of `wanted` bytes justify.
///
/// Who has sent [`FIRST_READ_BYTES`] means it: the next buffer holds most requests whole, so that
/// only those first bytes are ever copied.
fn affordable(filled: usize, wanted: usize) -> usize {
    let factor = if filled < FIRST_READ_BYTES { 4 } else { 16 };
    filled.saturating_mul(factor).max(FREE_BYTES).min(wanted)
}

/// How many bytes the frame that begins with `beginning` takes, its prefix included; only the
/// prefix as long as that is incomplete.
fn wanted_bytes(beginning: &[u8], request_bytes_max: usize) -> Result<usize, FrameError> {
    let Some((prefix, rest)) = beginning.split_first_chunk() else {
        return Ok(LENGTH_PREFIX_LEN);
    };
    let len_max = match rest.first_chunk() {
        Some(api_key) => api::request_bytes_max(i16::from_be_bytes(*api_key), request_bytes_max),
        None => request_bytes_max,
    };
    Ok(LENGTH_PREFIX_LEN + frame::frame_len(*prefix, len_max)?)
}

/// Reads once. `told`: the runtime said that the socket is readable.
///
/// A read that did not fill the buffer has emptied the socket, so the next one would only say so:
/// then the runtime is made to wait for news at once, which saves that system call.
fn receive(socket: &TcpStream, buffer: &mut [u8], told: bool) -> io::Result<usize> {
    let room = buffer.len();
    let mut receive = || -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| {
            rustix::io::read(socket, &mut *buffer)
        })?)
    };
    if !told {
        return receive();
    }
    let mut read = None;
    let outcome = socket.try_io(Interest::READABLE, || {
        let bytes = receive()?;
        read = Some(bytes);
        if 0 < bytes && bytes < room {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(())
        }
    });
    match read {
        Some(read) => Ok(read),
        None => outcome.map(|()| 0),
    }
}

#[cfg(test)]
#[path = "frame_reader_tests.rs"]
mod tests;
