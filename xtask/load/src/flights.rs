//! Real records: each row of a CSV file as a JSON object under the flight's number as its key.
//! Produced with acks=all and idempotence, consumed back partition by partition, and compared.
//!
//! The broker may be killed in the middle as often as one likes: a line with the number of
//! acknowledged records is printed every thousand of them, so that the killer can aim. What must
//! hold afterwards: every row is there exactly once, the rows of each partition stand in the order
//! of the file (so those of each key do), and the bytes are those that were sent.

use std::{
    collections::{HashMap, HashSet},
    fs,
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    consumer::Consumer,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
};
use serde_json::{Map, Value, json};

use crate::{client, consume};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    topic: String,
    /// The CSV file; its first line names the columns.
    #[arg(long)]
    csv: std::path::PathBuf,
}

/// One record as it is sent.
struct Flight {
    key: String,
    value: String,
}

/// Where each row went, by row.
struct Deliveries {
    state: Mutex<State>,
}

struct State {
    acknowledged: usize,
    places: Vec<Option<(i32, i64)>>,
    failure: Option<String>,
}

impl ClientContext for Deliveries {
    /// Lost connections are part of the exercise.
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, row: Box<usize>) {
        let mut state = self.state.lock().expect("no holder panics");
        match result {
            Ok(message) => {
                state.places[*row] = Some((message.partition(), message.offset()));
                state.acknowledged += 1;
                if state.acknowledged.is_multiple_of(1000) {
                    println!("{}", json!({ "acknowledged": state.acknowledged }));
                }
            }
            Err((error, _)) => state.failure = Some(error.to_string()),
        }
    }
}

pub(crate) fn run(broker: &str, arguments: &Arguments) -> anyhow::Result<Value> {
    let flights = read(&arguments.csv)?;
    let begin = Instant::now();
    let places = produce(broker, &arguments.topic, &flights)?;
    let produce_seconds = begin.elapsed().as_secs_f64();

    let begin = Instant::now();
    let expected = by_partition(&places)?;
    let found = read_back(broker, &arguments.topic, expected.len())?;
    let consume_seconds = begin.elapsed().as_secs_f64();

    let mut partitions = Vec::new();
    for (number, (expected, found)) in expected.iter().zip(&found).enumerate() {
        partitions.push(compare(number, expected, found, &flights));
    }
    let keys: HashSet<&str> = flights.iter().map(|flight| flight.key.as_str()).collect();
    Ok(json!({
        "rows": flights.len(),
        "keys": keys.len(),
        "produce_seconds": produce_seconds,
        "consume_seconds": consume_seconds,
        "partitions": partitions,
    }))
}

fn read(csv: &std::path::Path) -> anyhow::Result<Vec<Flight>> {
    let text = fs::read_to_string(csv).with_context(|| format!("read {}", csv.display()))?;
    let mut lines = text.lines();
    let columns: Vec<&str> = lines
        .next()
        .context("the file is empty")?
        .split(',')
        .collect();
    let column = |name: &str| {
        columns
            .iter()
            .position(|column| *column == name)
            .with_context(|| format!("no {name}"))
    };
    let (carrier, number) = (column("carrier")?, column("flight")?);
    let mut flights = Vec::new();
    for (row, line) in lines.enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        ensure!(
            fields.len() == columns.len(),
            "row {row} has {} fields",
            fields.len()
        );
        let mut object = Map::new();
        object.insert("row".to_owned(), row.into());
        for (column, field) in columns.iter().zip(&fields) {
            object.insert((*column).to_owned(), typed(field));
        }
        let key = format!("{}{}", fields[carrier], fields[number]);
        flights.push(Flight {
            key,
            value: Value::Object(object).to_string(),
        });
    }
    Ok(flights)
}

fn typed(field: &str) -> Value {
    match field {
        "" | "NA" => Value::Null,
        _ => field.parse::<f64>().map_or_else(
            |_| field.into(),
            |_| serde_json::from_str(field).unwrap_or_else(|_| field.into()),
        ),
    }
}

/// Sends every row and returns where each went.
fn produce(
    broker: &str,
    topic: &str,
    flights: &[Flight],
) -> anyhow::Result<Vec<Option<(i32, i64)>>> {
    let state = State {
        acknowledged: 0,
        places: vec![None; flights.len()],
        failure: None,
    };
    let producer: BaseProducer<Deliveries> = client::producer_config(broker)
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("compression.type", "lz4")
        .set("linger.ms", "5")
        // Few enough that a kill finds the producer in the middle of its work.
        .set("queue.buffering.max.messages", "20000")
        .set("reconnect.backoff.max.ms", "200")
        .create_with_context(Deliveries { state: Mutex::new(state) })?;
    for (row, flight) in flights.iter().enumerate() {
        let mut record = BaseRecord::with_opaque_to(topic, Box::new(row))
            .key(&flight.key)
            .payload(&flight.value);
        while let Err((error, back)) = producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                bail!("produce: {error}");
            }
            record = back;
            producer.poll(Duration::from_millis(10));
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_mins(2))?;
    let mut state = producer.context().state.lock().expect("no holder panics");
    if let Some(failure) = &state.failure {
        bail!("a record was refused: {failure}");
    }
    Ok(std::mem::take(&mut state.places))
}

/// The rows of each partition, in the order in which they must stand there.
fn by_partition(places: &[Option<(i32, i64)>]) -> anyhow::Result<Vec<Vec<usize>>> {
    let mut partitions: Vec<Vec<usize>> = Vec::new();
    for (row, place) in places.iter().enumerate() {
        let (partition, _) = place.with_context(|| format!("row {row} was not acknowledged"))?;
        let partition = usize::try_from(partition)?;
        if partitions.len() <= partition {
            partitions.resize_with(partition + 1, Vec::new);
        }
        partitions[partition].push(row);
    }
    Ok(partitions)
}

/// What stands in one partition.
#[derive(Default, Clone)]
struct Found {
    /// Row numbers, in the order of the offsets.
    rows: Vec<usize>,
    /// CRC-32C over key and value of every record, one after the other.
    checksum: u32,
}

fn read_back(broker: &str, topic: &str, partitions: usize) -> anyhow::Result<Vec<Found>> {
    let consumer = consume::assigned(broker, topic)?;
    let mut missing = 0;
    let mut found = vec![Found::default(); partitions];
    for partition in 0..partitions as i32 {
        let (low, high) = consumer.fetch_watermarks(topic, partition, Duration::from_secs(30))?;
        missing += high - low;
    }
    while 0 < missing {
        let message = consumer
            .poll(Duration::from_secs(30))
            .context("the broker falls silent")??;
        let partition = usize::try_from(message.partition())?;
        let found = found
            .get_mut(partition)
            .context("a partition nobody wrote to")?;
        let (key, value) = (message.key().unwrap_or_default(), message.payload());
        let value = value.context("a record without value")?;
        let object: Value = serde_json::from_slice(value)?;
        let row = object["row"].as_u64().context("a record without its row")?;
        found.rows.push(row as usize);
        found.checksum = crc32c::crc32c_append(found.checksum, key);
        found.checksum = crc32c::crc32c_append(found.checksum, value);
        missing -= 1;
    }
    Ok(found)
}

fn compare(number: usize, expected: &[usize], found: &Found, flights: &[Flight]) -> Value {
    let mut checksum = 0;
    for &row in expected {
        checksum = crc32c::crc32c_append(checksum, flights[row].key.as_bytes());
        checksum = crc32c::crc32c_append(checksum, flights[row].value.as_bytes());
    }
    json!({
        "partition": number,
        "sent": expected.len(),
        "found": found.rows.len(),
        "keys_out_of_order": keys_out_of_order(&found.rows, flights),
        "in_order": found.rows == expected,
        "sent_crc32c": format!("{checksum:08x}"),
        "found_crc32c": format!("{:08x}", found.checksum),
    })
}

/// Keys of which a record stands before one that was sent earlier.
fn keys_out_of_order(rows: &[usize], flights: &[Flight]) -> usize {
    let mut last_rows: HashMap<&str, usize> = HashMap::new();
    let mut disordered: HashSet<&str> = HashSet::new();
    for &row in rows {
        let Some(flight) = flights.get(row) else {
            continue;
        };
        let last = last_rows.insert(&flight.key, row);
        if last.is_some_and(|last| row <= last) {
            disordered.insert(&flight.key);
        }
    }
    disordered.len()
}
