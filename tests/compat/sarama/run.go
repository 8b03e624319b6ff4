package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// Run is what a case works with: one run of one case against one broker.
type Run struct {
	ctx       context.Context
	bootstrap string
	prefix    string
	admin     sarama.ClusterAdmin
	cleanup   []func() error
}

func newRun(ctx context.Context, bootstrap, prefix string) *Run {
	r := &Run{ctx: ctx, bootstrap: bootstrap, prefix: prefix}
	r.admin = must(sarama.NewClusterAdmin(r.addresses(), config()))
	r.atEnd(r.admin.Close)
	return r
}

// config has the newest versions of all requests; by itself sarama speaks as to an old broker.
func config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Return.Errors = true
	return config
}

func (r *Run) addresses() []string {
	return []string{r.bootstrap}
}

func (r *Run) atEnd(closing func() error) {
	r.cleanup = append(r.cleanup, closing)
}

func (r *Run) close() {
	for i := len(r.cleanup) - 1; i >= 0; i-- {
		_ = r.cleanup[i]()
	}
}

// topic creates a topic and returns its name.
func (r *Run) topic(name string, partitions int32) string {
	return r.topicWith(name, partitions, nil)
}

func (r *Run) topicWith(name string, partitions int32, configs map[string]*string) string {
	topic := r.prefix + "-" + name
	check(r.admin.CreateTopic(topic, &sarama.TopicDetail{
		NumPartitions:     partitions,
		ReplicationFactor: 1,
		ConfigEntries:     configs,
	}, false))
	// A broker may answer before it can serve what was created.
	ends := make(map[int32]int64)
	for p := range partitions {
		ends[p] = sarama.OffsetNewest
	}
	r.waitUntil(topic, func() bool {
		listed, err := r.admin.ListOffsets(map[string]map[int32]int64{topic: ends}, nil)
		for _, end := range listed[topic] {
			err = errors.Join(err, failure(end.Err))
		}
		return err == nil && r.partitionCount(topic) == int(partitions)
	})
	return topic
}

// failure is nil for sarama's error that says that there is none.
func failure(err error) error {
	if errors.Is(err, sarama.ErrNoError) {
		return nil
	}
	return err
}

func (r *Run) partitionCount(topic string) int {
	return len(must(r.admin.DescribeTopics([]string{topic}))[0].Partitions)
}

// produce writes records with all acknowledgements and waits for them.
func (r *Run) produce(records []*sarama.ProducerMessage) {
	config := config()
	config.Producer.RequiredAcks = sarama.WaitForAll
	r.produceWith(config, records)
}

func (r *Run) produceWith(config *sarama.Config, records []*sarama.ProducerMessage) {
	producer := must(sarama.NewSyncProducer(r.addresses(), config))
	check(producer.SendMessages(records))
	check(producer.Close())
}

// start is the timestamp of the first record that records makes, in ms: young enough to be kept.
var start = time.Now().Add(-time.Hour).UnixMilli()

// records makes records round the partitions, each one ms and one number after the other.
func records(topic string, partitions int32, from, to int) []*sarama.ProducerMessage {
	var made []*sarama.ProducerMessage
	for i := from; i < to; i++ {
		number := []byte(fmt.Sprint(i))
		made = append(made, &sarama.ProducerMessage{
			Topic:     topic,
			Partition: int32(i) % partitions,
			Key:       sarama.StringEncoder(fmt.Sprintf("key-%d", i)),
			Value: sarama.StringEncoder(
				fmt.Sprintf("value-%d %s", i, strings.Repeat("and again ", 10))),
			Headers:   []sarama.RecordHeader{{Key: []byte("number"), Value: number}},
			Timestamp: time.UnixMilli(start + int64(i)),
		})
	}
	return made
}

// readAll reads every partition of a topic from its beginning until it has seen count records.
func (r *Run) readAll(topic string, partitions int32, count int) []*sarama.ConsumerMessage {
	var got []*sarama.ConsumerMessage
	for p := range partitions {
		end := must(r.client().GetOffset(topic, p, sarama.OffsetNewest))
		begin := must(r.client().GetOffset(topic, p, sarama.OffsetOldest))
		got = append(got, r.read(topic, p, sarama.OffsetOldest, int(end-begin))...)
	}
	expect(len(got) == count, "%d records instead of %d", len(got), count)
	return got
}

// client is for what neither consumers nor the administrator offer.
func (r *Run) client() sarama.Client {
	client := must(sarama.NewClient(r.addresses(), config()))
	r.atEnd(client.Close)
	return client
}

// read takes so many records of one partition from an offset on.
func (r *Run) read(topic string, partition int32, from int64, count int) []*sarama.ConsumerMessage {
	consumer := must(sarama.NewConsumer(r.addresses(), config()))
	part := must(consumer.ConsumePartition(topic, partition, from))
	var got []*sarama.ConsumerMessage
	for len(got) < count {
		select {
		case message := <-part.Messages():
			got = append(got, message)
		case err := <-part.Errors():
			fail("%v", err)
		case <-r.ctx.Done():
			fail("%d records instead of %d", len(got), count)
		}
	}
	check(part.Close())
	check(consumer.Close())
	return got
}

// expectSame compares records partition by partition: order, content and offsets from 0.
func expectSame(got []*sarama.ConsumerMessage, want []*sarama.ProducerMessage) {
	expect(len(got) == len(want), "got %d records instead of %d", len(got), len(want))
	ours := make(map[int32][]*sarama.ProducerMessage)
	for _, record := range want {
		ours[record.Partition] = append(ours[record.Partition], record)
	}
	for _, record := range got {
		part := ours[record.Partition]
		expect(record.Offset < int64(len(part)), "partition %d is too long", record.Partition)
		expectContent(record, part[record.Offset])
	}
}

func expectContent(got *sarama.ConsumerMessage, want *sarama.ProducerMessage) {
	if want.Key != nil {
		key := must(want.Key.Encode())
		expect(bytes.Equal(got.Key, key), "key %q instead of %q", got.Key, key)
	}
	expect(bytes.Equal(got.Value, must(want.Value.Encode())), "wrong value of %s", got.Key)
	expect(got.Timestamp.Equal(want.Timestamp), "wrong timestamp of %s: %v", got.Key, got.Timestamp)
	expect(len(got.Headers) == len(want.Headers), "wrong headers of %s", got.Key)
	for i, header := range want.Headers {
		there := got.Headers[i]
		same := bytes.Equal(there.Key, header.Key) && bytes.Equal(there.Value, header.Value)
		expect(same, "wrong header of %s: %v", got.Key, there)
	}
}

// waitUntil asks again until the answer is yes.
func (r *Run) waitUntil(what string, met func() bool) {
	for !met() {
		select {
		case <-r.ctx.Done():
			fail("in vain: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func expect(holds bool, format string, args ...any) {
	if !holds {
		fail(format, args...)
	}
}
