//! A connection that speaks frames: for what no client library would send, and for looking at what
//! exactly comes back.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
};

use bytes::Bytes;
use odradek_protocol::{Decoder, Message, RequestHeader, ResponseHeader, frame};
use odradek_tests::{broker::Broker, wait};

/// See the module's documentation.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    correlation_id: i32,
    /// Correlation ids of the requests that were not answered yet, in their order.
    unanswered: VecDeque<i32>,
}

impl Wire {
    pub(crate) fn connect(broker: &Broker) -> Self {
        Self::try_connect(broker).unwrap()
    }

    pub(crate) fn try_connect(broker: &Broker) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, broker.port()))?;
        Ok(Self::over(stream))
    }

    /// Over a connection that is there already.
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(wait::PATIENCE)).unwrap();
        stream.set_write_timeout(Some(wait::PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            correlation_id: 0,
            unanswered: VecDeque::new(),
        }
    }

    /// Sends a request and returns its answer.
    pub(crate) fn call<Q: Message, A: Message>(&mut self, version: i16, request: &Q) -> A {
        self.send(version, request);
        self.receive(version)
    }

    /// Sends a request without waiting for the answer.
    pub(crate) fn send<Q: Message>(&mut self, version: i16, request: &Q) {
        self.try_send(version, request).unwrap();
    }

    /// The same towards a broker that may be killed meanwhile.
    pub(crate) fn try_send<Q: Message>(&mut self, version: i16, request: &Q) -> io::Result<()> {
        self.correlation_id += 1;
        let header = RequestHeader {
            api_key: Q::KEY,
            api_version: version,
            correlation_id: self.correlation_id,
            client_id: Some("wire".to_owned()),
        };
        self.unanswered.push_back(self.correlation_id);
        let frame = frame::encode_request(&header, request).unwrap();
        self.stream.write_all(&frame.bytes)
    }

    /// The next answer, which must be an `A` in `version`.
    pub(crate) fn receive<A: Message>(&mut self, version: i16) -> A {
        self.try_receive(version).unwrap()
    }

    /// The same from a broker that may be killed meanwhile.
    pub(crate) fn try_receive<A: Message>(&mut self, version: i16) -> io::Result<A> {
        let frame = self.receive_frame()?;
        Ok(self.decode(&frame, version))
    }

    /// The next answer and its length on the wire, the length prefix included.
    pub(crate) fn receive_sized<A: Message>(&mut self, version: i16) -> (A, usize) {
        let frame = self.receive_frame().unwrap();
        (self.decode(&frame, version), frame.len() + 4)
    }

    fn decode<A: Message>(&mut self, frame: &Bytes, version: i16) -> A {
        let mut decoder = Decoder::new(frame);
        let header = ResponseHeader::decode(&mut decoder, A::KEY, version).unwrap();
        if let Some(expected) = self.unanswered.pop_front() {
            assert_eq!(
                header.correlation_id, expected,
                "answers come in the order of requests"
            );
        }
        let answer: A = Message::decode(&mut decoder, version).unwrap();
        decoder.expect_end().unwrap();
        answer
    }

    /// The next frame without its length.
    pub(crate) fn receive_frame(&mut self) -> io::Result<Bytes> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        let mut frame = vec![0; u32::from_be_bytes(len) as usize];
        self.stream.read_exact(&mut frame)?;
        Ok(frame.into())
    }

    /// Whether the broker closes the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 1]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}
