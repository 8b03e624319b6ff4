//! Two brokers that do as a test says with what is produced to the one partition `t-0`.
//!
//! Left alone they behave: the leader appends what is in order and refuses the rest, as Kafka does
//! for an idempotent producer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use odradek_client::{Producer, Properties, producer::config::ProducerConfig};
use odradek_protocol::{
    ApiKey, Decoder, ErrorCode, RequestHeader,
    frame::encode_response,
    message::Message,
    messages::{
        api_versions::{ApiVersion, ApiVersionsResponse},
        init_producer_id::InitProducerIdResponse,
        leader_hint::{LeaderIdAndEpoch, NodeEndpoint},
        metadata::{
            MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
            MetadataResponseTopic,
        },
        produce::{
            PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
        },
    },
    records::{BatchRecords, RecordBatch},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The newest Produce that names topics, which is simpler than ids.
const PRODUCE_VERSION: i16 = 12;

/// A batch that came to a broker.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) broker: i32,
    /// How many came before it, to either broker.
    pub(crate) number: usize,
    pub(crate) producer_id: i64,
    pub(crate) sequence: i32,
    pub(crate) bytes: usize,
    pub(crate) values: Vec<String>,
}

/// What the broker does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What a broker does.
    Behave,
    Refuse(ErrorCode),
    /// Hands the partition over to that broker, and says so.
    HandOver(i32),
    /// Does what a broker does, and hangs up instead of answering.
    HangUp,
}

type Script = Box<dyn FnMut(&Arrival) -> Verdict + Send>;

/// What both brokers know.
pub(crate) struct State {
    script: Script,
    ports: [u16; 2],
    leader: i32,
    leader_epoch: i32,
    /// The sequence number that each producer goes on with.
    expected: HashMap<i64, i32>,
    next_producer_id: i64,
    pub(crate) arrivals: Vec<Arrival>,
    /// The values in the log.
    pub(crate) log: Vec<String>,
    pub(crate) metadata_requests: usize,
}

/// The brokers 1 and 2; 1 leads at first.
pub(crate) struct Brokers {
    pub(crate) state: Arc<Mutex<State>>,
    ports: [u16; 2],
}

impl Brokers {
    pub(crate) async fn start(script: impl FnMut(&Arrival) -> Verdict + Send + 'static) -> Self {
        let listeners = [
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        ];
        let ports = listeners
            .each_ref()
            .map(|it| it.local_addr().unwrap().port());
        let state = Arc::new(Mutex::new(State {
            script: Box::new(script),
            ports,
            leader: 1,
            leader_epoch: 0,
            expected: HashMap::new(),
            next_producer_id: 1000,
            arrivals: Vec::new(),
            log: Vec::new(),
            metadata_requests: 0,
        }));
        for (broker, listener) in (1..).zip(listeners) {
            let state = Arc::clone(&state);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(broker, stream, Arc::clone(&state)));
                }
            });
        }
        Self { state, ports }
    }

    /// A producer with these settings beside the address of the first broker.
    pub(crate) fn producer(&self, properties: &[(&str, &str)]) -> Producer {
        let properties: Properties = properties.iter().copied().collect();
        let properties = properties.with("bootstrap.servers", self.bootstrap());
        Producer::new(ProducerConfig::from_properties(properties).unwrap())
    }

    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.state.lock().unwrap().log.clone()
    }

    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.state.lock().unwrap().arrivals.clone()
    }
}

/// Answers one connection until it ends.
async fn serve(broker: i32, mut stream: TcpStream, state: Arc<Mutex<State>>) {
    loop {
        let Ok(length) = stream.read_u32().await else {
            return;
        };
        let mut frame = vec![0; length as usize];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        let frame = Bytes::from(frame);
        let mut decoder = Decoder::new(&frame);
        let header = RequestHeader::decode(&mut decoder).unwrap();
        let answer = match header.api_key {
            ApiKey::ApiVersions => Some(encode(&header, &versions())),
            ApiKey::Metadata => Some(encode(&header, &state.lock().unwrap().metadata())),
            ApiKey::InitProducerId => Some(encode(&header, &state.lock().unwrap().identity())),
            ApiKey::Produce => {
                let request = ProduceRequest::decode(&mut decoder, header.api_version).unwrap();
                let answer = state.lock().unwrap().produce(broker, &request);
                answer.map(|answer| encode(&header, &answer))
            }
            other => panic!("nobody asked for {other:?}"),
        };
        let Some(answer) = answer else {
            return;
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn encode<R: Message>(header: &RequestHeader, answer: &R) -> Vec<u8> {
    let frame = encode_response(header.correlation_id, header.api_version, answer);
    frame.unwrap().bytes
}

fn versions() -> ApiVersionsResponse {
    let served = [
        ApiKey::ApiVersions,
        ApiKey::Metadata,
        ApiKey::InitProducerId,
        ApiKey::Produce,
    ];
    let each = served.map(|api| ApiVersion {
        api_key: api.number(),
        min_version: 0,
        max_version: match api {
            ApiKey::Produce => PRODUCE_VERSION,
            _ => api.supported().max,
        },
    });
    ApiVersionsResponse {
        api_keys: each.into(),
        ..Default::default()
    }
}

impl State {
    fn metadata(&mut self) -> MetadataResponse {
        self.metadata_requests += 1;
        let partition = MetadataResponsePartition {
            leader_id: self.leader,
            leader_epoch: self.leader_epoch,
            ..Default::default()
        };
        let topic = MetadataResponseTopic {
            name: Some("t".to_owned()),
            partitions: vec![partition],
            ..Default::default()
        };
        let brokers = (1..)
            .zip(self.ports)
            .map(|(node_id, port)| MetadataResponseBroker {
                node_id,
                host: "127.0.0.1".to_owned(),
                port: port.into(),
                ..Default::default()
            });
        MetadataResponse {
            brokers: brokers.collect(),
            topics: vec![topic],
            ..Default::default()
        }
    }

    fn identity(&mut self) -> InitProducerIdResponse {
        self.next_producer_id += 1;
        InitProducerIdResponse {
            producer_id: self.next_producer_id,
            ..Default::default()
        }
    }

    /// `None` hangs up.
    fn produce(&mut self, broker: i32, request: &ProduceRequest) -> Option<ProduceResponse> {
        let records = request.topic_data[0].partition_data[0]
            .records
            .clone()
            .unwrap();
        let batch = RecordBatch::parse(&records).unwrap();
        let read = BatchRecords::read(&batch).unwrap();
        let values = read.iter().map(|record| {
            String::from_utf8(record.unwrap().value.unwrap_or_default().to_vec()).unwrap()
        });
        let arrival = Arrival {
            broker,
            number: self.arrivals.len(),
            producer_id: batch.header().producer_id,
            sequence: batch.header().base_sequence,
            bytes: records.len(),
            values: values.collect(),
        };
        let verdict = (self.script)(&arrival);
        let mut answer = PartitionProduceResponse::default();
        let mut node_endpoints = Vec::new();
        match verdict {
            Verdict::Refuse(code) => answer.error_code = code,
            Verdict::HandOver(to) => {
                self.leader = to;
                self.leader_epoch += 1;
            }
            Verdict::Behave | Verdict::HangUp => {}
        }
        if answer.error_code.is_error() {
            // That was it.
        } else if broker == self.leader {
            match self.append(&arrival) {
                Ok(base_offset) => answer.base_offset = base_offset,
                Err(code) => answer.error_code = code,
            }
        } else {
            answer.error_code = ErrorCode::NotLeaderOrFollower;
            answer.current_leader = LeaderIdAndEpoch {
                leader_id: self.leader,
                leader_epoch: self.leader_epoch,
            };
            node_endpoints.push(NodeEndpoint {
                node_id: self.leader,
                host: "127.0.0.1".to_owned(),
                port: self.ports[self.leader as usize - 1].into(),
                rack: None,
            });
        }
        self.arrivals.push(arrival);
        (verdict != Verdict::HangUp).then(|| ProduceResponse {
            responses: vec![TopicProduceResponse {
                name: "t".to_owned(),
                partition_responses: vec![answer],
                ..Default::default()
            }],
            node_endpoints,
            ..Default::default()
        })
    }

    fn append(&mut self, arrival: &Arrival) -> Result<i64, ErrorCode> {
        if 0 <= arrival.producer_id {
            let expected = self.expected.entry(arrival.producer_id).or_default();
            match arrival.sequence {
                sequence if sequence < *expected => return Err(ErrorCode::DuplicateSequenceNumber),
                sequence if *expected < sequence => {
                    return Err(ErrorCode::OutOfOrderSequenceNumber);
                }
                _ => *expected += arrival.values.len() as i32,
            }
        }
        let base_offset = self.log.len() as i64;
        self.log.extend(arrival.values.iter().cloned());
        Ok(base_offset)
    }

    /// As if an unclean election had lost what the producer wrote last.
    pub(crate) fn lose_last_batch(&mut self, producer_id: i64, records: i32) {
        *self.expected.get_mut(&producer_id).unwrap() -= records;
    }
}
