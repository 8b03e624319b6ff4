//! One connection, one task: requests in, answers out, and knowing when to give up.
//!
//! The loop in [`Connection::exchange`] is the whole story: start what may start, then wait for
//! whichever comes first, an answer, bytes, or a reason to end. It goes on watching the socket
//! while requests are under way, so that a long poll ends when its client leaves.
//!
//! **Invariants:** an idle connection holds no buffer and one timer, which rings once per
//! `connections.max.idle.ms`; a connection reads ahead by at most one request of those that must
//! wait.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use odradek_protocol::frame::FrameError;
use tokio::{
    net::TcpStream,
    task::coop,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    api::{self, Answer, CloseConnection, Request, context::ConnectionInfo},
    error_chain::ErrorChain,
    network::{
        Network,
        frame_reader::FrameReader,
        memory_budget::Charge,
        pipeline::{Answered, Pipeline},
        response_writer::{ResponseWriter, WriteError},
    },
};

/// How long requests under way may take once the peer has ended its side, or the broker stops.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// Far enough to stand for "never".
const NEVER: Duration = Duration::from_hours(365 * 24);

/// A connection of a client. See the module's documentation.
pub(crate) struct Connection {
    network: Arc<Network>,
    info: Arc<ConnectionInfo>,
    socket: Arc<TcpStream>,
    reader: FrameReader,
    pipeline: Pipeline,
    writer: ResponseWriter,
    /// When a request last arrived or an answer left.
    last_active: Instant,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("the client closed it")]
    ByPeer,
    #[error("the broker stops")]
    Stopping,
    #[error("it was idle for too long")]
    Idle,
    #[error("a request stopped arriving, or came too slowly")]
    RequestStalled,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Request(#[from] CloseConnection),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("read from the socket: {0}")]
    Read(#[from] io::Error),
}

impl Connection {
    /// A connection that was just accepted.
    pub(crate) fn new(network: Arc<Network>, info: ConnectionInfo, socket: TcpStream) -> Self {
        let socket = Arc::new(socket);
        Self {
            network,
            info: Arc::new(info),
            reader: FrameReader::default(),
            pipeline: Pipeline::default(),
            writer: ResponseWriter::new(Arc::clone(&socket)),
            socket,
            last_active: Instant::now(),
        }
    }

    /// Serves the connection until it ends.
    pub(crate) async fn serve(mut self) {
        let Err(closed) = self.exchange().await;
        self.log(&closed);
    }

    async fn exchange(&mut self) -> Result<Infallible, Closed> {
        let network = Arc::clone(&self.network);
        let (resources, budget) = (&network.resources, &network.resources.budget);
        let mut stopping = pin!(network.stopping.cancelled());
        let mut alarm = pin!(sleep_until(self.last_active + NEVER));
        loop {
            self.start_requests()?;
            let shortage = budget.shortage();
            let is_short = budget.is_short();
            let deadline = self.deadline(is_short);
            if deadline < alarm.deadline() {
                alarm.as_mut().reset(deadline);
            }
            let has_room = self.has_room();
            tokio::select! {
                biased; // Stop first, then make room by answering before taking more in.
                () = &mut stopping => return self.drain(Closed::Stopping).await,
                answered = self.pipeline.next() => self.answer(answered?).await?,
                () = budget.no_longer_overdrawn(), if self.pipeline.waits_for_memory() => {}
                read = self.reader.fill(&self.socket, resources, has_room) => match read? {
                    0 => return self.drain(Closed::ByPeer).await,
                    _ => self.last_active = Instant::now(),
                },
                () = &mut alarm => {
                    // It may have been set for something that has passed since.
                    let deadline = self.deadline(budget.is_short());
                    if deadline <= Instant::now() {
                        let amid_frame = self.reader.is_amid_frame();
                        return Err(if amid_frame { Closed::RequestStalled } else { Closed::Idle });
                    }
                    alarm.as_mut().reset(deadline);
                }
                // The deadline of a frame that is arriving has moved nearer.
                () = shortage, if !is_short && self.reader.is_amid_frame() => {}
            }
            // Many small requests that arrived together must not keep others from their turn.
            coop::consume_budget().await;
        }
    }

    /// Starts the requests that have arrived, as far as they may be under way together.
    fn start_requests(&mut self) -> Result<(), Closed> {
        loop {
            let overdrawn = self.network.resources.budget.is_overdrawn();
            self.pipeline.start(overdrawn, |request| {
                let answer = api::start(&self.network.services, &self.info, request)?;
                Ok(match request.structure_bytes() {
                    0 => answer,
                    bytes => charged(answer, self.network.resources.budget.charge(bytes)),
                })
            })?;
            if !self.has_room() {
                return Ok(());
            }
            let Some(frame) = self.reader.take_frame(&self.network.resources)? else {
                return Ok(());
            };
            let request = Request::parse(&frame.bytes)?;
            self.network
                .services
                .metrics
                .request(request.api_key())
                .received();
            self.pipeline.push(request, frame.turn);
        }
    }

    /// Sends an answer, and with it those behind it that are ready.
    async fn answer(&mut self, first: Answered) -> Result<(), Closed> {
        let mut next = Some(Ok(first));
        while let Some(answered) = next {
            let Answered {
                api_key,
                began,
                response,
                turn,
            } = answered?;
            self.network
                .services
                .metrics
                .request(api_key)
                .answered(began.elapsed());
            if let Some(response) = response {
                self.writer.queue(response, turn, &self.network.resources)?;
            }
            next = self.pipeline.next_if_ready();
        }
        self.writer.flush(&self.network.resources).await?;
        self.last_active = Instant::now();
        Ok(())
    }

    /// Answers what is under way and worth answering, briefly, and ends.
    ///
    /// A peer that closed its side may still read: it gets the answers to what it asked, but no
    /// fetch waits for its sake, since most such peers are gone.
    async fn drain(&mut self, closed: Closed) -> Result<Infallible, Closed> {
        let deadline = Instant::now() + DRAIN_MAX;
        while !self.pipeline.may_be_abandoned() {
            let Ok(answered) = timeout_at(deadline, self.pipeline.next()).await else {
                break;
            };
            self.answer(answered?).await?;
            if matches!(closed, Closed::ByPeer) {
                self.start_requests()?;
            }
        }
        Err(closed)
    }

    /// One connection may have half of the memory budget's bytes under way.
    fn has_room(&self) -> bool {
        self.pipeline
            .has_room(self.network.resources.budget.bytes_max() / 2)
    }

    /// When the connection will have been idle, or its request have stalled, for too long.
    fn deadline(&self, memory_is_short: bool) -> Instant {
        let idle_timeout = if let Some(pace) = self.reader.pace() {
            return pace.deadline(self.network.resources.stall_timeout, memory_is_short);
        } else if self.pipeline.is_empty() && !self.reader.is_amid_frame() {
            self.network.idle_timeout
        } else {
            None
        };
        self.last_active + idle_timeout.unwrap_or(NEVER)
    }

    fn log(&self, closed: &Closed) {
        let (peer, connection) = (self.info.peer, self.info.id);
        match closed {
            Closed::Write(error) if error.is_peer_gone() => {
                tracing::debug!(%peer, connection, "the client left before its answer");
            }
            Closed::Frame(_) | Closed::Request(_) | Closed::RequestStalled | Closed::Write(_) => {
                let closed = ErrorChain(closed);
                if let Some(left_out) = self.network.complaints.permit() {
                    tracing::warn!(%peer, connection, left_out, "closed a connection: {closed}");
                }
            }
            _ => tracing::debug!(%peer, connection, "connection ended: {closed}"),
        }
    }
}

/// Keeps memory on the account until the answer is there.
fn charged(answer: Answer, charge: Charge) -> Answer {
    Box::pin(async move {
        let response = answer.await;
        drop(charge);
        response
    })
}
