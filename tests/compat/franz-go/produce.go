package main

import (
	"crypto/rand"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The number is what the attributes of a batch say.
var codecs = map[string]struct {
	codec  kgo.CompressionCodec
	number uint8
}{
	"none":   {kgo.NoCompression(), 0},
	"gzip":   {kgo.GzipCompression(), 1},
	"snappy": {kgo.SnappyCompression(), 2},
	"lz4":    {kgo.Lz4Compression(), 3},
	"zstd":   {kgo.ZstdCompression(), 4},
}

func (r *Run) produceAndReadBack(name string) {
	topic := r.topic("produce-"+name, 3)
	sent := records(topic, 3, 0, 1000)
	producer := r.client(
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[name].codec),
		kgo.ProducerLinger(50*time.Millisecond),
	)
	check(producer.ProduceSync(r.ctx, sent...).FirstErr())

	got := r.readAll(topic, 3, len(sent))
	expectSame(got, sent)
	for _, record := range got {
		number := record.Attrs.CompressionType()
		expect(number == codecs[name].number, "the batch has codec %d", number)
	}
}

func acksNone(r *Run) {
	r.produceWith("acks-0", kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
}

func acksLeader(r *Run) {
	r.produceWith("acks-1", kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
}

func (r *Run) produceWith(name string, opts ...kgo.Opt) []*kgo.Record {
	topic := r.topic(name, 3)
	sent := records(topic, 3, 0, 300)
	opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	check(r.client(opts...).ProduceSync(r.ctx, sent...).FirstErr())
	got := r.readAll(topic, 3, len(sent))
	expectSame(got, sent)
	return got
}

// franz-go produces idempotently unless told otherwise.
func idempotent(r *Run) {
	for _, record := range r.produceWith("idempotent", kgo.RequiredAcks(kgo.AllISRAcks())) {
		expect(record.ProducerID >= 0, "%s has no producer id", record.Key)
	}
}

func largeMessage(r *Run) {
	topic := r.topic("large-message", 1)
	value := make([]byte, 900*1024)
	must(rand.Read(value))
	sent := []*kgo.Record{{Topic: topic, Value: value, Timestamp: time.UnixMilli(start)}}
	r.produce(sent)
	expectSame(r.readAll(topic, 1, 1), sent)
}
