//! From answers to the socket: memory by vectored writes, ranges of log files by `sendfile`.
//!
//! **Invariants:**
//! - Log data goes from the page cache to the socket without passing through user space.
//! - A range that may not be in the page cache is sent from the disk pool, so that a slow disk
//!   never holds up a runtime thread.
//! - A long range is sent in steps, between which other connections get their turn.
//! - A peer that does not take its answers is given up, see [`pace`](super::pace).
//!
//! Answers leave in the order in which they were queued. It does not know what they mean.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem,
    sync::Arc,
};

use bytes::{Buf, Bytes};
use odradek_storage::{disk::DiskFile, read::LogSlice};
use rustix::net::{SendAncillaryBuffer, SendFlags};
use smallvec::SmallVec;
use tokio::{io::Interest, net::TcpStream, time::Instant};

use crate::{
    api::EncodedResponse,
    disk::pool::JobLost,
    network::{
        Resources,
        frame_reader::FREE_BYTES,
        memory_budget::{Charge, Turn},
        pace::Pace,
    },
};

/// One `sendfile` call moves at most so much: about a tenth of a millisecond from the page cache.
const STEP_BYTES: usize = 512 * 1024;

/// How much is read at once from a file that has no descriptor to send from.
const READ_BYTES: usize = 64 * 1024;

/// How many pieces of memory one write takes.
const PIECES_MAX: usize = 16;

/// The answers of one connection that are on their way out.
#[derive(Debug)]
pub(crate) struct ResponseWriter {
    socket: Arc<TcpStream>,
    parts: VecDeque<Part>,
    /// Bytes of memory that the queued answers hold.
    held_bytes: usize,
}

#[derive(Debug)]
enum Part {
    Memory(Bytes),
    Range(Range),
    /// The answer before this part has left.
    End(Held),
}

/// What is left of a range of a file.
#[derive(Debug)]
struct Range {
    file: Arc<dyn DiskFile>,
    position: u64,
    bytes: usize,
    hot: bool,
}

/// What an answer holds until it has left.
#[derive(Debug)]
struct Held {
    bytes: usize,
    _charge: Charge,
    _turn: Option<Turn>,
}

/// Why an answer could not be sent. All of these close the connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The peer took nothing for too long.
    #[error("the client does not take its answers")]
    Stalled,
    /// The socket, or the file behind it.
    #[error("send an answer")]
    Send(#[source] io::Error),
    /// The answer announced more bytes than the file has now: it was truncated meanwhile.
    #[error("a log file ended inside a range that was promised")]
    FileEnded,
    /// A file without a descriptor could not be read.
    #[error("read a log file")]
    Read(#[source] io::Error),
    /// The broker stops.
    #[error(transparent)]
    Disk(#[from] JobLost),
    /// A mistake of ours: the client would read garbage.
    #[error("an answer's gaps and its file ranges differ in length")]
    GapsAndRangesDiffer,
}

impl WriteError {
    /// Whether nothing is wrong but that nobody waits for the answer any more.
    pub(crate) fn is_peer_gone(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        let Self::Send(error) = self else {
            return false;
        };
        matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset
        )
    }
}

impl ResponseWriter {
    /// Nothing to send yet.
    pub(crate) fn new(socket: Arc<TcpStream>) -> Self {
        Self {
            socket,
            parts: VecDeque::new(),
            held_bytes: 0,
        }
    }

    /// Puts an answer behind those already queued. `turn` is kept until the answer has left.
    pub(crate) fn queue(
        &mut self,
        response: EncodedResponse,
        turn: Option<Turn>,
        resources: &Resources,
    ) -> Result<(), WriteError> {
        let bytes = response.frame.bytes.len();
        let mut memory = Bytes::from(response.frame.bytes);
        let mut ranges = response.ranges.into_iter();
        let mut before = 0;
        for gap in response.frame.gaps {
            let upto_gap = gap
                .at
                .checked_sub(before)
                .filter(|&len| len <= memory.len());
            let head = memory.split_to(upto_gap.ok_or(WriteError::GapsAndRangesDiffer)?);
            before = gap.at;
            self.parts.push_back(Part::Memory(head));
            self.queue_ranges(gap.len as usize, &mut ranges)?;
        }
        if ranges.next().is_some() {
            return Err(WriteError::GapsAndRangesDiffer);
        }
        self.parts.push_back(Part::Memory(memory));
        let charge = resources.budget.charge(bytes);
        self.parts.push_back(Part::End(Held {
            bytes,
            _charge: charge,
            _turn: turn,
        }));
        self.held_bytes += bytes;
        Ok(())
    }

    /// Queues the ranges that fill one gap.
    fn queue_ranges(
        &mut self,
        gap_bytes: usize,
        ranges: &mut impl Iterator<Item = LogSlice>,
    ) -> Result<(), WriteError> {
        let mut missing = gap_bytes;
        while 0 < missing {
            let LogSlice {
                file,
                position,
                len,
                hot,
                ..
            } = ranges.next().ok_or(WriteError::GapsAndRangesDiffer)?;
            let bytes = len as usize;
            missing = missing
                .checked_sub(bytes)
                .ok_or(WriteError::GapsAndRangesDiffer)?;
            self.parts.push_back(Part::Range(Range {
                file,
                position,
                bytes,
                hot,
            }));
        }
        Ok(())
    }

    /// Sends everything that is queued.
    ///
    /// Not cancellation safe in the sense that matters: dropped midway, the next answer would
    /// continue inside this one. The connection awaits it to the end or gives up the socket.
    pub(crate) async fn flush(&mut self, resources: &Resources) -> Result<(), WriteError> {
        let mut pace = Pace::begin(Instant::now());
        while let Some(part) = self.parts.front_mut() {
            match part {
                Part::End(held) => {
                    self.held_bytes -= held.bytes;
                    self.parts.pop_front();
                }
                Part::Memory(memory) if memory.is_empty() => drop(self.parts.pop_front()),
                Part::Range(range) if range.bytes == 0 => drop(self.parts.pop_front()),
                Part::Memory(_) => {
                    let sent = self.send_memory();
                    if let Some(sent) = self.or_wait(sent, &mut pace, resources).await? {
                        self.advance_memory(sent);
                    }
                }
                Part::Range(range) => {
                    let range = range.share();
                    self.send_range_step(range, &mut pace, resources).await?;
                }
            }
        }
        Ok(())
    }

    /// One write of the memory at the front, up to the next range.
    fn send_memory(&self) -> io::Result<usize> {
        let mut pieces = SmallVec::<[IoSlice<'_>; PIECES_MAX]>::new();
        let mut flags = SendFlags::NOSIGNAL;
        for part in &self.parts {
            match part {
                Part::Memory(memory) => pieces.push(IoSlice::new(memory)),
                Part::End(_) => {}
                Part::Range(_) => {
                    // The range follows at once: let both travel in the same packets.
                    flags |= SendFlags::MORE;
                    break;
                }
            }
            if pieces.len() == PIECES_MAX {
                break;
            }
        }
        self.socket.try_io(Interest::WRITABLE, || {
            let mut control = SendAncillaryBuffer::default();
            Ok(rustix::io::retry_on_intr(|| {
                rustix::net::sendmsg(&*self.socket, &pieces, &mut control, flags)
            })?)
        })
    }

    /// Drops `sent` bytes of the memory at the front, and the ends of answers among it.
    fn advance_memory(&mut self, mut sent: usize) {
        while let Some(Part::Memory(_) | Part::End(_)) = self.parts.front() {
            if let Some(Part::Memory(memory)) = self.parts.front_mut() {
                let advanced = sent.min(memory.len());
                memory.advance(advanced);
                sent -= advanced;
                if !memory.is_empty() {
                    return;
                }
            }
            if let Some(Part::End(held)) = self.parts.pop_front() {
                self.held_bytes -= held.bytes;
            }
        }
    }

    /// Sends some of the range at the front, which `range` is a copy of.
    async fn send_range_step(
        &mut self,
        range: Range,
        pace: &mut Pace,
        resources: &Resources,
    ) -> Result<(), WriteError> {
        if range.file.fd().is_none() {
            return self.read_range_step(range, resources).await;
        }
        let hot = range.hot;
        let outcome = if hot {
            range.send(&self.socket)
        } else {
            let socket = Arc::clone(&self.socket);
            resources.disk.run(move || range.send(&socket)).await?
        };
        match self.or_wait(outcome, pace, resources).await? {
            None => return Ok(()),
            Some(0) => return Err(WriteError::FileEnded),
            Some(sent) => self.advance_range(sent),
        }
        if hot {
            // Let other connections of this thread have their turn.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// The same without `sendfile`: reads some of the range into memory and puts it before the
    /// rest.
    async fn read_range_step(
        &mut self,
        range: Range,
        resources: &Resources,
    ) -> Result<(), WriteError> {
        let read = resources
            .disk
            .run(move || range.read())
            .await?
            .map_err(WriteError::Read)?;
        if read.is_empty() {
            return Err(WriteError::FileEnded);
        }
        self.advance_range(read.len());
        self.parts.push_front(Part::Memory(read));
        Ok(())
    }

    fn advance_range(&mut self, bytes: usize) {
        if let Some(Part::Range(range)) = self.parts.front_mut() {
            range.position += bytes as u64;
            range.bytes = range.bytes.saturating_sub(bytes);
        }
    }

    /// Counts the bytes of an attempt; if the socket was full, waits for room and returns `None`.
    async fn or_wait(
        &self,
        outcome: io::Result<usize>,
        pace: &mut Pace,
        resources: &Resources,
    ) -> Result<Option<usize>, WriteError> {
        match outcome {
            Ok(bytes) => {
                pace.progress(Instant::now(), bytes);
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.wait_writable(*pace, resources).await.map(|()| None)
            }
            Err(error) => Err(WriteError::Send(error)),
        }
    }

    async fn wait_writable(&self, pace: Pace, resources: &Resources) -> Result<(), WriteError> {
        let budget = &resources.budget;
        // Who holds next to no memory need not hurry for it.
        let hurried = FREE_BYTES < self.held_bytes;
        loop {
            let shortage = budget.shortage();
            let is_short = hurried && budget.is_short();
            let deadline = pace.deadline(resources.stall_timeout, is_short);
            if deadline <= Instant::now() {
                return Err(WriteError::Stalled);
            }
            tokio::select! {
                ready = self.socket.writable() => return ready.map_err(WriteError::Send),
                () = tokio::time::sleep_until(deadline) => {}
                () = shortage, if hurried && !is_short => {}
            }
        }
    }
}

impl Range {
    fn share(&self) -> Self {
        Self {
            file: Arc::clone(&self.file),
            ..*self
        }
    }

    /// One `sendfile`; 0 says that the file has ended.
    fn send(&self, socket: &TcpStream) -> io::Result<usize> {
        let file = self.file.fd().ok_or(io::ErrorKind::Unsupported)?;
        socket.try_io(Interest::WRITABLE, || {
            let step = self.bytes.min(STEP_BYTES);
            Ok(rustix::io::retry_on_intr(|| {
                rustix::fs::sendfile(socket, file, Some(&mut { self.position }), step)
            })?)
        })
    }

    /// One read; empty says that the file has ended.
    fn read(&self) -> io::Result<Bytes> {
        let mut content = vec![0; self.bytes.min(READ_BYTES)];
        let read = self.file.read_at(&mut content, self.position)?;
        content.truncate(read);
        Ok(mem::take(&mut content).into())
    }
}

#[cfg(test)]
#[path = "response_writer_tests.rs"]
mod tests;
