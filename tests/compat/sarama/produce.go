package main

import (
	"crypto/rand"
	"time"

	"github.com/IBM/sarama"
)

var codecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
	"zstd":   sarama.CompressionZSTD,
}

func (r *Run) produceAndReadBack(name string) {
	config := config()
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Compression = codecs[name]
	config.Producer.Flush.Frequency = 50 * time.Millisecond
	r.produceAndCompare("produce-"+name, 1000, config)
}

func acksNone(r *Run) {
	config := config()
	config.Producer.RequiredAcks = sarama.NoResponse
	topic := r.topic("acks-0", 3)
	sent := records(topic, 3, 0, 300)
	r.produceWith(config, sent)
	client := r.client()
	r.waitUntil("the records", func() bool {
		var count int64
		for p := range int32(3) {
			count += must(client.GetOffset(topic, p, sarama.OffsetNewest))
		}
		return count == int64(len(sent))
	})
	expectSame(r.readAll(topic, 3, len(sent)), sent)
}

func acksLeader(r *Run) {
	config := config()
	config.Producer.RequiredAcks = sarama.WaitForLocal
	r.produceAndCompare("acks-1", 300, config)
}

func idempotent(r *Run) {
	config := config()
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
	r.produceAndCompare("idempotent", 300, config)
}

func (r *Run) produceAndCompare(name string, count int, config *sarama.Config) {
	topic := r.topic(name, 3)
	sent := records(topic, 3, 0, count)
	r.produceWith(config, sent)
	expectSame(r.readAll(topic, 3, len(sent)), sent)
}

func largeMessage(r *Run) {
	topic := r.topic("large-message", 1)
	value := make([]byte, 900*1024)
	must(rand.Read(value))
	large := &sarama.ProducerMessage{
		Topic: topic, Value: sarama.ByteEncoder(value), Timestamp: time.UnixMilli(start)}
	r.produce([]*sarama.ProducerMessage{large})
	expectSame(r.readAll(topic, 1, 1), []*sarama.ProducerMessage{large})
}
