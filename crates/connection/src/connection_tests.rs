#![allow(clippy::unwrap_used)]
//! A scripted broker on a socket of its own answers as each test needs.

use odradek_protocol::{
    ApiKey, Decoder, RequestHeader, VersionRange,
    frame::encode_response,
    messages::{
        api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse},
        metadata::{MetadataRequest, MetadataResponse},
        produce::ProduceRequest,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// The broker's end of the one connection that is made to it.
struct Peer {
    stream: TcpStream,
}

impl Peer {
    /// The next request's header.
    async fn request(&mut self) -> RequestHeader {
        let length = self.stream.read_u32().await.unwrap();
        let mut frame = vec![0; length as usize];
        self.stream.read_exact(&mut frame).await.unwrap();
        let frame = Bytes::from(frame);
        RequestHeader::decode(&mut Decoder::new(&frame)).unwrap()
    }

    async fn answer<R: Message>(&mut self, header: &RequestHeader, response: &R) {
        let version = header.api_version;
        self.answer_in(version, header.correlation_id, response)
            .await;
    }

    async fn answer_in<R: Message>(&mut self, version: i16, id: i32, response: &R) {
        let frame = encode_response(id, version, response).unwrap();
        self.stream.write_all(&frame.bytes).await.unwrap();
    }

    async fn answer_handshake(&mut self) {
        let header = self.request().await;
        assert_eq!(header.api_key, ApiKey::ApiVersions);
        self.answer(&header, &serves(&[ApiKey::Metadata])).await;
    }
}

fn serves(apis: &[ApiKey]) -> ApiVersionsResponse {
    let each = apis.iter().map(|api| ApiVersion {
        api_key: api.number(),
        min_version: 0,
        max_version: api.supported().max,
    });
    ApiVersionsResponse {
        api_keys: each.collect(),
        ..Default::default()
    }
}

fn options(request_timeout: Duration) -> ConnectionOptions {
    ConnectionOptions {
        request_timeout,
        ..ConnectionOptions::named("test")
    }
}

/// A connection whose broker does as `script` says.
async fn open<F, S>(script: F) -> Result<Connection, ConnectError>
where
    F: FnOnce(Peer) -> S + Send + 'static,
    S: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        script(Peer { stream }).await;
    });
    Connection::open(&address, &options(Duration::from_mins(1))).await
}

fn named(cluster: &str) -> MetadataResponse {
    MetadataResponse {
        cluster_id: Some(cluster.to_owned()),
        ..Default::default()
    }
}

#[tokio::test]
async fn several_requests_are_under_way_and_each_gets_its_own_answer() {
    let connection = open(|mut peer| async move {
        peer.answer_handshake().await;
        let first = peer.request().await;
        let second = peer.request().await;
        assert_eq!(first.client_id.as_deref(), Some("test"));
        peer.answer(&first, &named("one")).await;
        peer.answer(&second, &named("two")).await;
        peer.request().await;
    })
    .await
    .unwrap();
    let request = MetadataRequest::default();
    let timeout = Duration::from_mins(1);
    let first = connection.send(&request, timeout).await.unwrap();
    let second = connection.send(&request, timeout).await.unwrap();
    assert_eq!(second.wait().await.unwrap().cluster_id.unwrap(), "two");
    assert_eq!(first.wait().await.unwrap().cluster_id.unwrap(), "one");
}

#[tokio::test]
async fn an_older_broker_is_asked_again_in_the_version_it_knows() {
    let connection = open(|mut peer| async move {
        let header = peer.request().await;
        let newest = ApiVersionsRequest::VERSIONS.max;
        assert_eq!(header.api_version, newest);
        let mut refusal = serves(&[]);
        refusal.error_code = odradek_protocol::ErrorCode::UnsupportedVersion;
        refusal.api_keys.push(ApiVersion {
            api_key: ApiKey::ApiVersions.number(),
            min_version: 0,
            max_version: 2,
        });
        peer.answer_in(0, header.correlation_id, &refusal).await;
        let again = peer.request().await;
        assert_eq!(again.api_version, 2);
        peer.answer(&again, &serves(&[ApiKey::Metadata])).await;
        peer.request().await;
    })
    .await
    .unwrap();
    let ours = VersionRange { min: 0, max: 1 };
    let common = connection.versions().highest_common(ApiKey::Metadata, ours);
    assert_eq!(common, Some(1));
}

#[tokio::test]
async fn what_the_broker_does_not_serve_is_not_sent() {
    let connection = open(|mut peer| async move {
        peer.answer_handshake().await;
        peer.request().await;
    })
    .await
    .unwrap();
    let error = connection
        .call(&ProduceRequest::default())
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        CallError::Unserved {
            api: ApiKey::Produce,
            ..
        }
    ));
    assert!(!error.retriable());
    assert!(connection.lost().is_none());
}

#[tokio::test]
async fn a_broker_that_goes_away_fails_all_that_is_under_way() {
    let connection = open(|mut peer| async move {
        peer.answer_handshake().await;
        peer.request().await;
        peer.request().await;
    })
    .await
    .unwrap();
    let request = MetadataRequest::default();
    let (first, second) = tokio::join!(connection.call(&request), connection.call(&request));
    for result in [first, second, connection.call(&request).await] {
        let error = result.unwrap_err();
        assert!(error.retriable(), "{error}");
    }
    assert!(connection.lost().is_some());
}

#[tokio::test]
async fn an_answer_that_does_not_come_loses_the_connection() {
    let connection = open(|mut peer| async move {
        peer.answer_handshake().await;
        peer.request().await;
        // Silence, until the client hangs up.
        assert!(peer.stream.read_u8().await.is_err());
    })
    .await
    .unwrap();
    let request = MetadataRequest::default();
    let call = connection.call_within(&request, Duration::from_millis(50));
    let error = call.await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no answer to Metadata within 50ms"),
        "{error}"
    );
    assert!(matches!(connection.lost(), Some(Lost::TimedOut { .. })));
}

#[tokio::test]
async fn an_answer_out_of_order_loses_the_connection() {
    let connection = open(|mut peer| async move {
        peer.answer_handshake().await;
        let header = peer.request().await;
        let wrong = header.correlation_id + 1;
        peer.answer_in(header.api_version, wrong, &named("other"))
            .await;
        peer.stream.read_u8().await.ok();
    })
    .await
    .unwrap();
    let error = connection
        .call(&MetadataRequest::default())
        .await
        .unwrap_err();
    let CallError::Lost { reason, .. } = error else {
        panic!("{error}");
    };
    assert!(matches!(reason, Lost::Correlation { .. }), "{reason}");
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_socket() {
    let (told, closed) = oneshot::channel();
    let connection = open(|mut peer| async move {
        peer.answer_handshake().await;
        assert!(peer.stream.read_u8().await.is_err());
        told.send(()).unwrap();
    })
    .await
    .unwrap();
    drop(connection);
    closed.await.unwrap();
}

#[tokio::test]
async fn what_is_no_broker_is_told_apart_from_what_is_not_there() {
    let http = open(|mut peer| async move {
        peer.stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        peer.stream.read_u8().await.ok();
    });
    assert!(matches!(http.await, Err(ConnectError::Handshake { .. })));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
    drop(listener);
    let nobody = Connection::open(&address, &ConnectionOptions::default()).await;
    assert!(
        matches!(nobody, Err(ConnectError::Dial { .. })),
        "{nobody:?}"
    );
}
