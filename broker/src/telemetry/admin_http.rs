//! The admin port: `/livez`, `/readyz`, `/metrics`, `/v1/broker` and `/v1/groups/{id}` over
//! HTTP.
//!
//! It has its own thread and its own small runtime, so that it still answers when the runtimes of
//! the data path do not: answering for them is its job.
//!
//! Everything here is read-only and therefore open. There is no path that changes anything, and so
//! no token to configure; the first such path must bring the rules of docs/operations.md with it.
//! What a client can make this port hold is bounded: [`CONNECTIONS_MAX`] connections, each closed
//! after [`CONNECTION_TIME_MAX`] whatever it does.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener as StdListener},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    thread::JoinHandle,
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
    serve::Listener,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    health::{Readiness, Stage, Watchdog},
    status::BrokerStatus,
};

/// Connections at once; probes, a scraper and a few people need fewer.
const CONNECTIONS_MAX: usize = 64;

/// A connection is closed after this time, so that idle ones cannot crowd out the probes.
const CONNECTION_TIME_MAX: Duration = Duration::from_mins(1);

/// Pause after a failed accept: without a free descriptor it would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the port answers from.
pub(crate) struct Admin {
    /// For `/livez`.
    pub(crate) watchdog: Watchdog,
    /// For `/readyz`.
    pub(crate) readiness: Arc<Readiness>,
    /// For `/readyz`: what has failed for good, if anything.
    pub(crate) failure: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// For `/metrics`.
    pub(crate) registry: Registry,
    /// For `/v1/broker`; must not block.
    pub(crate) status: Box<dyn Fn() -> BrokerStatus + Send + Sync>,
    /// For `/v1/groups/{id}`; must not block.
    pub(crate) group: Box<dyn Fn(&str) -> GroupDocument + Send + Sync>,
}

/// What is known of a group.
pub(crate) enum GroupDocument {
    /// There is one of that name.
    Known(serde_json::Value),
    /// There may be one: the groups are still being loaded.
    Loading,
    /// There is none here.
    Unknown,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

/// The running admin port. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct AdminServer {
    #[cfg(test)]
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl AdminServer {
    /// Answers on a listener that was bound already, so that a port in use is reported together
    /// with the other problems of a start.
    pub(crate) fn start(listener: StdListener, admin: Admin) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        #[cfg(test)]
        let address = listener.local_addr()?;
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let listener = {
            let _in_runtime = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                // Open connections are cut with the runtime; they hold nothing worth waiting for.
                runtime.block_on(async {
                    tokio::select! {
                        () = stopped.cancelled() => {}
                        result = serve(listener, admin) => {
                            if let Err(error) = result {
                                tracing::error!(%error, "admin port failed");
                            }
                        }
                    }
                });
            })?;
        Ok(Self {
            #[cfg(test)]
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// The address it answers on.
    #[cfg(test)]
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic over there was reported by the panic hook; there is nothing to add.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, admin: Admin) -> io::Result<()> {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/v1/broker", get(broker))
        .route("/v1/groups/{id}", get(group))
        .with_state(Arc::new(admin));
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    axum::serve(BoundedListener { listener, permits }, router).await
}

async fn livez(State(admin): State<Arc<Admin>>) -> Response {
    match admin.watchdog.pulse().await {
        Ok(()) => "ok\n".into_response(),
        Err(stuck) => (StatusCode::SERVICE_UNAVAILABLE, format!("{stuck}\n")).into_response(),
    }
}

async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    let stage = admin.readiness.stage();
    let (code, answer) = match (admin.failure)() {
        Some(failure) if stage == Stage::Ready => (StatusCode::SERVICE_UNAVAILABLE, failure),
        None if stage == Stage::Ready => (StatusCode::OK, stage.to_string()),
        _ => (StatusCode::SERVICE_UNAVAILABLE, stage.to_string()),
    };
    (code, format!("{answer}\n")).into_response()
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &admin.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn broker(State(admin): State<Arc<Admin>>) -> Json<BrokerStatus> {
    Json((admin.status)())
}

async fn group(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Response {
    match (admin.group)(&id) {
        GroupDocument::Known(document) => Json(document).into_response(),
        GroupDocument::Loading => {
            let reason = "the groups are still being loaded\n";
            (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
        }
        GroupDocument::Unknown => {
            (StatusCode::NOT_FOUND, "there is no such group here\n").into_response()
        }
    }
}

/// Accepts no more than [`CONNECTIONS_MAX`] connections at a time.
struct BoundedListener {
    listener: TcpListener,
    permits: Arc<Semaphore>,
}

impl Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoundedStream, SocketAddr) {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let deadline = Box::pin(sleep(CONNECTION_TIME_MAX));
                    return (
                        BoundedStream {
                            stream,
                            deadline,
                            _permit: permit,
                        },
                        peer,
                    );
                }
                Err(error) => {
                    tracing::debug!(%error, "admin port cannot accept");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends at its deadline.
struct BoundedStream {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl BoundedStream {
    fn check_deadline(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_deadline(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_deadline(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        io::{Read, Write},
        net::TcpStream as StdStream,
    };

    use super::*;
    use crate::telemetry::status::StorageStatus;

    fn start(readiness: &Arc<Readiness>, watchdog: Watchdog) -> AdminServer {
        start_with(readiness, watchdog, || None)
    }

    fn start_with(
        readiness: &Arc<Readiness>,
        watchdog: Watchdog,
        failure: fn() -> Option<String>,
    ) -> AdminServer {
        let status = || BrokerStatus {
            version: "9.9.9",
            node_id: 7,
            cluster_id: "c".to_owned(),
            directory_id: "d".to_owned(),
            directory: "/d".to_owned(),
            stage: "ready".to_owned(),
            uptime_ms: 5,
            listeners: Vec::new(),
            partitions: 3,
            offline_partitions: Vec::new(),
            uncleanable_partitions: Vec::new(),
            recovery: None,
            storage: StorageStatus {
                free_bytes: 1,
                reserve_bytes: 2,
                produces_refused: true,
                failure: None,
            },
            metadata_log_failure: None,
        };
        let admin = Admin {
            watchdog,
            readiness: Arc::clone(readiness),
            failure: Box::new(failure),
            registry: Registry::default(),
            status: Box::new(status),
            group: Box::new(|id| match id {
                "a/b" => GroupDocument::Known(serde_json::json!({ "id": id })),
                "late" => GroupDocument::Loading,
                _ => GroupDocument::Unknown,
            }),
        };
        AdminServer::start(StdListener::bind("127.0.0.1:0").unwrap(), admin).unwrap()
    }

    fn ask(server: &AdminServer, method: &str, path: &str) -> String {
        let mut stream = StdStream::connect(server.address()).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn alive_and_ready_are_different_questions() {
        let readiness = Arc::new(Readiness::default());
        let server = start(&readiness, Watchdog::default());
        readiness.starting("opened 1 of 2 partitions");
        assert!(ask(&server, "GET", "/livez").starts_with("HTTP/1.1 200 "));
        let answer = ask(&server, "GET", "/readyz");
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(
            answer.ends_with("starting: opened 1 of 2 partitions\n"),
            "{answer}"
        );
        readiness.ready();
        assert!(ask(&server, "GET", "/readyz").starts_with("HTTP/1.1 200 "));
        readiness.stopping();
        assert!(ask(&server, "GET", "/readyz").starts_with("HTTP/1.1 503 "));
        assert!(ask(&server, "GET", "/livez").starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn a_broker_that_has_failed_is_alive_but_not_ready_and_says_why() {
        let readiness = Arc::new(Readiness::default());
        readiness.ready();
        let failure = || Some("the log directory has failed: sync /d/t-0".to_owned());
        let server = start_with(&readiness, Watchdog::default(), failure);
        let answer = ask(&server, "GET", "/readyz");
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.ends_with("sync /d/t-0\n"), "{answer}");
        assert!(ask(&server, "GET", "/livez").starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn the_broker_document_is_json_and_metrics_are_openmetrics() {
        let server = start(&Arc::default(), Watchdog::default());
        let answer = ask(&server, "GET", "/v1/broker");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let document: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&document["node_id"], &document["partitions"]),
            (&7.into(), &3.into())
        );
        let answer = ask(&server, "GET", "/metrics");
        assert!(
            answer.contains(METRICS_TYPE) && answer.ends_with("# EOF\n"),
            "{answer}"
        );
    }

    #[test]
    fn a_group_of_any_name_has_a_document_and_one_that_does_not_exist_has_none() {
        let server = start(&Arc::default(), Watchdog::default());
        let answer = ask(&server, "GET", "/v1/groups/a%2Fb");
        assert!(answer.ends_with("{\"id\":\"a/b\"}"), "{answer}");
        let answer = ask(&server, "GET", "/v1/groups/other");
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        let answer = ask(&server, "GET", "/v1/groups/late");
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }

    #[test]
    fn nothing_can_be_changed_and_nothing_else_is_there() {
        let server = start(&Arc::default(), Watchdog::default());
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let answer = ask(&server, method, "/v1/broker");
            assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        }
        assert!(ask(&server, "GET", "/").starts_with("HTTP/1.1 404 "));
    }

    #[test]
    fn a_stopped_port_is_free_again() {
        let server = start(&Arc::default(), Watchdog::default());
        let address = server.address();
        drop(server);
        assert!(StdStream::connect(address).is_err());
    }
}
