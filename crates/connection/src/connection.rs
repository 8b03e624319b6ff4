//! Requests in flight on one socket, each with its answer.
//!
//! Two tasks serve a connection: one writes what is sent, in that order, the other hands answers to
//! those who wait. Handles are clones; the socket closes when the last one is dropped.
//!
//! A request that is not answered in time loses the whole connection: answers come in order, so
//! those behind it would not come either, and an answer that comes late could be taken for another.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use odradek_protocol::{
    Decoder, EncodeError, Message, RequestHeader, ResponseHeader, frame, request::Request,
};
use parking_lot::Mutex;
use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    address::Address,
    dial::dial,
    error::{CallError, ConnectError, Lost},
    frames::FrameReader,
    in_flight::{InFlight, Waiter},
    versions::{ServedVersions, negotiate},
};

/// Requests that wait for the writer. Whoever sends more waits for a place.
const OUTGOING_MAX: usize = 16;

/// The largest memory that is kept for the next request: twice what most producers may send.
const SPARE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How a connection is made and used.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    /// `client.id`: how the client names itself in the broker's logs.
    pub client_id: String,
    /// `socket.connection.setup.timeout.ms`: for the dial, and again for the handshake.
    pub connect_timeout: Duration,
    /// `request.timeout.ms`: for requests that name no time of their own.
    pub request_timeout: Duration,
    /// The largest answer accepted, in bytes.
    pub answer_bytes_max: usize,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            // The largest fetch response there is by default, and what goes beyond it by a batch.
            answer_bytes_max: 128 * 1024 * 1024,
        }
    }
}

impl ConnectionOptions {
    /// The defaults, under that name.
    pub fn named(client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            ..Self::default()
        }
    }
}

/// A connection to a broker that said what it serves. Clones are the same connection.
#[derive(Debug, Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    client_id: String,
    request_timeout: Duration,
    versions: ServedVersions,
    outgoing: mpsc::Sender<Outgoing>,
    in_flight: Arc<InFlight>,
    next_correlation_id: AtomicI32,
    spare: Arc<SpareBuffer>,
    /// Ends both tasks.
    closed: CancellationToken,
    _close_with_the_last_handle: DropGuard,
}

/// Memory of a request that was written, for the next one. Fresh memory for a large request costs
/// more than filling it.
#[derive(Debug, Default)]
struct SpareBuffer(Mutex<Vec<u8>>);

impl SpareBuffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock())
    }

    fn put(&self, buffer: Vec<u8>) {
        if buffer.capacity() <= SPARE_BYTES_MAX {
            *self.0.lock() = buffer;
        }
    }
}

/// A request on its way to the socket.
#[derive(Debug)]
struct Outgoing {
    frame: Vec<u8>,
    waiter: Option<Waiter>,
}

/// An answer that is still to come. Dropping it lets the answer pass unseen.
#[derive(Debug)]
#[must_use]
pub struct PendingAnswer<R> {
    connection: Connection,
    answer: oneshot::Receiver<Bytes>,
    version: i16,
    sent_at: Instant,
    after: Duration,
    response: PhantomData<fn() -> R>,
}

impl Connection {
    /// Dials a broker and asks what it serves.
    pub async fn open(
        address: &Address,
        options: &ConnectionOptions,
    ) -> Result<Self, ConnectError> {
        let stream = dial(address, options.connect_timeout).await?;
        let mut reader = FrameReader::new(stream, options.answer_bytes_max);
        let handshake = timeout(
            options.connect_timeout,
            negotiate(&mut reader, &options.client_id),
        );
        let versions = match handshake.await {
            Ok(negotiated) => negotiated.map_err(|reason| ConnectError::Handshake {
                address: address.clone(),
                reason,
            })?,
            Err(_) => {
                return Err(ConnectError::TimedOut {
                    address: address.clone(),
                    after: options.connect_timeout,
                });
            }
        };
        Ok(Self::start(address, options, versions, reader))
    }

    fn start(
        address: &Address,
        options: &ConnectionOptions,
        versions: ServedVersions,
        reader: FrameReader<TcpStream>,
    ) -> Self {
        let (reader, writer) = reader.map_stream(TcpStream::into_split);
        let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
        let in_flight = Arc::new(InFlight::default());
        let closed = CancellationToken::new();
        let spare = Arc::<SpareBuffer>::default();
        let sent = (queue, Arc::clone(&spare));
        tokio::spawn(write(writer, sent, Arc::clone(&in_flight), closed.clone()));
        tokio::spawn(read(reader, Arc::clone(&in_flight), closed.clone()));
        Self {
            shared: Arc::new(Shared {
                address: address.clone(),
                client_id: options.client_id.clone(),
                request_timeout: options.request_timeout,
                versions,
                outgoing,
                in_flight,
                next_correlation_id: AtomicI32::new(0),
                spare,
                _close_with_the_last_handle: closed.clone().drop_guard(),
                closed,
            }),
        }
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// What the broker serves.
    pub fn versions(&self) -> &ServedVersions {
        &self.shared.versions
    }

    /// The version in which requests of this kind are sent.
    pub fn version_of<R: Request>(&self) -> Result<i16, CallError> {
        self.shared
            .versions
            .highest_common(R::KEY, R::VERSIONS)
            .ok_or_else(|| CallError::Unserved {
                address: self.shared.address.clone(),
                api: R::KEY,
                ours: R::VERSIONS,
            })
    }

    /// Whether requests can still be sent; if not, why.
    pub fn lost(&self) -> Option<Lost> {
        self.shared.in_flight.lost()
    }

    /// Closes the connection, whoever else holds it. Requests under way are lost.
    pub fn close(&self) {
        self.lose(Lost::ClosedHere);
    }

    /// Sends a request and waits for its answer.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response, CallError> {
        self.call_within(request, self.shared.request_timeout).await
    }

    /// The same with a time of its own, for requests that wait at the broker.
    pub async fn call_within<R: Request>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Response, CallError> {
        self.send(request, timeout).await?.wait().await
    }

    /// Sends a request behind those sent before, without waiting for its answer. It waits only
    /// while many requests are before it in the queue to the socket.
    ///
    /// Cancellation safe: cancelled, the request is not sent.
    pub async fn send<R: Request>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<PendingAnswer<R::Response>, CallError> {
        let version = self.version_of::<R>()?;
        let correlation_id = self.next_correlation_id();
        let frame = self.encode(request, version, correlation_id)?;
        let (answer, receiver) = oneshot::channel();
        let waiter = Waiter {
            correlation_id,
            answer,
        };
        self.enqueue(frame, Some(waiter)).await?;
        Ok(PendingAnswer {
            connection: self.clone(),
            answer: receiver,
            version,
            sent_at: Instant::now(),
            after: timeout,
            response: PhantomData,
        })
    }

    /// Sends a request that the broker does not answer: a produce with acks=0.
    pub async fn send_unanswered<R: Request>(&self, request: &R) -> Result<(), CallError> {
        let version = self.version_of::<R>()?;
        let frame = self.encode(request, version, self.next_correlation_id())?;
        self.enqueue(frame, None).await
    }

    fn next_correlation_id(&self) -> i32 {
        self.shared
            .next_correlation_id
            .fetch_add(1, Ordering::Relaxed)
    }

    fn encode<R: Request>(
        &self,
        request: &R,
        version: i16,
        correlation_id: i32,
    ) -> Result<Vec<u8>, CallError> {
        let header = RequestHeader {
            api_key: R::KEY,
            api_version: version,
            correlation_id,
            client_id: Some(self.shared.client_id.clone()),
        };
        let encoded = frame::encode_request_into(self.shared.spare.take(), &header, request);
        let error = |source: EncodeError| CallError::Encode {
            api: R::KEY,
            source,
        };
        let frame = encoded.map_err(error)?;
        debug_assert!(frame.gaps.is_empty(), "requests hold all their bytes");
        Ok(frame.bytes)
    }

    async fn enqueue(&self, frame: Vec<u8>, waiter: Option<Waiter>) -> Result<(), CallError> {
        let outgoing = Outgoing { frame, waiter };
        let sent = self.shared.outgoing.send(outgoing).await;
        sent.map_err(|_| self.lost_error())
    }

    fn lose(&self, reason: Lost) {
        self.shared.in_flight.lose(reason);
        self.shared.closed.cancel();
    }

    fn lost_error(&self) -> CallError {
        CallError::Lost {
            address: self.shared.address.clone(),
            reason: self.lost().unwrap_or(Lost::ClosedHere),
        }
    }
}

impl<R: Message> PendingAnswer<R> {
    /// Waits for the answer.
    pub async fn wait(self) -> Result<R, CallError> {
        let connection = &self.connection;
        let frame = match timeout_at(self.sent_at + self.after, self.answer).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(_)) => return Err(connection.lost_error()),
            Err(_) => {
                connection.lose(Lost::TimedOut {
                    api: R::KEY,
                    after: self.after,
                });
                return Err(connection.lost_error());
            }
        };
        let mut decoder = Decoder::new(&frame);
        let decoded = ResponseHeader::decode(&mut decoder, R::KEY, self.version)
            .and_then(|_| Message::decode(&mut decoder, self.version));
        decoded.map_err(|error| {
            // A broker that answers nonsense once is not asked again on this connection.
            connection.lose(Lost::Decode(error));
            connection.lost_error()
        })
    }
}

/// Writes what is sent until the connection is lost.
async fn write(
    mut stream: OwnedWriteHalf,
    (mut queue, spare): (mpsc::Receiver<Outgoing>, Arc<SpareBuffer>),
    in_flight: Arc<InFlight>,
    closed: CancellationToken,
) {
    let writing = async {
        while let Some(Outgoing { frame, waiter }) = queue.recv().await {
            // Before the write: the answer may come as soon as the last byte has left.
            if let Some(waiter) = waiter {
                in_flight.push(waiter);
            }
            stream.write_all(&frame).await?;
            spare.put(frame);
        }
        Ok::<_, std::io::Error>(())
    };
    let reason = tokio::select! {
        () = closed.cancelled() => Lost::ClosedHere,
        result = writing => result.err().map_or(Lost::ClosedHere, Lost::from),
    };
    in_flight.lose(reason);
    closed.cancel();
}

/// Hands out answers until the connection is lost.
async fn read(
    mut reader: FrameReader<OwnedReadHalf>,
    in_flight: Arc<InFlight>,
    closed: CancellationToken,
) {
    let reading = async {
        loop {
            let frame = reader.next().await?;
            // The correlation id comes first in every version of the header.
            let correlation_id = Decoder::new(&frame).read_i32()?;
            in_flight.answer(correlation_id, frame)?;
        }
    };
    let reason = tokio::select! {
        () = closed.cancelled() => Lost::ClosedHere,
        Err::<std::convert::Infallible, Lost>(reason) = reading => reason,
    };
    tracing::debug!(%reason, "connection lost");
    in_flight.lose(reason);
    closed.cancel();
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
